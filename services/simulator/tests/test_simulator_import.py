"""Replay of somebody's shop."""

import gzip
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from clickwatch_events import Event, EventType, to_line
from clickwatch_service import UserError
from clickwatch_service.pseudonyms import Pseudonyms
from clickwatch_simulator.importing.mappings import MAPPINGS, RowMapping
from clickwatch_simulator.importing.reader import EventReader
from clickwatch_simulator.importing.replay import Replay
from clickwatch_simulator.importing.rows import Row
from clickwatch_simulator.importing.source import source
from clickwatch_simulator.scenarios import Fate
from hypothesis import given
from hypothesis import strategies as st
from simulator_import import NOW_MS, WATERMARK, imported

REES46 = """\
event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session
2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde
2019-10-01 00:00:01 UTC,cart,17200506,2053013559792632471,Furniture.sofa,,543.10,519107250,566511c2
2019-10-01 00:00:02 UTC,remove_from_cart,17200506,2053013559792632471,furniture.sofa,,543.10,519107250,566511c2
2019-10-01 00:00:04 UTC,purchase,1307067,2053013558920217191,computers.notebook,lenovo,251.74,550050854,7c90fc70
"""
BY_KIND = RowMapping(time="ts", type="kind", product="item", user="who")

Write = Callable[[str, str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        raw = content if isinstance(content, bytes) else content.encode()
        path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return path

    return written


def replayed(
    path: Path,
    mapping: RowMapping = MAPPINGS["rees46"],
    first_at_ms: int | None = None,
) -> tuple[list[Event], list[dict[str, Any]]]:
    """Return the events and the rows kept aside."""
    found = imported(path, mapping, first_at_ms)
    return found.events, found.aside


@pytest.mark.parametrize("name", ["2019-Oct.csv", "2019-Oct.csv.gz"])
def test_the_rees46_layout_is_ready_made(write: Write, name: str) -> None:
    events, aside = replayed(write(name, REES46))

    assert [event[1:] for event in events] == [
        (
            "541312140",
            "44600062",
            "2103807459595387724",
            EventType.VIEW,
            1_569_888_000_000,
            "72d76fde",
            3579,
            "USD",
        ),
        (
            "519107250",
            "17200506",
            "furniture.sofa",
            EventType.ADD_TO_CART,
            1_569_888_001_000,
            "566511c2",
            54310,
            "USD",
        ),
        ("550050854", "1307067", "computers.notebook", EventType.PURCHASE, 1_569_888_004_000, "7c90fc70", 25174, "USD"),
    ]
    assert aside == []


def test_a_second_replay_gives_the_same_ids_and_different_rows_have_different_ones(write: Write) -> None:
    path = write("shop.csv", REES46)

    first, second = replayed(path)[0], replayed(path)[0]

    assert first == second
    assert len({event.event_id for event in first}) == 3


def test_bad_rows_are_kept_aside_with_line_and_reason_and_the_rest_goes_on(write: Write) -> None:
    lines = REES46.splitlines()
    bad = [
        "2019-10-01 00:00:00 UTC,view",
        lines[1].replace("2019-10-01", "2019-13-01"),
        lines[1].replace("view", "stare"),
        lines[1].replace("35.79", "cheap"),
        lines[1].replace("35.79", "-1"),
        lines[1].replace("541312140", ""),
    ]
    content = "\n".join([lines[0], *bad[:3], lines[1], *bad[3:], lines[2]]).encode() + b"\n\xff\xfe," * 9 + b"\n"

    events, aside = replayed(write("shop.csv", content))

    assert [event.user_id for event in events] == ["541312140", "519107250"]
    assert [row["set_aside"] for row in aside] == [2, 3, 4, 6, 7, 8, *range(10, 19)]
    assert [row["text"] for row in aside[:6]] == bad
    reasons = " | ".join(str(row["error"]) for row in aside)
    for reason in (
        "2 values for 9 columns",
        "2019-13-01",
        "'stare'",
        "'cheap'",
        "price_minor must not be negative: -100",
        "user_id is missing or empty",
        "not UTF-8",
    ):
        assert reason in reasons


def test_a_quoted_value_may_span_lines_and_line_numbers_stay_right(write: Write) -> None:
    content = (
        'ts,kind,item,who,note\n2025-06-01T00:00:00Z,view,p,u1,"two\n""lines"", of note"\n2025-06-01,view,p,u2,b,c\n'
    )
    mapping = RowMapping(time="ts", type="kind", product="item", user="who", session="note")

    found = imported(write("shop.csv", content), mapping)

    # A line's end is a control character, which the contract refuses; the row is whole all the same.
    assert [refused.event.session_id for refused in found.refused] == ['two\n"lines", of note']
    assert [(row["set_aside"], row["error"]) for row in found.aside] == [
        (2, "session_id holds a control character: 'two\\n\"lines\", of note'"),
        (4, "6 values for 5 columns"),
    ]


def test_columns_and_types_can_be_mapped_by_options(write: Write) -> None:
    content = (
        '{"at": 1748736000, "what": "basket", "sku": 17, "customer": "c1", "group": "", "brand": "A", "yen": 1200}\n'
    )
    mapping = MAPPINGS["clickwatch"].changed(
        ["time=at", "type=what", "product=sku", "user=customer", "category=group,brand", "price=yen", "price_minor="],
        ["basket=add_to_cart"],
        "JPY",
    )

    (event,), aside = replayed(write("shop.jsonl", content), mapping)

    assert event[1:] == ("c1", "17", "a", EventType.ADD_TO_CART, 1_748_736_000_000, None, 1200, "JPY")
    assert aside == []


def test_our_own_log_comes_back_as_it_was(write: Write) -> None:
    event = Event(
        "6b0e7e0e-6f1e-4b7e-8a53-9d2a6c1f0b11",
        "user_1",
        "product_1",
        "tablets",
        EventType.PURCHASE,
        1_748_736_000_123,
        "s1",
        3579,
        "EUR",
    )

    assert replayed(write("clickstream_2025-06-01.jsonl", to_line(event)), MAPPINGS["clickwatch"]) == ([event], [])


def test_with_a_key_users_come_under_pseudonyms_and_nothing_else_changes(write: Write) -> None:
    path = write("shop.csv", REES46)
    pseudonyms = Pseudonyms(b"0123456789abcdef")

    named, anonymous = imported(path).events, imported(path, pseudonyms=pseudonyms).events

    assert [event.user_id for event in anonymous] == [pseudonyms.of(event.user_id) for event in named]
    assert [event._replace(user_id="") for event in anonymous] == [event._replace(user_id="") for event in named]


def test_with_a_key_no_message_shows_a_name_and_a_user_that_breaks_a_limit_is_not_sent(write: Write) -> None:
    lines = REES46.splitlines()
    content = "\n".join([lines[0], lines[1].replace("541312140", "a\x00b"), lines[2].replace("17200506", "p\x00q")])
    pseudonyms = Pseudonyms(b"0123456789abcdef")

    found = imported(write("shop.csv", content), pseudonyms=pseudonyms)

    (refused,) = found.refused
    assert refused.key == refused.event.user_id == pseudonyms.of("519107250")
    assert len(found.aside) == 2


def test_our_own_log_without_ids_gets_ids_from_its_rows(write: Write) -> None:
    line = (
        '{"user_id": "u", "product_id": "p", "product_category": "c", "event_type": "view", '
        '"timestamp": "2025-06-01T00:00:00+00:00"}\n'
    )
    path = write("log.jsonl", line + line.replace('"u"', '"v"'))

    (one, other), _ = replayed(path, MAPPINGS["clickwatch"])

    assert one.event_id != other.event_id
    assert one.session_id is None
    assert one.price_minor is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1]", "JSON, but a int and not an object"),
        ('{"user_id": ', "not JSON"),
        ('{"event_type": "view"}', "user_id is missing or empty; the row has event_type"),
        ('{"event_type": ["view"]}', "event_type is ['view'], must be text"),
    ],
)
def test_a_bad_json_line_says_what_is_wrong(write: Write, line: str, reason: str) -> None:
    events, (aside,) = replayed(write("log.jsonl", line + "\n"), MAPPINGS["clickwatch"])

    assert events == []
    assert reason in str(aside["error"])
    assert aside["set_aside"] == 1


def test_moved_in_time_the_distances_stay_and_the_ids_are_others(write: Write) -> None:
    path = write("shop.csv", REES46)

    moved = replayed(path, first_at_ms=1_748_736_000_000)[0]

    assert [event.timestamp_ms - 1_748_736_000_000 for event in moved] == [0, 1000, 4000]
    assert not {event.event_id for event in moved} & {event.event_id for event in replayed(path)[0]}


def test_a_damaged_archive_says_so_after_the_rows_that_could_be_read(write: Write) -> None:
    path = write("shop.csv.gz", "ts,kind,item,who\n" + "".join(f"2025-06-01,view,{n},u{n}\n" for n in range(90_000)))
    path.write_bytes(path.read_bytes()[:-2000])
    seen: list[Row] = []

    with pytest.raises(UserError, match=r"shop\.csv\.gz: damaged after line \d+"), source(path, BY_KIND) as found:
        seen.extend(found.rows)

    assert len(seen) > 1000


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.csv: cannot be read \(No such file"):
        imported(tmp_path / "gone.csv")


@pytest.mark.parametrize("option", ["time", "where=x"])
def test_a_column_option_that_names_no_field_is_refused(option: str) -> None:
    with pytest.raises(UserError, match="FIELD=COLUMN with FIELD one of time, type"):
        MAPPINGS["rees46"].changed([option], [], None)


@given(st.decimals(min_value=0, max_value=10**9, places=2))
def test_a_price_is_exact_to_the_cent(price: Decimal) -> None:
    header = ["event_time", "event_type", "product_id", "user_id", "price"]
    reader = EventReader(MAPPINGS["rees46"], header, NOW_MS)

    (event,) = reader.outcomes(Row(2, "row", ["2025-06-01", "view", "p", "u", f"{price}"]))

    assert isinstance(event, Event)
    assert event.price_minor == int(price * 100)


def test_for_the_ledger_a_repeated_row_is_a_duplicate_and_an_old_one_late(write: Write) -> None:
    content = "ts,kind,item,who\n" + "".join(
        f"2025-06-01T{time}Z,view,p,u\n" for time in ("10:00", "10:05", "10:00", "10:01", "09:00", "09:00")
    )

    with source(write("shop.csv", content), BY_KIND) as found:
        reader = EventReader(BY_KIND, found.header, NOW_MS)
        (batch,) = Replay(found.rows, reader, lambda row, error: None).batches(None, WATERMARK, with_fates=True)

    assert batch.fates is not None
    assert batch.fates.tolist() == [
        Fate.ON_TIME,
        Fate.ON_TIME,
        Fate.DUPLICATE,
        Fate.OUT_OF_ORDER,
        Fate.LATE,
        Fate.DUPLICATE_LATE,
    ]
