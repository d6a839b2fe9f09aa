"""The door for GA4's Measurement Protocol: `POST /mp/collect`."""

import hashlib
from collections.abc import Iterator
from typing import Any

from clickwatch_events.shop_event import ShopEventType

from clickwatch_collector.doors.judging import Circumstances, Draft, no_object
from clickwatch_collector.doors.reading import inner, items_of, members_of, object_of, value_of, without_blanks
from clickwatch_collector.verdicts import BadBody, Ignored, Refused

EVENTS = {
    "view_item": ShopEventType.VIEW,
    "view_item_list": ShopEventType.IMPRESSION,
    "add_to_cart": ShopEventType.ADD_TO_CART,
    "remove_from_cart": ShopEventType.REMOVE_FROM_CART,
    "begin_checkout": ShopEventType.BEGIN_CHECKOUT,
    "purchase": ShopEventType.PURCHASE,
    "refund": ShopEventType.REFUND,
}
"""GA4's names and ours; each makes an event for each of its items."""
_OF_SENDER: tuple[str, ...] = ("client_id", "user_id", "timestamp_micros")


def drafts(body: bytes, circumstances: Circumstances) -> list[Draft | Ignored | Refused]:
    """Return the events of a body.

    Raises:
        BadBody: it is no such JSON.
    """
    members = members_of(body)
    listed = members.get("events")
    if listed is None:
        raise BadBody('the body has no list "events"')
    sender: dict[str, Any] = {name: value_of(members[name]) for name in _OF_SENDER if name in members}
    found: list[Draft | Ignored | Refused] = []
    for index, raw in enumerate(map(bytes, items_of(listed))):
        event = object_of(raw)
        if event is None:
            found.append(no_object(index, raw, circumstances))
        else:
            found += _of_event(index, raw, event, sender)
    return found


def _of_event(index: int, raw: bytes, event: dict[str, Any], sender: dict[str, Any]) -> Iterator[Draft | Ignored]:
    name = event.get("name")
    kind = EVENTS.get(name) if isinstance(name, str) else None
    params = inner(event.get("params"))
    items = params.get("items")
    if kind is None:
        yield Ignored(index, "an event of this name is none of a product")
        return
    if not isinstance(items, list) or not items:
        yield Ignored(index, "it names no items")
        return
    micros = event.get("timestamp_micros", sender.get("timestamp_micros"))
    # The protocol has no message id: the sender, the time and the event's own bytes are one.
    message_id = None if micros is None else f"ga4:{sender.get('client_id')}:{micros}:{hashlib.sha256(raw).hexdigest()}"
    for part, one in enumerate(items):
        item = inner(one)
        fields = {
            "event_type": kind.value,
            "user_id": sender.get("user_id"),
            "anonymous_id": sender.get("client_id"),
            "timestamp": micros,
            "product_id": item.get("item_id"),
            "product_category": item.get("item_category"),
            "price": item.get("price"),
            "quantity": item.get("quantity"),
            "currency": params.get("currency"),
            "coupon": item.get("coupon", params.get("coupon")),
            "order_id": params.get("transaction_id"),
            "list_id": item.get("item_list_id", params.get("item_list_id")),
            "session_id": params.get("session_id", params.get("ga_session_id")),
        }
        yield Draft(index, raw, without_blanks(fields), message_id, part)
