"""A day's figures: what the analyses answer, as values with names."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from importlib.resources import files
from itertools import islice
from typing import NamedTuple

from clickwatch_batch.analyses.differences import Compared
from clickwatch_batch.analyses.quality import Gate, failed
from clickwatch_batch.engines.engine import Engine, Intake

TOP_PRODUCTS = 5
"""How many products the report names (spec, batch layer)."""

_ANALYSES = (
    "user_segments",
    "product_performance",
    "product_events",
    "category_conversion",
    "daily_summary",  # counts what user_segments found
    "revenue_by_currency",
)


class UserSegment(NamedTuple):
    """A user and what the day made of them: `buyer` or `window_shopper`."""

    user_id: str
    segment: str


class ProductPerformance(NamedTuple):
    """A product's counts and its rank by views; the most viewed has rank 1."""

    product_id: str
    view_count: int
    cart_count: int
    purchase_count: int
    rank: int


class CategoryConversion(NamedTuple):
    """A category's counts; `conversion_rate` is per cent of views, `revenue_minor` in smallest units."""

    category: str
    views: int
    carts: int
    purchases: int
    conversion_rate: Decimal
    revenue_minor: int


class DailySummary(NamedTuple):
    """The day in one row; `buyer_rate` is per cent of users, `revenue_minor` in smallest units."""

    total_events: int
    views: int
    carts: int
    purchases: int
    unknown_events: int
    buyer_count: int
    window_shopper_count: int
    buyer_rate: Decimal
    revenue_minor: int


class CurrencyRevenue(NamedTuple):
    """Revenue in one currency; the currency is empty for prices without one."""

    currency: str
    revenue_minor: int


@dataclass(frozen=True)
class Dropped:
    """What the figures leave out.

    Attributes:
        duplicate_events: events whose id an earlier line of the day had.
        malformed_lines: lines that are no event, blank ones too.
        other_day_events: events of another UTC day.
    """

    duplicate_events: int
    malformed_lines: int
    other_day_events: int


@dataclass(frozen=True)
class DailyReport:
    """What the report says of a day.

    Attributes:
        report_date: the UTC day.
        generated_at: when these figures last changed.
        log_name: the file they come from.
        log_lines: its lines: total_events and all that was dropped.
        dropped: what the figures leave out.
        summary: the day in one row.
        revenue: by currency.
        top_products: the most viewed, best first.
        categories: by name.
        gates: the verdicts on the day; none before it is judged.
        reconciliation: totals, then the products that differ most from the speed layer; empty where there was
            nothing to compare with.
        unfinished: why the day was not whole when it was analysed; empty for a whole day.
        refused_records: rows that a table of the database refused.
    """

    report_date: date
    generated_at: datetime
    log_name: str
    log_lines: int
    dropped: Dropped
    summary: DailySummary
    revenue: tuple[CurrencyRevenue, ...]
    top_products: tuple[ProductPerformance, ...]
    categories: tuple[CategoryConversion, ...]
    gates: tuple[Gate, ...] = ()
    reconciliation: tuple[Compared, ...] = ()
    unfinished: str = ""
    refused_records: int = 0

    @property
    def is_refused(self) -> bool:
        """Whether a gate keeps the day from being published."""
        return bool(failed(self.gates))


def analyse(engine: Engine) -> None:
    """Answer all analyses over the engine's `events`, each kept as the table it is named after."""
    for name in _ANALYSES:
        engine.keep(name, files("clickwatch_batch.analyses").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8"))


def user_segments(engine: Engine) -> Iterator[UserSegment]:
    """Yield every user of the day, in no order."""
    return map(UserSegment._make, engine.rows("user_segments"))


def product_performance(engine: Engine) -> Iterator[ProductPerformance]:
    """Yield every product, best first."""
    return map(ProductPerformance._make, engine.rows("product_performance"))


def category_conversion(engine: Engine) -> Iterator[CategoryConversion]:
    """Yield every category by name."""
    return map(CategoryConversion._make, engine.rows("category_conversion"))


def daily_report(
    engine: Engine,
    day: date,
    log_name: str,
    log_lines: int,
    intake: Intake,
    generated_at: datetime,
    unfinished: str = "",
) -> DailyReport:
    """Return the report of a day that has been analysed.

    Args:
        engine: where the analyses are kept.
        day: the UTC day.
        log_name: the file it was read from.
        log_lines: its lines, blank ones too.
        intake: what became of the lines that are not blank.
        generated_at: the time the report shall bear.
        unfinished: why the day is not whole yet.
    """
    (summary,) = map(DailySummary._make, engine.rows("daily_summary"))
    blank_lines = log_lines - (intake.events + intake.duplicates + intake.other_day + intake.malformed)
    return DailyReport(
        report_date=day,
        generated_at=generated_at,
        log_name=log_name,
        log_lines=log_lines,
        dropped=Dropped(
            duplicate_events=intake.duplicates,
            malformed_lines=intake.malformed + blank_lines,
            other_day_events=intake.other_day,
        ),
        summary=summary,
        revenue=tuple(map(CurrencyRevenue._make, engine.rows("revenue_by_currency"))),
        top_products=tuple(islice(product_performance(engine), TOP_PRODUCTS)),
        categories=tuple(category_conversion(engine)),
        unfinished=unfinished,
    )
