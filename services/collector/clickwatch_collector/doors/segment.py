"""The door for Segment's SDKs: track, page, identify and their batches, with the names of its e-commerce events."""

from collections.abc import Iterator
from typing import Any

from clickwatch_events.shop_event import ShopEventType

from clickwatch_collector.doors.judging import Circumstances, Draft, no_object
from clickwatch_collector.doors.reading import inner, items_of, members_of, object_of, without_blanks
from clickwatch_collector.verdicts import BadBody, Ignored, Refused

EVENTS = {
    "Product Viewed": ShopEventType.VIEW,
    "Product Added": ShopEventType.ADD_TO_CART,
    "Product Removed": ShopEventType.REMOVE_FROM_CART,
    "Checkout Started": ShopEventType.BEGIN_CHECKOUT,
    "Order Completed": ShopEventType.PURCHASE,
    "Order Refunded": ShopEventType.REFUND,
    "Product List Viewed": ShopEventType.IMPRESSION,
}
"""Segment's names and ours. Those of an order or a list make an event for each of its products."""


def drafts(kind: str, body: bytes, circumstances: Circumstances) -> list[Draft | Ignored | Refused]:
    """Return the events of a body.

    Args:
        kind: the last part of the path: `track`, `page`, `identify` or `batch`.
        body: JSON.
        circumstances: of the request.

    Raises:
        BadBody: it is no such JSON.
    """
    if kind == "batch":
        listed = members_of(body).get("batch")
        if listed is None:
            raise BadBody('the body has no list "batch"')
        raws = [bytes(one) for one in items_of(listed)]
    else:
        members_of(body)
        raws = [body]
    found: list[Draft | Ignored | Refused] = []
    for index, raw in enumerate(raws):
        message = object_of(raw)
        if message is None:
            found.append(no_object(index, raw, circumstances))
        else:
            found += _of_message(index, raw, message, str(message.get("type", "")) if kind == "batch" else kind)
    return found


def _of_message(index: int, raw: bytes, message: dict[str, Any], kind: str) -> Iterator[Draft | Ignored]:
    properties = inner(message.get("properties"))
    if kind == "page":
        # A page of a product, where it says so.
        if properties.get("product_id") is None:
            yield Ignored(index, "a page without product_id is no event of a product")
            return
        event = ShopEventType.VIEW
    elif kind == "track":
        name = message.get("event")
        known = EVENTS.get(name) if isinstance(name, str) else None
        if known is None:
            yield Ignored(index, "an event of this name is none of a product")
            return
        event = known
    else:
        yield Ignored(index, "only track and page make events of products")
        return
    products = properties.get("products")
    if not isinstance(products, list):
        products = [properties]
        if event in (ShopEventType.BEGIN_CHECKOUT, ShopEventType.REFUND) and properties.get("product_id") is None:
            yield Ignored(index, "it names no products")
            return
    if not products:
        yield Ignored(index, "it names no products")
    for part, product in enumerate(products):
        yield _draft(index, raw, message, event, inner(product), part)


def _draft(
    index: int, raw: bytes, message: dict[str, Any], event: ShopEventType, product: dict[str, Any], part: int
) -> Draft:
    properties = inner(message.get("properties"))

    def said(name: str) -> object:
        return product.get(name, properties.get(name))

    product_id = product.get("product_id")
    fields = {
        "event_type": event.value,
        "user_id": message.get("userId"),
        "anonymous_id": message.get("anonymousId"),
        "timestamp": message.get("timestamp"),
        "product_id": product.get("sku") if product_id is None else product_id,
        "product_category": said("category"),
        "price": product.get("price"),
        "quantity": product.get("quantity"),
        "currency": said("currency"),
        "coupon": said("coupon"),
        "order_id": properties.get("order_id"),
        "list_id": properties.get("list_id"),
        "session_id": properties.get("session_id"),
    }
    context = inner(message.get("context"))
    return Draft(index, raw, without_blanks(fields), message.get("messageId"), part, context.get("userAgent"))
