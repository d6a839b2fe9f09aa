"""Files as shops have them, each with its right outcome, by the command `replay`."""

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import zstandard
from clickwatch_events import EventType
from simulator_import import REES46_HEADER, Run, replay

REES46 = f"""\
{REES46_HEADER}
2020-02-01 00:00:01 UTC,view,700001,2053013550000000001,,,12.50,900001,aaaa0001
2020-02-01 00:00:02 UTC,cart,700001,2053013550000000001,,,12.50,900001,aaaa0001
2020-02-01 00:00:05 UTC,purchase,700001,2053013550000000001,,,12.50,900001,aaaa0001
2020-02-01 00:00:07 UTC,remove_from_cart,700002,2053013550000000002,appliances.kitchen.kettle,,30.10,900002,aaaa0002
2020-02-01 00:00:09 UTC,view,700003,2053013550000000003,electronics.audio,acme,0.00,900003,
"""
COLUMNS = ("--column", "time=ts", "--column", "type=ev", "--column", "product=sku", "--column", "user=uid")

Replayed = Callable[..., Run]


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    def run(name: str, content: str | bytes, *options: str) -> Run:
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return replay(tmp_path, file, *options)

    return run


def _types(run: Run) -> list[str]:
    return [event.event_type.value for event in run.events]


def _rees46(*rows: str) -> str:
    return "\n".join([REES46_HEADER, *rows]) + "\n"


def test_the_layout_of_retailrocket_is_ready_made(replayed: Replayed) -> None:
    content = (
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,11,view,501,\n1440010115359,12,addtocart,502,\n1440010221000,12,transaction,502,77\n"
    )

    run = replayed("events.csv", content, "--mapping", "retailrocket")

    assert run.error is None
    assert _types(run) == ["view", "add_to_cart", "purchase"]
    assert run.events[0].timestamp_ms == 1433221332117
    assert {event.product_category for event in run.events} == {"unknown"}


def test_epoch_milliseconds_of_a_day_are_that_day(replayed: Replayed) -> None:
    rows = [
        {"ts": 1700092800345 + minute * 60_000, "ev": "view", "sku": f"p{minute % 7}", "uid": f"u{minute}"}
        for minute in range(1440)
    ]

    run = replayed("log.jsonl", "\n".join(map(json.dumps, rows)), *COLUMNS)

    assert run.error is None
    assert len(run.events) == 1440
    assert list(run.ledger["days"]) == ["2023-11-16"]
    assert "2023-11-16T00:00:00.345Z to 2023-11-16T23:59:00.345Z" in run.output


def test_compact_times_are_read_to_the_second(replayed: Replayed) -> None:
    run = replayed("shop.csv", _rees46("20240301100002,purchase,700001,1,toys,,1,u1,s"), "--mapping", "rees46")

    assert [event.timestamp_ms for event in run.events] == [1709287202000]


def test_a_column_of_times_that_fails_is_told_which_form_it_seems_to_have(replayed: Replayed) -> None:
    rows = [f"0{day}/03/2024 10:00,view,700001,1,toys,,1,u1,s" for day in range(1, 9)]

    run = replayed("shop.csv", _rees46(*rows), "--mapping", "rees46")

    assert run.events == []
    assert run.error is not None
    assert "event_time seems to hold day and month with slashes or dots" in run.error


@pytest.mark.parametrize("speed", ["max", "60"])
def test_two_hours_moved_to_now_and_sent_faster_are_refused_before_anything_is_sent(
    replayed: Replayed, speed: str
) -> None:
    rows = [f"2020-02-01 {10 + minute // 60}:{minute % 60:02d}:00 UTC,view,7,1,toys,,1,u1,s" for minute in range(120)]

    run = replayed("shop.csv", _rees46(*rows), "--mapping", "rees46", "--start-time", "now", "--speed", speed)

    assert run.error is not None
    assert "--start-time=now: events would be sent before they happen" in run.error
    assert run.events == []
    earliest = datetime.fromisoformat(run.error.split("start at ")[1].split(" ")[0])
    wanted = datetime.now(UTC) - timedelta(minutes=119) * (1 if speed == "max" else 59 / 60)
    assert abs(earliest - wanted) < timedelta(minutes=1)


def test_two_hours_moved_into_the_past_are_replayed(replayed: Replayed) -> None:
    rows = [f"2020-02-01 {10 + minute // 60}:{minute % 60:02d}:00 UTC,view,7,1,toys,,1,u1,s" for minute in range(120)]

    run = replayed("shop.csv", _rees46(*rows), "--mapping", "rees46", "--start-time", "-3h")

    assert run.error is None
    assert len(run.events) == run.ledger["events"] == 120
    assert run.ledger["future"] == 0


def test_a_row_that_would_happen_after_it_is_sent_is_set_aside_when_times_are_moved(replayed: Replayed) -> None:
    times = ["10:00:00", "12:00:00", "10:00:01"]
    rows = [f"2020-02-01 {time} UTC,view,7,1,toys,,1,u{n},s" for n, time in enumerate(times)]
    options = ("--mapping", "rees46", "--start-time", "now", "--speed", "recorded", "--max-bad", "0.5")

    run = replayed("shop.csv", _rees46(*rows), *options)

    assert run.error is None
    assert sorted(event.user_id for event in run.events) == ["u0", "u2"]
    assert [(row["set_aside"], row["reason"]) for row in run.aside] == [
        (3, "timestamp is more than 5 minutes after it was received")
    ]
    assert (run.ledger["events"], run.ledger["future"]) == (2, 0)
    assert (run.ledger["import"]["accepted"], run.ledger["import"]["rows"]) == (2, 3)


@pytest.mark.parametrize("start", ["+1h", "1999-12-31T23:00Z"])
def test_a_start_at_which_no_event_can_have_happened_is_refused(replayed: Replayed, start: str) -> None:
    run = replayed("shop.csv", REES46, "--mapping", "rees46", "--start-time", start, "--speed", "recorded")

    assert run.error is not None
    assert f"--start-time={start}" in run.error


def test_one_clock_ahead_costs_its_row_and_holds_nothing_up(replayed: Replayed) -> None:
    ahead = ["2099-02-01 00:00:02 UTC", "2023-02-01 00:00:02 UTC"]
    rows = [
        f"{time},view,700001,1,toys,,1,u{number},s"
        for number, time in enumerate(["2020-02-01 00:00:01 UTC", *ahead, "2020-02-01 00:00:03 UTC"])
    ]

    run = replayed("shop.csv", _rees46(*rows), "--mapping", "rees46", "--speed", "3600", "--max-bad", "0.5")

    assert run.error is None
    assert [event.user_id for event in run.events] == ["u0", "u3", "u2"]  # by day of the log
    assert [(row["set_aside"], row["reason"]) for row in run.aside] == [
        (3, "event_time is no time, or outside the range")
    ]
    assert run.ledger["late"] == 1


def test_a_clock_that_is_ahead_in_the_last_row_ends_the_run_after_a_day_at_most(replayed: Replayed) -> None:
    rows = ["2020-02-01 00:00:01 UTC,view,7,1,toys,,1,u1,s", "2026-01-01 00:00:01 UTC,view,7,1,toys,,1,u2,s"]

    run = replayed("shop.csv", _rees46(*rows), "--mapping", "rees46", "--speed", "86400000")

    assert run.error is None
    assert len(run.events) == 2
    assert "pauses of more than a day, shortened to a day" in run.output


@pytest.mark.parametrize("rows_after", [1, 3, 1500, 4000])
def test_a_stray_quote_costs_its_row_and_the_number_of_rows_it_would_have_swallowed_is_said(
    replayed: Replayed, rows_after: int
) -> None:
    """Four thousand rows are more than what Python's reader takes for one value."""
    rows = [f"2020-02-01 00:00:0{n % 10} UTC,view,{n},1,toys,acme,10.00,u{n},s{n}" for n in range(rows_after + 10)]
    rows[9] = rows[9].replace("acme", '"acme 21 inch')

    run = replayed("shop.csv", _rees46(*rows), "--mapping", "rees46")

    assert run.error is None
    assert {event.user_id for event in run.events} == {f"u{n}" for n in range(rows_after + 10) if n != 9}
    (aside,) = run.aside
    assert (aside["set_aside"], aside["reason"]) == (11, "a quote is not closed")
    swallowed = int(aside["error"].split("; the ")[1].split(" ")[0])
    assert swallowed == rows_after or 1000 < swallowed < rows_after


def test_stray_quotes_in_rows_one_after_the_other_do_not_make_a_row_of_two_halves(replayed: Replayed) -> None:
    rows = [f"2020-02-01 00:00:0{n} UTC,view,{n},1,toys,acme,10.00,u{n},s{n}" for n in range(6)]
    for number in (2, 3):
        rows[number] = rows[number].replace("acme", '"acme')

    run = replayed("shop.csv", _rees46(*rows), "--mapping", "rees46", "--max-bad", "0.5")

    assert [event.user_id for event in run.events] == ["u0", "u1", "u4", "u5"]
    assert [row["set_aside"] for row in run.aside] == [4, 5]


@pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolon"), ("\t", "tab"), ("|", "pipe")])
def test_another_delimiter_is_found(replayed: Replayed, delimiter: str, word: str) -> None:
    run = replayed("shop.csv", REES46.replace(",", delimiter), "--mapping", "rees46")

    assert run.error is None
    assert _types(run) == ["view", "add_to_cart", "purchase", "view"]
    assert f"CSV, {word} between values, UTF-8" in run.output
    assert run.ledger["import"]["skipped"] == {"remove_from_cart": 1}


def test_a_spreadsheet_s_separator_line_is_no_header(replayed: Replayed) -> None:
    run = replayed("shop.csv", "sep=;\n" + REES46.replace(",", ";"), "--mapping", "rees46")

    assert len(run.events) == 4


def test_without_a_header_the_columns_are_asked_for_and_can_be_given(replayed: Replayed) -> None:
    rows = REES46.split("\n", 1)[1]

    refused = replayed("shop.csv", rows, "--mapping", "rees46")
    named = replayed("shop.csv", rows, "--mapping", "rees46", "--header", REES46_HEADER)

    assert refused.error is not None
    assert "its first line holds values, no names of columns (2020-02-01 00:00:01 UTC, view, 700001" in refused.error
    assert "--header event_time,event_type" in refused.error
    assert refused.events == []
    assert named.error is None
    assert len(named.events) == 4


def test_a_missing_column_is_named_with_what_the_header_has(replayed: Replayed) -> None:
    run = replayed("shop.csv", REES46.replace("user_id", "customer"), "--mapping", "rees46")

    assert run.error is not None
    assert "no column 'user_id' (user) in its header, which has event_time, event_type" in run.error
    assert "customer" in run.error


def test_a_column_that_was_asked_for_must_be_there(replayed: Replayed) -> None:
    run = replayed("shop.csv", REES46, "--mapping", "rees46", "--column", "price=prise")

    assert run.error is not None
    assert "no column 'prise' (price)" in run.error


@pytest.mark.parametrize(
    ("name", "pack", "word"),
    [
        ("plain.csv", gzip.compress, "gzip"),
        ("UPPER.CSV.GZ", gzip.compress, "gzip"),
        ("shop.gz", bz2.compress, "bzip2"),
        ("shop", lzma.compress, "xz"),
        ("shop.csv", zstandard.compress, "zstd"),
        ("shop.csv", lambda raw: gzip.compress(raw[:99]) + gzip.compress(raw[99:]), "gzip"),
    ],
)
def test_the_packing_is_told_by_the_content_and_not_by_the_name(
    replayed: Replayed, name: str, pack: Callable[[bytes], bytes], word: str
) -> None:
    run = replayed(name, pack(REES46.encode()), "--mapping", "rees46")

    assert run.error is None
    assert len(run.events) == 4
    assert f"UTF-8, {word}" in run.output


@pytest.mark.parametrize(
    ("encoding", "word"),
    [
        ("utf-8-sig", "UTF-8"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"),
        ("utf-32", "UTF-32"),
        ("utf-8", "UTF-8"),
    ],
)
def test_the_encoding_is_told_by_the_content(replayed: Replayed, encoding: str, word: str) -> None:
    content = REES46.replace("electronics.audio", "électronique").encode(encoding)

    run = replayed("shop.csv", content, "--mapping", "rees46")

    assert run.error is None
    assert run.events[-1].product_category == "électronique"
    assert f"between values, {word}\n" in run.output


def test_western_bytes_that_are_no_utf8_are_read_as_such_and_the_guess_is_said(replayed: Replayed) -> None:
    content = REES46.replace("electronics.audio", "Küchengeräte").encode("cp1252")

    run = replayed("shop.csv", content, "--mapping", "rees46")

    assert run.error is None
    assert run.events[-1].product_category == "küchengeräte"
    assert "read as cp1252" in run.output


def test_bytes_that_are_no_text_cost_their_row(replayed: Replayed) -> None:
    rows = "".join(f"2020-02-01 00:00:01 UTC,view,7,1,toys,,1,u{n},s\n" for n in range(20)).encode()
    content = f"{REES46_HEADER}\n".encode() + rows.replace(b"u7", b"u\xff").replace(b"u9,", "ü9,".encode())

    run = replayed("shop.csv", content, "--mapping", "rees46")

    assert run.error is None
    assert len(run.events) == 19
    assert [(row["set_aside"], row["reason"]) for row in run.aside] == [(9, "not UTF-8")]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"PK\x03\x04rest", "zip archive or a spreadsheet"),
        (b"PAR1\x15rest", "Parquet"),
        (b"", "empty"),
        (b" \n", "empty"),
    ],
)
def test_what_is_no_text_is_named(replayed: Replayed, content: bytes, word: str) -> None:
    run = replayed("shop.csv", content, "--mapping", "rees46")

    assert run.error is not None
    assert word in run.error


SEGMENT: list[dict[str, Any]] = [
    {
        "messageId": "0a1b2c3d-0000-4000-8000-000000000001",
        "type": "track",
        "event": "Product Viewed",
        "anonymousId": "anon-1",
        "userId": None,
        "originalTimestamp": "2024-03-01T10:00:00.123Z",
        "properties": {"product_id": "SKU-1", "category": "Games", "price": 49.99, "currency": "EUR"},
    },
    {
        "messageId": "ajs-next-17",
        "type": "track",
        "event": "Product Added",
        "anonymousId": "anon-1",
        "userId": "u-1",
        "originalTimestamp": "2024-03-01T10:01:00.123Z",
        "properties": {"product_id": "SKU-1", "category": "Games", "price": 49.99, "currency": "EUR"},
    },
    {
        "messageId": "0a1b2c3d-0000-4000-8000-000000000003",
        "type": "track",
        "event": "Order Completed",
        "anonymousId": "anon-1",
        "userId": "u-1",
        "originalTimestamp": "2024-03-01T10:02:00.123Z",
        "properties": {
            "currency": "EUR",
            "products": [{"product_id": "SKU-1", "price": 49.99}, {"product_id": "SKU-2", "price": 5}],
        },
    },
    {"messageId": "p", "type": "page", "anonymousId": "anon-1", "originalTimestamp": "2024-03-01T10:03:00Z"},
]


def test_segment_s_calls_are_a_view_a_cart_and_a_purchase_for_each_order_line(replayed: Replayed) -> None:
    content = "\n".join(map(json.dumps, SEGMENT))

    run = replayed("segment.jsonl", content, "--mapping", "segment")
    again = replayed("segment.jsonl", content, "--mapping", "segment")

    assert run.error is None
    assert [(e.event_type, e.user_id, e.product_id, e.price_minor, e.currency) for e in run.events] == [
        (EventType.VIEW, "anon-1", "SKU-1", 4999, "EUR"),
        (EventType.ADD_TO_CART, "u-1", "SKU-1", 4999, "EUR"),
        (EventType.PURCHASE, "u-1", "SKU-1", 4999, "EUR"),
        (EventType.PURCHASE, "u-1", "SKU-2", 500, "EUR"),
    ]
    assert run.events[0].event_id == SEGMENT[0]["messageId"]
    assert len({event.event_id for event in run.events}) == 4
    assert {event.event_id for event in again.events} == {event.event_id for event in run.events}
    assert run.ledger["import"]["skipped"] == {"page": 1}


def test_ga4_s_export_from_bigquery_is_ready_made(replayed: Replayed) -> None:
    params = [
        {"key": "currency", "value": {"string_value": "SEK"}},
        {"key": "ga_session_id", "value": {"int_value": "1709"}},
    ]
    common = {"event_timestamp": "1709287200123456", "event_params": params, "user_pseudo_id": "123.456"}
    item = {"item_id": "SKU-1", "item_category": "Games", "price": "49.99"}
    rows = [
        {**common, "event_name": "view_item", "items": [item]},
        {**common, "event_name": "purchase", "user_id": "u-1", "items": [item, {**item, "item_id": "SKU-2"}]},
        {**common, "event_name": "page_view", "items": []},
    ]

    run = replayed("events_20240301.json", "\n".join(map(json.dumps, rows)), "--mapping", "ga4")

    assert run.error is None
    assert [event[1:] for event in run.events] == [
        ("123.456", "SKU-1", "games", EventType.VIEW, 1709287200123, "1709", 4999, "SEK"),
        ("u-1", "SKU-1", "games", EventType.PURCHASE, 1709287200123, "1709", 4999, "SEK"),
        ("u-1", "SKU-2", "games", EventType.PURCHASE, 1709287200123, "1709", 4999, "SEK"),
    ]


def test_paths_given_by_options_reach_nested_values(replayed: Replayed) -> None:
    row = {"at": 1709287200, "what": {"kind": "basket"}, "lines": [{"sku": 1}, {"sku": 2}], "who": {"id": "c1"}}
    options = ("--column", "time=at", "--column", "type=what.kind", "--column", "product=lines[].sku")

    run = replayed("l.jsonl", json.dumps(row), *options, "--column", "user=who.id", "--type", "basket=add_to_cart")

    assert run.error is None
    assert [(event.user_id, event.product_id) for event in run.events] == [("c1", "1"), ("c1", "2")]


OWN = {"user_id": "u1", "product_id": "p1", "product_category": "toys", "event_type": "view"}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{**OWN, "timestamp": f"2024-03-01T10:00:0{n}Z"} for n in range(3)], indent=2),
        json.dumps([{**OWN, "timestamp": f"2024-03-01T10:00:0{n}Z"} for n in range(3)]),
        "\n".join(json.dumps({**OWN, "timestamp": f"2024-03-01T10:00:0{n}Z"}, indent=1) for n in range(3)),
        "\n".join(json.dumps([{**OWN, "timestamp": f"2024-03-01T10:00:0{n}Z"}]) for n in range(3)),
    ],
)
def test_json_may_be_an_array_or_objects_over_several_lines(replayed: Replayed, text: str) -> None:
    run = replayed("events.json", text)

    assert run.error is None
    assert [event.timestamp_ms % 10_000 for event in run.events] == [0, 1000, 2000]


def test_types_that_are_none_of_ours_are_skipped_by_one_option_and_counted(replayed: Replayed) -> None:
    names = ["page_view", "scroll", "view_item", "View_Item", "scroll"]
    rows = [
        {"ts": f"2024-03-01T10:00:0{n}Z", "ev": name, "sku": "p1" if "item" in name.lower() else None, "uid": "u1"}
        for n, name in enumerate(names)
    ]
    content, options = "\n".join(map(json.dumps, rows)), (*COLUMNS, "--type", "view_item=view")

    skipped = replayed("log.jsonl", content, *options, "--skip-other-types")
    strict = replayed("log.jsonl", content, *options)

    assert skipped.error is None
    assert len(skipped.events) == 1
    assert skipped.ledger["import"]["skipped"] == {"View_Item": 1, "page_view": 1, "scroll": 2}
    assert "scroll 2" in skipped.output
    assert strict.error is not None
    assert "80.0% was set aside, more than --max-bad=0.1" in strict.error


PRICES = {
    "12.50": 1250,
    " 12.50 ": 1250,
    "12": 1200,
    "1e2": 10000,
    "0": 0,
    "9999999999999.99": 10**15 - 1,
    "": None,
    "NaN": None,
    "NULL": None,
    r"\N": None,
    "12.505": 1251,  # said to be rounded
    "12.515": 1252,
}
BAD_PRICES = {
    '"12,50"': "price is '12,50', must be a number such as 35.79; where the comma is the decimal point",
    '"1,299.00"': "must be a number",
    "$12.50": "price is '$12.50', must be a number",
    "1_000": "must be a number",
    "-5.00": "price_minor must not be negative",
    "99999999999999999999": "price_minor must be at most 999999999999999",
    "1e999999": "price is '1e999999', larger than any price",
    "1e9999999999": "must be a number",
}


def test_a_missing_price_is_none_and_a_bad_one_costs_its_own_row_with_the_true_reason(replayed: Replayed) -> None:
    texts = [*PRICES, *BAD_PRICES]
    rows = [f"2020-02-01 00:00:01 UTC,view,p,1,toys,acme,{text},u{n},s" for n, text in enumerate(texts)]

    run = replayed("shop.csv", _rees46(*rows), "--mapping", "rees46", "--max-bad", "1")

    assert run.error is None
    assert [event.price_minor for event in run.events] == list(PRICES.values())
    assert [row["set_aside"] for row in run.aside] == list(range(len(PRICES) + 2, len(texts) + 2))
    for row, reason in zip(run.aside, BAD_PRICES.values(), strict=True):
        assert reason in row["error"]
    assert "note: 2 values of price finer than the currency, rounded half up" in run.output


def test_prices_with_a_decimal_comma_are_read_where_that_is_said(replayed: Replayed) -> None:
    prices = {"12,50": 1250, "1.299,00": 129900, "1299,5": 129950, "12": 1200, "": None, "NULL": None, "-1,00": -100}
    bad = ["12.50", "1,299.00", "1.29,00"]
    rows = [f"2020-02-01 00:00:01 UTC;view;p;1;toys;acme;{text};u{n};s" for n, text in enumerate([*prices, *bad])]

    run = replayed(
        "shop.csv",
        REES46_HEADER.replace(",", ";") + "\n" + "\n".join(rows),
        *("--mapping", "rees46", "--decimal-comma", "--max-bad", "1"),
    )

    assert [event.price_minor for event in run.events] == [price for price in prices.values() if price != -100]
    assert [row["reason"] for row in run.aside] == ["price_minor must not be negative"] + ["price is no number"] * 3


def test_ids_keep_all_their_digits_and_a_whole_float_is_the_same_user(replayed: Replayed) -> None:
    users = ["104059912345678901234", "104059912345678901235", "541312140.0", "541312140", "-7", "9007199254740993.0"]
    rows = [f'{{"ts":"2024-03-01T10:00:0{n}Z","ev":"view","sku":1,"uid":{user}}}' for n, user in enumerate(users)]

    lines = replayed("log.jsonl", "\n".join(rows), *COLUMNS)
    array = replayed("log.json", f"[{','.join(rows)}]", *COLUMNS)

    expected = ["104059912345678901234", "104059912345678901235", "541312140", "541312140", "-7", "9007199254740993"]
    assert [event.user_id for event in lines.events] == expected
    assert [event.user_id for event in array.events][-6:] == expected


def test_ids_of_a_csv_that_a_program_made_floats_of_are_noted(replayed: Replayed) -> None:
    rows = [
        "2020-02-01 00:00:01 UTC,view,7,1,toys,,1,541312140.0,s",
        "2020-02-01 00:00:01 UTC,view,7,1,,,1,541312140,s",
    ]

    run = replayed("shop.csv", _rees46(*rows), "--mapping", "rees46")

    assert "note: 1 values of user_id that end in .0, which are other ids than those without" in run.output


def test_a_summary_ends_the_run_and_the_ledger_has_it_too(replayed: Replayed) -> None:
    bad = "2020-02-01 00:00:09 UTC,view,\x1b[31mred,1,toys,,1,u1,s"

    run = replayed("shop.csv", REES46 + bad + "\n" + bad + "\n", "--mapping", "rees46")

    assert run.error is not None
    assert [line.split() for line in run.output.splitlines()[1:5]] == [
        ["rows", "read", "7"],
        ["accepted", "4", "2020-02-01T00:00:01.000Z", "to", "2020-02-01T00:00:09.000Z"],
        ["skipped", "1", "remove_from_cart", "1"],
        ["set", "aside", "2"],
    ]
    assert "line 7: product_id holds a control character" in run.output
    assert "\x1b" not in run.output
    assert run.ledger["import"] == {
        "rows": 7,
        "accepted": 4,
        "skipped": {"remove_from_cart": 1},
        "set_aside": {"product_id holds a control character": 2},
        "sent_refused": 0,
        "notes": {},
    }


def test_rows_set_aside_can_be_replayed_once_they_are_mended_under_the_ids_they_would_have_had(
    replayed: Replayed, tmp_path: Path
) -> None:
    rows = REES46.splitlines()
    bad = rows[1].replace("12.50", "cheap")
    whole = replayed("whole.csv", "\n".join([rows[0], bad, *rows[2:]]), "--mapping", "rees46", "--max-bad", "1")
    file = tmp_path / "data" / "quarantine" / "replay_whole.csv.jsonl"
    mended = file.read_text().replace('"cheap"', '"12.50"')

    run = replayed("mended.jsonl", mended, "--mapping", "rees46")

    assert run.error is None
    (added,) = [event for event in run.events if event not in whole.events]
    assert (added.user_id, added.price_minor, added.event_type) == ("900001", 1250, EventType.VIEW)


def test_only_a_header_is_no_shop(replayed: Replayed) -> None:
    run = replayed("shop.csv", REES46_HEADER + "\n", "--mapping", "rees46")

    assert run.error is not None
    assert "holds no rows" in run.error
