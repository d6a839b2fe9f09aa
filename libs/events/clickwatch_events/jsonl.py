"""The event as one JSON object a line, `timestamp` in ISO-8601 with offset."""

from datetime import UTC, datetime

import orjson

from clickwatch_events.event import Event, EventType
from clickwatch_events.times import BadTime, log_instant_ms

_REQUIRED = ("event_id", "user_id", "product_id", "product_category", "event_type", "timestamp")
_OPTIONAL = {"session_id": str, "price_minor": int, "currency": str}


class BadLine(ValueError):
    """The line is no event; the message says what is wrong with it."""


def iso_timestamp(timestamp_ms: int) -> str:
    """Return an instant as the log writes it: `2025-06-01T12:00:00.000Z`."""
    return (
        datetime.fromtimestamp(timestamp_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{timestamp_ms % 1000:03d}Z"
    )


def to_line(event: Event) -> bytes:
    """Return the event's line, newline included; fields that are None are left out."""
    record: dict[str, object] = {
        "event_id": event.event_id,
        "user_id": event.user_id,
        "product_id": event.product_id,
        "product_category": event.product_category,
        "event_type": event.event_type,
        "timestamp": iso_timestamp(event.timestamp_ms),
    }
    for name in _OPTIONAL:
        value = getattr(event, name)
        if value is not None:
            record[name] = value
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def from_line(line: bytes) -> Event:
    """Return the event of a line; fields it does not know are ignored.

    An event type it does not know becomes `unknown`, as Avro readers see it.

    Raises:
        BadLine: the line is no JSON object, or a field is missing or has the wrong type.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLine(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise BadLine(f"a JSON {type(record).__name__}, not an object")
    for name in _REQUIRED:
        if not isinstance(record.get(name), str):
            raise BadLine(f"field {name} is {record.get(name)!r}, must be text")
    for name, wanted in _OPTIONAL.items():
        value = record.get(name)
        if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
            raise BadLine(f"field {name} is {value!r}, must be {wanted.__name__} or null")
    return Event(
        record["event_id"],
        record["user_id"],
        record["product_id"],
        record["product_category"],
        _event_type(record["event_type"]),
        _timestamp_ms(record["timestamp"]),
        record.get("session_id"),
        record.get("price_minor"),
        record.get("currency"),
    )


def _event_type(text: str) -> EventType:
    try:
        return EventType(text)
    except ValueError:
        return EventType.UNKNOWN


def _timestamp_ms(text: str) -> int:
    try:
        return log_instant_ms(text)
    except BadTime as error:
        raise BadLine(f"field timestamp is {error}") from None
