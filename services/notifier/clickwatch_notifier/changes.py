"""A change of an alert's state, as the outbox has it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """Where an alert stands."""

    ACTIVE = "active"
    RETRACTED = "retracted"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class Change:
    """One row of `alert_outbox`.

    Attributes:
        outbox_id: its number; a later change has a greater one.
        product_id: the product.
        product_category: its category.
        window_start: first instant of the window, UTC.
        window_end: first instant after it.
        views: views counted when the alert changed.
        purchases: purchases counted then.
        status_before: the state it left; None where the alert is new.
        status: the state it came into.
        changed_at: when.
    """

    outbox_id: int
    product_id: str
    product_category: str
    window_start: datetime
    window_end: datetime
    views: int
    purchases: int
    status_before: Status | None
    status: Status
    changed_at: datetime
