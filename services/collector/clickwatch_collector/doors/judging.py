"""The verdict on one event, the same at each door."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clickwatch_events.limits import LATEST_MS, Fault, broken_rule, text_rule
from clickwatch_events.shop_event import (
    SHOP_LIMITS,
    ShopEvent,
    ShopEventType,
    Source,
    fault_of_shop_event,
    rule_in_words,
)
from clickwatch_events.times import BadTime, instant_ms

from clickwatch_collector.bots import is_bot
from clickwatch_collector.doors.values import BadValue, id_text, minor_units, shown, whole_number
from clickwatch_collector.verdicts import Accepted, Ignored, Refused, Verdict

NAMESPACE = uuid.UUID("61c2968d-1534-53c1-9a86-1edd56790f01")
"""Of the ids that are made of a shop's name and its message id. It never changes: a retry counts once by it."""

UNKNOWN_CATEGORY = "unknown"
_TYPES = {kind.value: kind for kind in ShopEventType}


@dataclass(frozen=True)
class Draft:
    """What a door read of one event.

    Attributes:
        index: the event's place in the request.
        raw: its bytes.
        fields: values by the names of clickwatch's schema, as they were sent; `price` is in major units.
        message_id: what the client calls it, None where it has no name.
        part: its number among the events that one message of the client's makes.
        user_agent: what the client says of the browser that the event happened in.
    """

    index: int
    raw: bytes
    fields: Mapping[str, Any]
    message_id: object = None
    part: int = 0
    user_agent: object = None


@dataclass(frozen=True)
class Circumstances:
    """What is known of a request beside its body.

    Attributes:
        shop: whose key it came with.
        received_ms: when it was received.
        source: where its events come from, unless they say so themselves.
        is_bot: whether the sender is a program, None where the sender is not who clicked.
    """

    shop: str
    received_ms: int
    source: Source
    is_bot: bool | None = None


def event_id_of(shop: str, message_id: str, part: int) -> str:
    """Return the id of the event that a client's message makes: the same for each retry of it."""
    # A half surrogate cannot be told from another one then, and is refused anyway.
    name = f"{shop}\n{part}\n{message_id}".encode("utf-8", "replace").decode()
    return str(uuid.uuid5(NAMESPACE, name))


def judged(draft: Draft | Ignored, circumstances: Circumstances) -> Verdict:
    """Return the verdict on one event."""
    if isinstance(draft, Ignored):
        return draft
    try:
        event = _event(draft, circumstances)
    except BadValue as error:
        field, _, message = str(error).partition("\n")
        return _refused(draft, circumstances, field, error.rule, message)
    fault = fault_of_shop_event(event, circumstances.received_ms)
    if fault is not None:
        return _refused(draft, circumstances, fault.field, fault.rule, rule_in_words(fault))
    return Accepted(draft.index, event)


def no_object(index: int, raw: bytes, circumstances: Circumstances) -> Refused:
    """Return the verdict on what should be an event and is no JSON object."""
    draft = Draft(index, raw, {})
    return _refused(draft, circumstances, "event", "not_an_object", f"event {index} must be a JSON object")


def _refused(draft: Draft, circumstances: Circumstances, field: str, rule: str, message: str) -> Refused:
    name = draft.message_id
    if not isinstance(name, str) or text_rule(name) is not None:
        name = hashlib.sha256(draft.raw).hexdigest()
    return Refused(draft.index, field, rule, message, draft.raw, event_id_of(circumstances.shop, f"refused:{name}", 0))


def _event(draft: Draft, circumstances: Circumstances) -> ShopEvent:
    fields = {name: value for name, value in draft.fields.items() if value is not None}
    return ShopEvent(
        event_id=_event_id(draft, circumstances),
        user_id=_text("user_id", id_text(fields.get("user_id", fields.get("anonymous_id")))),
        product_id=_text("product_id", id_text(fields.get("product_id"))),
        product_category=_text("product_category", fields.get("product_category", UNKNOWN_CATEGORY)).lower(),
        event_type=_type(fields.get("event_type")),
        timestamp=_timestamp(draft, fields.get("timestamp"), circumstances.received_ms),
        session_id=_optional("session_id", id_text(fields.get("session_id"))),
        price_minor=_price(fields),
        currency=_optional("currency", fields.get("currency")),
        anonymous_id=_optional("anonymous_id", id_text(fields.get("anonymous_id"))),
        order_id=_optional("order_id", id_text(fields.get("order_id"))),
        quantity=_number("quantity", fields.get("quantity")),
        coupon=_optional("coupon", fields.get("coupon")),
        list_id=_optional("list_id", id_text(fields.get("list_id"))),
        is_bot=_is_bot(draft, circumstances),
        source=_source(fields.get("source"), circumstances.source),
        received_at=circumstances.received_ms,
    )


def _wrong(field: str, rule: str, message: str) -> BadValue:
    return BadValue(rule, f"{field}\n{message}")


def _event_id(draft: Draft, circumstances: Circumstances) -> str:
    name = id_text(draft.message_id)
    if name is None:
        return str(uuid.uuid4())
    _text("event_id", name)
    rule = text_rule(str(name))
    if rule is not None:
        raise _wrong("event_id", rule, str(Fault("event_id", rule)))
    return event_id_of(circumstances.shop, str(name), draft.part)


def _text(field: str, value: object) -> str:
    if value is None:
        raise _wrong(field, "missing", f"{field} is missing")
    if not isinstance(value, str):
        raise _wrong(field, "wrong_type", f"{field} is {shown(value)}, must be text")
    return value


def _optional(field: str, value: object) -> str | None:
    return None if value is None else _text(field, value)


def _type(value: object) -> ShopEventType:
    text = _text("event_type", value)
    kind = _TYPES.get(text)
    if kind is None or kind is ShopEventType.UNKNOWN:
        allowed = ", ".join(name for name in _TYPES if name != ShopEventType.UNKNOWN)
        raise _wrong("event_type", "unknown_event_type", f"event_type is {shown(text)}, must be one of {allowed}")
    return kind


def _timestamp(draft: Draft, value: object, received_ms: int) -> int:
    if value is None:
        if draft.message_id is None:
            return received_ms
        # The time of reception would make another event of a retry.
        raise _wrong("timestamp", "missing", "timestamp is missing: an event with an id of its own needs one")
    try:
        return instant_ms(value, LATEST_MS)
    except BadTime as error:
        raise _wrong("timestamp", "not_a_time", f"timestamp is {error}") from None


def _price(fields: Mapping[str, Any]) -> int | None:
    minor = fields.get("price_minor")
    if minor is not None:
        return _number("price_minor", minor)
    price = fields.get("price")
    if price is None:
        return None
    try:
        return minor_units(price, fields.get("currency"))
    except BadValue as error:
        raise _wrong("price_minor", error.rule, str(error)) from None


def _number(field: str, value: object) -> int | None:
    number = whole_number(value)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int):
        raise _wrong(field, "wrong_type", f"{field} is {shown(value)}, must be a whole number")
    # Asked before anything is made of it: it may have thousands of digits.
    rule = broken_rule(SHOP_LIMITS[field], number)
    if rule is not None:
        raise _wrong(field, rule, rule_in_words(Fault(field, rule)))
    return number


def _is_bot(draft: Draft, circumstances: Circumstances) -> bool | None:
    said = is_bot(draft.user_agent) if isinstance(draft.user_agent, str) else None
    return circumstances.is_bot if said is None else said


def _source(value: object, otherwise: Source) -> Source:
    if value is None or otherwise is Source.TRACKER:
        return otherwise
    if value in (Source.SERVER, Source.IMPORT):
        return Source(str(value))
    raise _wrong("source", "unknown_source", f"source is {shown(value)}, must be server or import")
