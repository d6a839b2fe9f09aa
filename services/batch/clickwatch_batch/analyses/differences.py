"""Reconciliation: what the speed layer counted in its closed windows, held against a day's exact counts.

`difference` is speed minus batch, and each reason is a signed part of it that something speaks for:

- late: events that batch counts and whose window had closed when they came. The lake marks them (`late_at`).
- duplicate: events both have, whose id came more than once and which one of the two counts otherwise.
- quarantined: events that only one of the two could read. The lake names the dead letters that held an event,
  batch keeps its malformed lines aside.
- unexplained: what nothing speaks for.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

METRICS = ("total_events", "views", "carts", "purchases")


class Compared(NamedTuple):
    """A count of a product, or of all (no product_id), by speed and by batch; the reasons add up to the difference."""

    metric: str
    product_id: str
    speed_value: int
    batch_value: int
    difference: int
    late: int
    duplicate: int
    quarantined: int
    unexplained: int


class Counted(NamedTuple):
    """A count of a product by both, and the parts of their difference that something speaks for."""

    metric: str
    product_id: str
    speed_value: int
    batch_value: int
    late: int
    duplicate: int
    quarantined: int


@dataclass(frozen=True)
class Reconciliation:
    """A day compared.

    Attributes:
        rows: the four totals, then each count of a product that differs or has a reason.
        unexplained_share: events that nothing speaks for as a share of batch's; in the metric where it is
            greatest, and product by product, so that one too many does not make up for one too few.
    """

    rows: tuple[Compared, ...]
    unexplained_share: Fraction


def reconciled(counted: Iterable[Counted]) -> Reconciliation:
    """Return what the counts of all products and metrics amount to."""
    totals = {metric: [0] * 5 for metric in METRICS}
    unexplained: dict[str, int] = defaultdict(int)
    products = []
    for each in counted:
        for place, value in enumerate(each[2:]):
            totals[each.metric][place] += value
        row = _compared(each)
        unexplained[each.metric] += abs(row.unexplained)
        if any(row[4:]):
            products.append(row)
    all_products = [_compared(Counted(metric, "", *values)) for metric, values in totals.items()]
    events = all_products[0].batch_value
    share = Fraction(max(unexplained.values(), default=0), max(events, 1))
    return Reconciliation((*all_products, *sorted(products, key=lambda row: row[:2])), share)


def _compared(each: Counted) -> Compared:
    difference = each.speed_value - each.batch_value
    unexplained = difference - each.late - each.duplicate - each.quarantined
    return Compared(
        each.metric,
        each.product_id,
        each.speed_value,
        each.batch_value,
        difference,
        each.late,
        each.duplicate,
        each.quarantined,
        unexplained,
    )
