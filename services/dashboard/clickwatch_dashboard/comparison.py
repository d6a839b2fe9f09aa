"""A day beside the day before it and the mean of the seven before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

FIGURES = ("total_events", "buyer_count", "window_shopper_count", "buyer_rate", "revenue_minor")
_MEAN_DAYS = 7


@dataclass(frozen=True)
class Compared:
    """One figure of a day.

    Attributes:
        value: the day's.
        previous: that of the day before; None where that day is missing.
        mean: the mean over those of the seven days before that are there; None where none is.
    """

    value: float
    previous: float | None
    mean: float | None


def compared(summaries: Sequence[Mapping[str, Any]], day: date) -> dict[str, Compared]:
    """Return each figure of `day`, given rows of daily_summary with `day` among them."""
    by_day = {row["report_date"]: row for row in summaries}
    before = [
        by_day[day - timedelta(days=back)] for back in range(1, _MEAN_DAYS + 1) if day - timedelta(days=back) in by_day
    ]
    previous = by_day.get(day - timedelta(days=1))
    return {
        figure: Compared(
            value=float(by_day[day][figure]),
            previous=None if previous is None else float(previous[figure]),
            mean=sum(float(row[figure]) for row in before) / len(before) if before else None,
        )
        for figure in FIGURES
    }
