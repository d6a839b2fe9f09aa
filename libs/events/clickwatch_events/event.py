"""The values the system is about."""

from enum import StrEnum
from typing import NamedTuple


class EventType(StrEnum):
    """What a shopper did; `unknown` is what a reader sees of a type newer than itself."""

    VIEW = "view"
    ADD_TO_CART = "add_to_cart"
    PURCHASE = "purchase"
    UNKNOWN = "unknown"


class Event(NamedTuple):
    """One shop event (record `clickwatch.ClickstreamEvent`).

    Attributes:
        event_id: UUID in text form; duplicates are dropped by it.
        user_id: who did it; the key of the Kafka message.
        product_id: the product.
        product_category: its category, lower case.
        event_type: what was done.
        timestamp_ms: event time in milliseconds since the epoch, UTC.
        session_id: the visit, since schema version 2.
        price_minor: price in the currency's smallest unit, since version 2.
        currency: ISO 4217 code of the price, since version 2.
    """

    event_id: str
    user_id: str
    product_id: str
    product_category: str
    event_type: EventType
    timestamp_ms: int
    session_id: str | None = None
    price_minor: int | None = None
    currency: str | None = None


class HotWindow(NamedTuple):
    """Counts of one product in one sliding window (record `clickwatch.HotWindow`).

    Attributes:
        product_id: the product.
        product_category: its category.
        window_start_ms: first instant of the window, epoch milliseconds, UTC.
        window_end_ms: first instant after it.
        views: views counted so far.
        purchases: purchases counted so far.
        closed: whether the counts are final.
        newest_kafka_timestamp_ms: Kafka timestamp of the newest event counted, since schema version 2;
            None in final counts.
    """

    product_id: str
    product_category: str
    window_start_ms: int
    window_end_ms: int
    views: int
    purchases: int
    closed: bool = False
    newest_kafka_timestamp_ms: int | None = None
