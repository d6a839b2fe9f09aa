"""What the analyses ask of an engine: load a day, keep the answer of a query, hand out its rows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

from clickwatch_batch.input.lake import LakeDay
from clickwatch_batch.input.log_file import LogFile

DaySource = LogFile | LakeDay
"""What a day is read from."""


@dataclass(frozen=True)
class Intake:
    """What became of the lines of a day's log that are not blank, or of the rows of a day in the lake.

    Attributes:
        events: events of the day, each once.
        duplicates: events of the day whose id an earlier line had.
        other_day: events of another UTC day.
        malformed: lines that are no event.
    """

    events: int
    duplicates: int
    other_day: int
    malformed: int

    @property
    def lines(self) -> int:
        """All lines or rows that were read."""
        return self.events + self.duplicates + self.other_day + self.malformed


def intake_of(counted: Iterable[tuple[str, int]]) -> Intake:
    """Return the intake of lines that were counted by verdict: event, duplicate, other_day, malformed, others."""
    lines = dict(counted)
    return Intake(
        events=lines.get("event", 0),
        duplicates=lines.get("duplicate", 0),
        other_day=lines.get("other_day", 0),
        malformed=lines.get("malformed", 0),
    )


class Engine(Protocol):
    """Answers the analyses of one day."""

    def load(self, source: DaySource, day: date) -> Intake:
        """Read a day into table `events`.

        The table has a row for each event of the day (duplicates once): user_id, product_id,
        product_category, event_type (view, add_to_cart, purchase, unknown; from a lake refund too),
        amount_minor (what it brings: price times quantity of a purchase, negative of a refund, else NULL), currency.

        Raises:
            UserError: the source cannot be read.
        """
        ...

    def close(self) -> None:
        """Free what the engine holds of the day."""
        ...

    def malformed(self) -> Iterator[int]:
        """Yield the places of malformed lines, ascending: 0 is the first line that is not blank. None in a lake."""
        ...

    def keep(self, name: str, query: str) -> None:
        """Keep what a query over `events` and tables kept before answers, as table `name`."""
        ...

    def rows(self, name: str) -> Iterator[tuple[object, ...]]:
        """Yield the rows of a kept table, columns and rows in the order its query gave them."""
        ...

    def write(self, name: str, file: Path) -> None:
        """Write a kept table as a Parquet file of this machine, columns and rows in the order of its query."""
        ...
