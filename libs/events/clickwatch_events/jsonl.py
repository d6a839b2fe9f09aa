"""The event as one JSON object a line, `timestamp` in ISO-8601 with offset."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

from clickwatch_events.event import Event, EventType
from clickwatch_events.limits import LIMITS, Code, Fault, Instant, Limit, Rule, Text, Whole, broken_rule
from clickwatch_events.times import BadTime, log_instant_ms

_REQUIRED = ("user_id", "product_id", "product_category", "event_type", "timestamp")
"""A line may lack the id that Kafka's events have."""
_OPTIONAL = ("session_id", "price_minor", "currency")
_LIMITS: Mapping[str, Limit] = {**LIMITS, "event_type": Text()}
"""A line names its type as any text; one that is not known counts as unknown."""
_TYPES: Mapping[type[Limit], str] = {Text: "text", Code: "text", Whole: "a whole number"}


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
        BadLine: the line is no JSON object, it has no event id, or a field is not within the contract.
    """
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise BadLine(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise BadLine(f"a JSON {type(record).__name__}, not an object")
    reason = "field event_id is missing" if record.get("event_id") is None else why_no_event(record)
    if reason is not None:
        raise BadLine(reason)
    return Event(
        record["event_id"],
        record["user_id"],
        record["product_id"],
        record["product_category"],
        _event_type(record["event_type"]),
        log_instant_ms(record["timestamp"]),
        record.get("session_id"),
        record.get("price_minor"),
        record.get("currency"),
    )


def why_no_event(record: Mapping[str, object]) -> str | None:
    """Return the first thing that keeps a line's JSON object from being an event, None where it is one."""
    for name in _REQUIRED:
        if record.get(name) is None:
            return f"field {name} is missing"
    for name, limit in _LIMITS.items():
        value = record.get(name)
        if value is None:
            continue
        if isinstance(limit, Instant):
            reason = _why_no_time(value)
            if reason is not None:
                return f"field {name} is {reason}"
            continue
        rule = broken_rule(limit, value)
        if rule is Rule.WRONG_TYPE:
            return f"field {name} is {shown(value)}, must be {_TYPES[type(limit)]}"
        if rule is not None:
            return f"field {Fault(name, rule)}: {shown(value)}"
    return None


def _why_no_time(value: object) -> str | None:
    if not isinstance(value, str):
        return f"{shown(value)}, must be text"
    try:
        log_instant_ms(value)
    except BadTime as error:
        return str(error)
    return None


def shown(value: object) -> str:
    """Return a JSON value for a message: in ASCII, at most some 60 characters."""
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:60] + "…"


def _event_type(text: str) -> EventType:
    try:
        return EventType(text)
    except ValueError:
        return EventType.UNKNOWN
