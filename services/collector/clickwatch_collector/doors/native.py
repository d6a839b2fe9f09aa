"""The door in clickwatch's own words: `POST /v1/events`."""

from clickwatch_collector.doors.judging import Circumstances, Draft, no_object
from clickwatch_collector.doors.reading import items_of, members_of, object_of
from clickwatch_collector.verdicts import Ignored, Refused

FIELDS = (
    "user_id",
    "anonymous_id",
    "product_id",
    "product_category",
    "event_type",
    "timestamp",
    "session_id",
    "price_minor",
    "price",
    "currency",
    "order_id",
    "quantity",
    "coupon",
    "list_id",
    "source",
)
"""What an event may say beside `event_id` and `user_agent`; anything else is passed over."""


def drafts(body: bytes, circumstances: Circumstances) -> list[Draft | Ignored | Refused]:
    """Return the events of a body: one, a list, or `{"events": [...]}`.

    Raises:
        BadBody: it is no such JSON.
    """
    if body.lstrip()[:1] == b"[":
        raws: list[bytes] = [bytes(one) for one in items_of(body)]
    else:
        listed = members_of(body).get("events")
        raws = [body] if listed is None else [bytes(one) for one in items_of(listed)]
    return [_draft(index, raw, circumstances) for index, raw in enumerate(raws)]


def _draft(index: int, raw: bytes, circumstances: Circumstances) -> Draft | Refused:
    record = object_of(raw)
    if record is None:
        return no_object(index, raw, circumstances)
    fields = {name: record[name] for name in FIELDS if name in record}
    return Draft(index, raw, fields, record.get("event_id"), user_agent=record.get("user_agent"))
