"""The life of a flash-sale alert: what a count of a window makes of it.

Pure: nothing here reads a clock or a table. Rules: spec, speed layer, alert life.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from clickwatch_events import HotWindow


class Status(StrEnum):
    """Where an alert stands."""

    ACTIVE = "active"
    RETRACTED = "retracted"
    CONFIRMED = "confirmed"


@dataclass(frozen=True)
class Thresholds:
    """When interest is high and conversion low.

    Attributes:
        views: an alert has more views than this.
        purchases: and fewer purchases than this.
    """

    views: int
    purchases: int

    def hold(self, views: int, purchases: int) -> bool:
        """Whether counts make an alert."""
        return views > self.views and purchases < self.purchases


@dataclass(frozen=True)
class Alert:
    """A row of `flash_sale_alerts`: one product in one window.

    Attributes:
        product_id: the product.
        product_category: its category.
        window_start_ms: first instant of the window, epoch milliseconds, UTC.
        window_end_ms: first instant after it.
        views: views counted so far; final once the window is closed.
        purchases: purchases counted so far.
        status: where it stands.
        detected_at: when the condition was first seen to hold; never changes.
        updated_at: when anything else last changed.
    """

    product_id: str
    product_category: str
    window_start_ms: int
    window_end_ms: int
    views: int
    purchases: int
    status: Status
    detected_at: datetime
    updated_at: datetime


@dataclass(frozen=True)
class AlertChange:
    """An alert that came into another state: a line on the console, and a row of `alert_outbox`.

    Attributes:
        before: the state it left; None where the alert is new.
        alert: as it is with the change.
    """

    before: Status | None
    alert: Alert


def alert_after(
    alert: Alert | None, window: HotWindow, thresholds: Thresholds, closed_until_ms: int | None, now: datetime
) -> Alert | None:
    """The alert that a record makes of the one there is, or None where nothing changes.

    Counts of an open window are so far: they only grow, so the greatest seen is the latest, and a
    repeated or delayed record changes nothing. Counts of a closed window are final and replace them.

    Args:
        alert: the row of the record's product and window, if there is one.
        window: the record.
        thresholds: when counts make an alert.
        closed_until_ms: the latest end among the windows known to be closed. What is so far of a
            window that ends by then has been overtaken by its final counts, or is about to be.
        now: the time to set in what changes.
    """
    if window.closed:
        return _closed(alert, window, thresholds, now)
    if closed_until_ms is not None and window.window_end_ms <= closed_until_ms:
        return None
    return _open(alert, window, thresholds, now)


def _open(alert: Alert | None, window: HotWindow, thresholds: Thresholds, now: datetime) -> Alert | None:
    if alert is None:
        holds = thresholds.hold(window.views, window.purchases)
        return _new(window, Status.ACTIVE, now) if holds else None
    views = max(alert.views, window.views)
    purchases = max(alert.purchases, window.purchases)
    status = Status.ACTIVE if thresholds.hold(views, purchases) else Status.RETRACTED
    return _changed(alert, alert.product_category, views, purchases, status, now)


def _closed(alert: Alert | None, window: HotWindow, thresholds: Thresholds, now: datetime) -> Alert | None:
    holds = thresholds.hold(window.views, window.purchases)
    if alert is None:
        return _new(window, Status.CONFIRMED, now) if holds else None
    status = Status.CONFIRMED if holds else Status.RETRACTED
    return _changed(alert, window.product_category, window.views, window.purchases, status, now)


def _new(window: HotWindow, status: Status, now: datetime) -> Alert:
    return Alert(
        window.product_id,
        window.product_category,
        window.window_start_ms,
        window.window_end_ms,
        window.views,
        window.purchases,
        status,
        detected_at=now,
        updated_at=now,
    )


def _changed(alert: Alert, category: str, views: int, purchases: int, status: Status, now: datetime) -> Alert | None:
    after = replace(alert, product_category=category, views=views, purchases=purchases, status=status)
    return None if after == alert else replace(after, updated_at=now)
