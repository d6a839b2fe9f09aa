"""What the analyses ask of an engine: load a day, keep the answer of a query, hand out its rows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Intake:
    """What became of the lines of a day's log that are not blank. The four add up to all of them.

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


class Engine(Protocol):
    """Answers the analyses of one day."""

    def load(self, log: Path, day: date) -> Intake:
        """Read a day's JSONL into table `events`.

        The table has a row for each event of the day (duplicates once): user_id, product_id,
        product_category, event_type (view, add_to_cart, purchase or unknown), price_minor, currency.
        """
        ...

    def malformed(self) -> Iterator[int]:
        """Yield the places of malformed lines, ascending: 0 is the first line that is not blank."""
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
