"""What the API answers: the shapes that its documentation shows."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel

Status = Literal["active", "retracted", "confirmed"]


class Page(BaseModel):
    """Part of a longer list.

    Attributes:
        total: how long the whole list is.
        limit: how many were asked for.
        offset: how many come before the first.
    """

    total: int
    limit: int
    offset: int


class Alert(BaseModel):
    """A row of flash_sale_alerts."""

    product_id: str
    window_start: datetime
    window_end: datetime
    product_category: str
    views: int
    purchases: int
    status: Status
    detected_at: datetime
    updated_at: datetime


class Alerts(Page):
    """Alerts, those that changed last first."""

    alerts: list[Alert]


class StreamStatus(BaseModel):
    """A row of stream_status: one topic, as the speed layer last told.

    Attributes:
        troubles: why, for each part of the service that does not work; empty where all do.
    """

    topic: str
    updated_at: datetime
    messages_per_second: float
    alerts_unread: int
    lake_unread: int
    newest_event_time: datetime | None
    closed_until: datetime | None
    lake_written_at: datetime | None
    events: int
    duplicates: int
    late: int
    dead_letters: int
    troubles: dict[str, str]


class Now(BaseModel):
    """The speed layer at this moment.

    Attributes:
        counts: alerts that are active, and that were retracted or confirmed in the last 24 hours.
        status: one entry a topic; empty while streaming has not reported yet.
    """

    counts: dict[str, int]
    status: list[StreamStatus]


class Days(BaseModel):
    """The days that the batch layer has done, newest first; those that were not whole then are unfinished."""

    days: list[date]
    unfinished: list[date]


class Revenue(BaseModel):
    """What a day earned in one currency.

    Attributes:
        currency: its ISO 4217 code; empty for prices without one.
        digits: how many decimals it has; null where ISO 4217 does not tell.
        revenue_minor: in its smallest unit.
    """

    currency: str
    digits: int | None
    revenue_minor: int


class Summary(BaseModel):
    """A row of daily_summary, with the day's revenue.

    Attributes:
        revenue_minor: a sum over all currencies, in smallest units; `revenue` has them apart.
        unfinished: whether the day was not whole when it was analysed.
        refused_records: rows that a table refused.
        revenue: by currency; empty for a day without, or analysed by a release that did not keep them apart.
    """

    report_date: date
    total_events: int
    buyer_count: int
    window_shopper_count: int
    buyer_rate: float
    revenue_minor: int
    duplicate_events: int
    malformed_lines: int
    other_day_events: int
    generated_at: datetime
    unfinished: bool
    refused_records: int
    revenue: list[Revenue]


class Figure(BaseModel):
    """One figure of a day, of the day before, and its mean over the seven days before."""

    value: float
    previous: float | None
    mean: float | None


class RevenueFigure(Figure):
    """Revenue in one currency, in its smallest unit, beside other days' in the same."""

    currency: str
    digits: int | None


class Category(BaseModel):
    """A row of category_conversion."""

    category: str
    views: int
    carts: int
    purchases: int
    conversion_rate: float
    revenue_minor: int


class Day(BaseModel):
    """A day of the batch layer.

    Attributes:
        compared: figures of the summary beside other days'; an unfinished day stands alone, and beside no other.
        compared_revenue: the same for each currency.
        trend: the summaries of the 30 days up to this one that are there.
        has_report: whether `report.json` can be had here.
    """

    summary: Summary
    compared: dict[str, Figure]
    compared_revenue: list[RevenueFigure]
    categories: list[Category]
    trend: list[Summary]
    has_report: bool


class Product(BaseModel):
    """A row of product_performance."""

    rank: int
    product_id: str
    view_count: int
    cart_count: int
    purchase_count: int


class Products(Page):
    """The products of a day by rank; `day` is null, and the list empty, before the first day."""

    day: date | None
    products: list[Product]


class ProductSuggestions(BaseModel):
    """Product ids that hold a text."""

    products: list[str]


class ProductDay(BaseModel):
    """A product on one day."""

    report_date: date
    rank: int
    view_count: int
    cart_count: int
    purchase_count: int


class ProductDays(BaseModel):
    """A product day by day; days without it have no entry."""

    product_id: str
    until: date
    days: list[ProductDay]


class ProductWindow(BaseModel):
    """Counts of a window; `closed` is false while they may still grow, `carts` null where only the alert is known."""

    window_start: datetime
    window_end: datetime
    product_category: str
    views: int
    carts: int | None
    purchases: int
    closed: bool


class ProductWindows(BaseModel):
    """The windows of a product, oldest first, and the thresholds of an alert."""

    product_id: str
    views_threshold: int
    purchases_threshold: int
    windows: list[ProductWindow]


class DeadLetters(BaseModel):
    """How many messages went to the dead-letter topic for one reason."""

    topic: str
    reason: str
    messages: int


class SchemaUse(BaseModel):
    """A schema that messages were written with; `version` is null where the registry no longer tells."""

    topic: str
    schema_id: int
    version: int | None
    messages: int
    last_seen: datetime


class Freshness(BaseModel):
    """When each layer last had something to say; the last day is the last whole one."""

    alerts_updated_at: datetime | None
    windows_until: datetime | None
    last_day: date | None
    last_day_generated_at: datetime | None


class Trust(BaseModel):
    """How fresh the layers are, and what streaming left out."""

    freshness: Freshness
    status: list[StreamStatus]
    dead_letters: list[DeadLetters]
    schemas: list[SchemaUse]


class Reconciled(BaseModel):
    """Speed against batch for one count; the total where `product_id` is empty.

    The difference is late + duplicate + quarantined + unexplained.
    """

    metric: str
    product_id: str
    speed_value: int
    batch_value: int
    difference: int
    late: int
    duplicate: int
    quarantined: int
    unexplained: int


class Gate(BaseModel):
    """What a quality gate measured of a day, where it warns and fails, and what it said."""

    gate: str
    measured: float
    warn_at: float | None
    fail_at: float | None
    verdict: Literal["pass", "warn", "fail"]
    note: str


class DayTrust(BaseModel):
    """How far a day can be trusted; empty lists where batch has not compared it."""

    summary: Summary | None
    reconciliation: list[Reconciled]
    gates: list[Gate]


class Problem(BaseModel):
    """What is wrong and what to do."""

    detail: str
