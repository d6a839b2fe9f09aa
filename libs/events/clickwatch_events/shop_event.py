"""The event with all that schema version 3 knows of it: what a shop sends, and what the collector writes.

Readers of this release see such an event as version 2: they skip the new fields, and read a new type as `unknown`.
"""

import io
from enum import StrEnum
from typing import NamedTuple

import fastavro

from clickwatch_events.avro import BadMessage, WriterSchemas, parsed_schema, read_record, writer_schemas
from clickwatch_events.framing import frame, unframe
from clickwatch_events.limits import (
    LIMITS,
    MAX_FUTURE,
    QUANTITY,
    REQUIRED,
    Code,
    Fault,
    Instant,
    Limit,
    Rule,
    Text,
    Whole,
    broken_rule,
    fault_of_quantity,
)
from clickwatch_events.schemas import EVENTS, schema_text

SHOP_EVENT_VERSION = 3
"""The version that `ShopEventEncoder` writes."""


class ShopEventType(StrEnum):
    """What a shopper did, or what happened to the order."""

    VIEW = "view"
    ADD_TO_CART = "add_to_cart"
    PURCHASE = "purchase"
    UNKNOWN = "unknown"
    REMOVE_FROM_CART = "remove_from_cart"
    BEGIN_CHECKOUT = "begin_checkout"
    REFUND = "refund"
    IMPRESSION = "impression"


class Source(StrEnum):
    """Where an event comes from."""

    TRACKER = "tracker"
    SERVER = "server"
    IMPORT = "import"
    SIMULATOR = "simulator"


class ShopEvent(NamedTuple):
    """One shop event (record `clickwatch.ClickstreamEvent`, version 3).

    The attributes are the fields of the schema, by its names; `timestamp` and `received_at` are milliseconds
    since 1970. Whether they are within the contract, `fault_of_shop_event` says.
    """

    event_id: str
    user_id: str
    product_id: str
    product_category: str
    event_type: ShopEventType
    timestamp: int
    session_id: str | None = None
    price_minor: int | None = None
    currency: str | None = None
    anonymous_id: str | None = None
    order_id: str | None = None
    quantity: int | None = None
    coupon: str | None = None
    list_id: str | None = None
    is_bot: bool | None = None
    source: Source | None = None
    received_at: int | None = None


SHOP_LIMITS: dict[str, Limit] = {
    **LIMITS,
    "anonymous_id": Text(),
    "order_id": Text(),
    "quantity": QUANTITY,
    "coupon": Text(),
    "list_id": Text(),
}
"""The limit of each field that has one, in the order in which fields are judged."""

_MAX_FUTURE_MS = int(MAX_FUTURE.total_seconds() * 1000)


def fault_of_shop_event(event: ShopEvent, received_ms: int) -> Fault | None:
    """Return the first fault of an event received at `received_ms`, None where it has none."""
    latest_ms = received_ms + _MAX_FUTURE_MS
    for field, limit in SHOP_LIMITS.items():
        value = getattr(event, field)
        if value is None:
            if field in REQUIRED:
                return Fault(field, Rule.MISSING)
            continue
        rule = broken_rule(limit, value, latest_ms)
        if rule is not None:
            return Fault(field, rule)
    return fault_of_quantity(event.quantity, event.price_minor)


def rule_in_words(fault: Fault) -> str:
    """Return a fault as a sentence with what is allowed: `quantity must be a whole number from 1 to 1000000`."""
    match SHOP_LIMITS.get(fault.field):
        case Whole(least, most) if fault.rule not in (Rule.MISSING, Rule.AMOUNT_TOO_LARGE):
            return f"{fault.field} must be a whole number from {least} to {most}"
        case Text() if fault.rule is Rule.WRONG_TYPE:
            return f"{fault.field} must be text"
        case Code() if fault.rule is Rule.WRONG_TYPE:
            return f"{fault.field} must be text"
        case Instant() if fault.rule is Rule.WRONG_TYPE:
            return f"{fault.field} must be a time such as 2026-01-31T12:00:00Z or a number since 1970"
        case _:
            return str(fault)


class ShopEventEncoder:
    """Turns events into Kafka message values of version 3."""

    def __init__(self, schema_id: int) -> None:
        """Write version 3, registered as `schema_id`."""
        self._schema = parsed_schema(schema_text(EVENTS, SHOP_EVENT_VERSION))
        self._schema_id = schema_id

    def encode(self, event: ShopEvent) -> bytes:
        """Return the framed message."""
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self._schema, event._asdict())
        return frame(self._schema_id, out.getvalue())


class ShopEventDecoder:
    """Turns Kafka message values into events of version 3, each by the schema it was written with."""

    def __init__(self, registry: WriterSchemas) -> None:
        """Look writer schemas up in `registry`, once each."""
        self._writers = writer_schemas(registry)
        self._reader = parsed_schema(schema_text(EVENTS, SHOP_EVENT_VERSION))

    def decode(self, message: bytes) -> ShopEvent:
        """Return the event.

        Raises:
            BadFrame: the message is not in Confluent's framing.
            BadMessage: the body cannot be decoded, or its source is none we know.
            LookupError: the registry has no schema of that id.
        """
        schema_id, body = unframe(message)
        record = read_record(body, self._writers[schema_id], self._reader, unicode_errors="surrogateescape")
        kind, source = record.pop("event_type"), record.pop("source")
        try:
            return ShopEvent(
                **record, event_type=ShopEventType(kind), source=None if source is None else Source(source)
            )
        except ValueError as error:
            raise BadMessage(str(error)) from error
