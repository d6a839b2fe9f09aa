import json

import pytest
from clickwatch_events.event import Event, EventType
from clickwatch_events.jsonl import BadLine, from_line, iso_timestamp, to_line
from clickwatch_events.limits import EARLIEST_MS, fault_of
from event_strategies import events, good_events
from hypothesis import given

GOOD = {
    "event_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "user_id": "user_1",
    "product_id": "product_1",
    "product_category": "laptops",
    "event_type": "view",
    "timestamp": "2025-06-01T12:00:00.123Z",
}


@given(good_events)
def test_an_event_comes_back_whole(event: Event) -> None:
    assert from_line(to_line(event)) == event


@given(good_events)
def test_an_event_is_one_line(event: Event) -> None:
    assert to_line(event).count(b"\n") == 1


def test_fields_that_are_not_there_are_left_out() -> None:
    line = to_line(from_line(json.dumps(GOOD).encode()))

    assert json.loads(line) == GOOD


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("2000-01-01T00:00:00Z", EARLIEST_MS),
        ("2025-06-01T14:00:00.5+02:00", 1748779200500),
        ("2025-06-01T12:00:00.500999Z", 1748779200500),
    ],
)
def test_any_offset_becomes_utc(text: str, milliseconds: int) -> None:
    event = from_line(json.dumps(GOOD | {"timestamp": text}).encode())

    assert event.timestamp_ms == milliseconds


def test_a_timestamp_is_written_in_utc_with_milliseconds() -> None:
    assert iso_timestamp(1748779200007) == "2025-06-01T12:00:00.007Z"


def test_an_unknown_event_type_is_kept_as_unknown() -> None:
    assert from_line(json.dumps(GOOD | {"event_type": "wishlist"}).encode()).event_type is EventType.UNKNOWN


def test_fields_it_does_not_know_are_ignored() -> None:
    assert from_line(json.dumps(GOOD | {"referrer": "mail"}).encode()).user_id == "user_1"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[]", "not an object"),
        (b"\xff\xfe", "not JSON"),
        (b'{"event_id": "a\x00b"}', "not JSON"),
        (json.dumps(GOOD | {"user_id": 7}).encode(), "user_id is 7"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "product_id"}).encode(), "product_id is missing"),
        (json.dumps(GOOD | {"timestamp": "yesterday"}).encode(), "timestamp is 'yesterday'"),
        (json.dumps(GOOD | {"timestamp": "2025-06-01T12:00:00"}).encode(), "must carry an offset"),
        (json.dumps(GOOD | {"price_minor": 35.79}).encode(), "price_minor is 35.79"),
        (json.dumps(GOOD | {"price_minor": True}).encode(), "price_minor is true"),
    ],
)
def test_a_broken_line_says_what_is_wrong(line: bytes, said: str) -> None:
    with pytest.raises(BadLine, match=said):
        from_line(line)


@given(events)
def test_a_line_is_an_event_where_its_event_keeps_the_contract(event: Event) -> None:
    fault = fault_of(event)

    if fault is None:
        assert from_line(to_line(event)) == event
    else:
        with pytest.raises(BadLine, match=fault.field):
            from_line(to_line(event))
