"""A day beside the day before it and the mean of the seven before it: whole days beside whole days."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

FIGURES = ("total_events", "buyer_count", "window_shopper_count", "buyer_rate", "revenue_minor")
_MEAN_DAYS = 7

Summary = Mapping[str, Any]
"""A row of daily_summary, with `revenue`: rows of revenue_by_currency."""


@dataclass(frozen=True)
class Compared:
    """One figure of a day.

    Attributes:
        value: the day's.
        previous: that of the day before; None where that day is missing, or either is unfinished.
        mean: the mean over those of the seven days before that are there whole; None where none is, or the day
            itself is unfinished.
    """

    value: float
    previous: float | None
    mean: float | None


def compared(summaries: Sequence[Summary], day: date) -> dict[str, Compared]:
    """Return each figure of `day`, given rows of daily_summary with `day` among them."""

    def figure(name: str) -> Callable[[Summary], float]:
        return lambda summary: float(summary[name])

    return {name: _compared(summaries, day, figure(name)) for name in FIGURES}


def compared_revenue(summaries: Sequence[Summary], day: date) -> dict[str, Compared]:
    """Return the revenue of `day` in each of its currencies; a day without sales in one earned nothing in it."""

    def in_currency(currency: str) -> Callable[[Summary], float]:
        return lambda summary: float(
            sum(row["revenue_minor"] for row in summary["revenue"] if row["currency"] == currency)
        )

    (of_day,) = (summary for summary in summaries if summary["report_date"] == day)
    # A day of a release that kept no currencies apart says nothing of any.
    telling = [summary for summary in summaries if summary["revenue"] or not summary["revenue_minor"]]
    return {row["currency"]: _compared(telling, day, in_currency(row["currency"])) for row in of_day["revenue"]}


def _compared(summaries: Sequence[Summary], day: date, figure: Callable[[Summary], float]) -> Compared:
    by_day = {row["report_date"]: row for row in summaries}
    value = figure(by_day[day])
    if by_day[day]["unfinished"]:
        return Compared(value, None, None)
    before = {
        back: figure(by_day[other])
        for back in range(1, _MEAN_DAYS + 1)
        if (other := day - timedelta(days=back)) in by_day and not by_day[other]["unfinished"]
    }
    return Compared(value, before.get(1), sum(before.values()) / len(before) if before else None)
