"""The import gives the verdict of the contract, and no file can break it."""

import io
import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from clickwatch_events import Event, EventType, to_line
from clickwatch_events.limits import LIMITS, Code, Instant, Rule, Text, broken_rule, fault_of
from clickwatch_service import UserError
from clickwatch_simulator.importing.json_rows import document_rows, line_rows
from clickwatch_simulator.importing.mappings import MAPPINGS
from clickwatch_simulator.importing.reader import EventReader
from clickwatch_simulator.importing.rows import BadRow, RefusedEvent, Row
from event_strategies import events
from hypothesis import given
from hypothesis import strategies as st
from simulator_import import NOW_MS, REES46_HEADER, imported, replay

OWN = EventReader(MAPPINGS["clickwatch"], None, NOW_MS)


def _verdict(line: bytes) -> str | None:
    (row,) = line_rows(iter([line.decode()]))
    (outcome,) = OWN.outcomes(row)
    return None if isinstance(outcome, Event) else str(outcome.reason if isinstance(outcome, BadRow) else outcome)


@given(events)
def test_a_line_of_our_log_has_the_verdict_of_the_contract(event: Event) -> None:
    fault = fault_of(event, NOW_MS)

    verdict = _verdict(to_line(event))

    if fault is None:
        assert verdict is None
    elif fault.rule in (Rule.TOO_EARLY, Rule.TOO_LATE):
        assert verdict == "timestamp is no time, or outside the range"
    else:
        assert verdict == str(fault) or verdict == "timestamp is no time, or outside the range"


@given(events)
def test_an_accepted_line_comes_back_as_it_was(event: Event) -> None:
    (row,) = line_rows(iter([to_line(event).decode()]))

    (outcome,) = OWN.outcomes(row)

    if isinstance(outcome, Event):
        assert outcome[1:] == event[1:]
    if isinstance(outcome, RefusedEvent):
        assert outcome.event[1:] == event[1:]


LINE = {
    "user_id": "u",
    "product_id": "p",
    "product_category": "c",
    "event_type": "view",
    "timestamp": "2024-03-01T10:00:00Z",
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"user_id": 17}, "user_id is no text"),
        ({"user_id": None}, "user_id is missing or empty"),
        ({"product_category": ""}, "product_category is empty"),
        ({"timestamp": 1709287200}, "timestamp is no text"),
        ({"timestamp": "2024-03-01T10:00:00"}, "timestamp is no time, or outside the range"),
        ({"timestamp": "2099-03-01T10:00:00Z"}, "timestamp is no time, or outside the range"),
        ({"price_minor": 100.6}, "price_minor is no whole number"),
        ({"price_minor": 1e3}, "price_minor is no whole number"),
        ({"price_minor": "100"}, "price_minor is no whole number"),
        ({"price_minor": True}, "price_minor is no whole number"),
        ({"price_minor": 10**15}, "price_minor must be at most 999999999999999"),
        ({"price_minor": 10**30}, "price_minor must be at most 999999999999999"),
        ({"currency": "dollars"}, "currency must be three capital letters such as EUR"),
        ({"session_id": ""}, "session_id is empty"),
        ({"event_id": ""}, "event_id is empty"),
        ({"event_id": "a\0"}, "event_id holds a control character"),
        ({"event_type": ""}, "event_type is empty"),
        ({"event_type": "a\0"}, "event_type holds a control character"),
        ({"user_id": "\ud800"}, "user_id is not valid Unicode"),
        ({}, None),
        ({"user_id": " "}, None),
        ({"event_type": "refund"}, None),  # of a newer release: unknown, as Avro readers see it
        ({"event_id": "evt-1"}, None),
        ({"price_minor": 5}, None),
    ],
)
def test_a_line_of_our_own_log_is_judged_as_the_batch_layer_judges_it(
    change: dict[str, object], reason: str | None
) -> None:
    assert _verdict(json.dumps({**LINE, **change}).encode()) == reason


@given(events)
def test_the_quick_look_never_passes_what_the_contract_refuses(event: Event) -> None:
    header = ["time", "type", "product", "user", "category", "session", "price", "currency"]
    mapping = MAPPINGS["rees46"].changed([f"{name}={name}" for name in header], ["add_to_cart=add_to_cart"], None)
    mapping = mapping.changed(["price=", "price_minor=price"], ["unknown=unknown"], None)
    reader = EventReader(mapping, None, NOW_MS)
    values: dict[str, object] = {
        "time": 1709287200,
        "type": event.event_type.value,
        "product": event.product_id,
        "user": event.user_id,
        "category": event.product_category,
        "session": event.session_id,
        "price": event.price_minor,
        "currency": event.currency,
    }

    for _ in range(2):  # the second time values are known
        (outcome,) = reader.outcomes(Row(1, "row", values))

        if isinstance(outcome, Event):
            assert fault_of(outcome) is None


STARTS = {"x": b"", "c.csv": REES46_HEADER.encode() + b"\n", "j": b'{"timestamp":1}\n', "a": b"["}


@given(st.sampled_from(list(STARTS)), st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_no_bytes_break_the_import(name: str, content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        file.write_bytes(STARTS[name] + content)
        try:
            found = imported(file)
        except UserError:
            return

    assert found.summary.rows >= len(found.aside)
    assert all(fault_of(event) is None for event in found.events)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


names = st.sampled_from([*LINE, "price_minor", "currency", "session_id", "event_id", "event", "items", "properties"])


@given(st.dictionaries(names, json_values))
def test_no_object_breaks_a_mapping(values: dict[str, object]) -> None:
    for name, mapping in MAPPINGS.items():
        for outcome in EventReader(mapping, None, NOW_MS).outcomes(Row(1, "row", values)):
            assert isinstance(outcome, Event | Exception), name


@given(
    st.lists(st.dictionaries(st.text(max_size=4), json_values, max_size=3), max_size=5), st.none() | st.integers(0, 3)
)
def test_an_array_gives_its_objects_one_by_one_however_it_is_written(
    objects: list[dict[str, object]], indent: int | None
) -> None:
    text = json.dumps(objects, indent=indent)

    rows = list(document_rows(io.StringIO(text)))

    assert [json.loads(row.text) for row in rows] == json.loads(text) or "NaN" in text
    assert len(rows) == len(objects)


def test_a_broken_object_in_an_array_costs_itself() -> None:
    text = '[{"a": 1},\n{"a": tru, "b": [1, {"c": "}"}]},\n{"a": 2}, oops, {"a": 3}, {"a": "cut'

    rows = list(document_rows(io.StringIO(text)))

    assert [(row.number, isinstance(row.values, BadRow)) for row in rows] == [
        (1, False),
        (2, True),
        (3, False),
        (4, True),
        (5, False),
        (6, True),
    ]


def test_every_limit_of_a_field_that_a_file_can_hold_is_applied() -> None:
    """A limit that is added to the contract must be added to the values tried here."""
    broken: dict[str, object] = {
        "event_id": "\n",
        "user_id": "\n",
        "product_id": "\n",
        "product_category": "\n",
        "timestamp": "1999-12-31T00:00:00Z",
        "session_id": "\n",
        "price_minor": -1,
        "currency": "eur",
    }

    for field, limit in LIMITS.items():
        assert isinstance(limit, Instant) or broken_rule(limit, broken[field]) is not None
        assert isinstance(limit, Text | Code | Instant) or isinstance(broken[field], int)
        assert _verdict(json.dumps({**LINE, field: broken[field]}).encode()) is not None


def test_the_ledger_of_an_import_counts_what_the_log_holds(tmp_path: Path) -> None:
    users = ["a\0b", "x" * 1025, "", " ", "u1", "u1\n", "\U0001f600"]
    lines = [{**LINE, "user_id": user, "event_type": "purchase", "price_minor": 500} for user in users]
    lines += [{**LINE, "price_minor": price} for price in (99999999999999999, 100.6, -1)]
    file = tmp_path / "odd.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)) + "\n")

    run = replay(tmp_path, file, "--max-bad", "1")

    assert run.error is None
    day = run.ledger["days"]["2024-03-01"]
    assert (day["lines"], day["total_events"], day["malformed"]) == (3, 3, 0)
    assert day["users"] == {" ": "buyer", "u1": "buyer", "\U0001f600": "buyer"}
    assert day["revenue_minor"] == 1500
    assert Counter(event.user_id for event in run.events) == Counter(day["users"].keys())
    assert {event.event_type for event in run.events} == {EventType.PURCHASE}
    assert run.ledger["events"] == 3
    assert run.ledger["import"]["set_aside"] == {
        "price_minor is no whole number": 1,
        "price_minor must be at most 999999999999999": 1,
        "price_minor must not be negative": 1,
        "user_id holds a control character": 2,
        "user_id is empty": 1,
        "user_id is longer than 1024 bytes of UTF-8": 1,
    }
