"""A finished run, as the comparison looks at it."""

from collections.abc import Callable
from dataclasses import dataclass

from clickwatch_ledger.ledger import Ledger
from clickwatch_ledger.pipeline import Pipeline


@dataclass(frozen=True)
class Outcome:
    """What was sent, and the pipeline that dealt with it.

    Attributes:
        pipeline: where to look.
        ledger: what was sent.
        day: the day (2025-06-01) that the events are of, or most of them.
        analyse: has the batch layer analyse a day.
    """

    pipeline: Pipeline
    ledger: Ledger
    day: str
    analyse: Callable[[str], None]
