"""The event of version 3: bytes that every reader understands, and its own limits."""

import dataclasses
from typing import Any

import pytest
from clickwatch_events import Event, EventType
from clickwatch_events.avro import EventDecoder, EventEncoder
from clickwatch_events.limits import Fault, Rule
from clickwatch_events.schemas import EVENTS, schema_text
from clickwatch_events.shop_event import (
    ShopEvent,
    ShopEventDecoder,
    ShopEventEncoder,
    ShopEventType,
    Source,
    fault_of_shop_event,
    rule_in_words,
)

NOW_MS = 1_772_366_400_000
WHOLE = ShopEvent(
    "8f14e45f-ceea-4672-9b55-000000000001",
    "user_1",
    "product_7",
    "laptops",
    ShopEventType.PURCHASE,
    NOW_MS,
    "s-1",
    3579,
    "EUR",
    "a-1",
    "o-1",
    3,
    "SPRING",
    "search",
    False,
    Source.TRACKER,
    NOW_MS + 5,
)


@dataclasses.dataclass
class Versions:
    def schema(self, schema_id: int) -> str:
        return schema_text(EVENTS, schema_id)


@pytest.mark.parametrize("kind", list(ShopEventType))
def test_an_event_comes_back_as_it_was(kind: ShopEventType) -> None:
    event = WHOLE._replace(event_type=kind)

    assert ShopEventDecoder(Versions()).decode(ShopEventEncoder(3).encode(event)) == event


@pytest.mark.parametrize("kind", list(ShopEventType))
def test_a_reader_of_version_2_sees_the_old_fields_and_a_new_type_as_unknown(kind: ShopEventType) -> None:
    event = EventDecoder(Versions()).decode(ShopEventEncoder(3).encode(WHOLE._replace(event_type=kind)))

    seen = EventType(kind.value) if kind.value in set(EventType) else EventType.UNKNOWN
    assert event == Event(WHOLE.event_id, "user_1", "product_7", "laptops", seen, NOW_MS, "s-1", 3579, "EUR")


def test_an_event_of_before_has_none_of_the_new_fields() -> None:
    old = Event(WHOLE.event_id, "user_1", "product_7", "laptops", EventType.VIEW, NOW_MS, "s-1", 3579, "EUR")

    event = ShopEventDecoder(Versions()).decode(EventEncoder(2, 2).encode(old))

    assert event == ShopEvent(WHOLE.event_id, "user_1", "product_7", "laptops", ShopEventType.VIEW, NOW_MS, *old[6:])


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({}, None),
        ({"quantity": 1}, None),
        ({"quantity": 1_000_000}, None),
        ({"quantity": 0}, Fault("quantity", Rule.TOO_SMALL)),
        ({"quantity": 1_000_001}, Fault("quantity", Rule.TOO_LARGE)),
        ({"coupon": ""}, Fault("coupon", Rule.EMPTY)),
        ({"order_id": "o\0"}, Fault("order_id", Rule.CONTROL_CHARACTER)),
        ({"list_id": "a" * 1025}, Fault("list_id", Rule.TOO_LONG)),
        ({"anonymous_id": "\ud800"}, Fault("anonymous_id", Rule.NOT_UTF8)),
        ({"user_id": None}, Fault("user_id", Rule.MISSING)),
        ({"timestamp": NOW_MS + 300_001}, Fault("timestamp", Rule.TOO_LATE)),
        ({"currency": "eur"}, Fault("currency", Rule.NOT_A_CURRENCY)),
        ({"price_minor": -1}, Fault("price_minor", Rule.TOO_SMALL)),
    ],
)
def test_the_new_fields_have_limits_too(changed: dict[str, Any], fault: Fault | None) -> None:
    assert fault_of_shop_event(WHOLE._replace(**changed), NOW_MS) == fault


def test_a_fault_in_words_says_what_is_allowed() -> None:
    assert rule_in_words(Fault("quantity", Rule.TOO_SMALL)) == "quantity must be a whole number from 1 to 1000000"
    assert rule_in_words(Fault("user_id", Rule.EMPTY)) == "user_id is empty"
