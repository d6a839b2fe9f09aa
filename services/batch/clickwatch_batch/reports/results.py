"""What the analysis of a day found, on disk: the steps after it read it, in a process of their own if need be.

A folder for each day: `figures.json` names the Parquet files beside it. It is written last and as a whole, and
no file that it names ever changes, so whoever reads it finds one whole analysis: the new one, or the one before.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Generic, TypeVar

import duckdb
from clickwatch_service import UserError

from clickwatch_batch.analyses.daily import CategoryConversion, DailyReport, ProductPerformance, UserSegment
from clickwatch_batch.engines.engine import Engine
from clickwatch_batch.input.storage import Location
from clickwatch_batch.reports.report import from_json, to_json

_FORMAT = 1
_FIGURES = "figures.json"
_TABLES = ("user_segments", "product_performance", "product_events", "category_conversion")
_ROWS_A_FETCH = 10_000

Row = TypeVar("Row")


@dataclass(frozen=True)
class Results:
    """A whole analysis of a day.

    Attributes:
        folder: where it lies.
        figures: what the report says of the day.
        files: the Parquet file of each table with a row for each user, product or category.
    """

    folder: Path
    figures: DailyReport
    files: dict[str, str]

    def user_segments(self) -> "Rows[UserSegment]":
        """Return every user of the day, in no order."""
        return Rows(self, "user_segments", UserSegment._make)

    def product_performance(self) -> "Rows[ProductPerformance]":
        """Return every product, best first."""
        return Rows(self, "product_performance", ProductPerformance._make)

    def category_conversion(self) -> "Rows[CategoryConversion]":
        """Return every category by name."""
        return Rows(self, "category_conversion", CategoryConversion._make)

    def read(self, table: str) -> Iterator[tuple[object, ...]]:
        """Yield the rows of a table's file.

        Raises:
            UserError: it cannot be read.
        """
        try:
            with duckdb.connect(config={"threads": 1}) as connection:
                found = connection.execute("FROM read_parquet($file)", {"file": str(self.folder / self.files[table])})
                while rows := found.fetchmany(_ROWS_A_FETCH):
                    yield from rows
        except (duckdb.Error, KeyError) as error:
            reason = " ".join(str(error).split())
            raise UserError(
                f"{self.folder}: its {table} cannot be read ({reason}); analyse the day again: "
                f"`run --date {self.figures.report_date}`"
            ) from None


@dataclass(frozen=True)
class Rows(Generic[Row]):
    """The rows of a table, read anew each time they are iterated.

    Attributes:
        results: whose table.
        table: its name.
        make: a row of it from the values in its file.
    """

    results: Results
    table: str
    make: Callable[[Iterable[object]], Row]

    def __iter__(self) -> Iterator[Row]:
        return map(self.make, self.results.read(self.table))


def write_results(folder: Path, engine: Engine, figures: DailyReport) -> Results:
    """Keep what the engine answered; what an analysis before left there goes.

    Raises:
        UserError: the folder cannot be written to.
    """
    number = uuid.uuid4().hex
    results = Results(folder, figures, {table: f"{table}-{number}.parquet" for table in _TABLES})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for table, name in results.files.items():
            engine.write(table, folder / name)
        document = {"format": _FORMAT, "files": results.files, "figures": json.loads(to_json(figures))}
        with Location(str(folder / _FIGURES)).replacing() as out:
            out.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
        for file in folder.iterdir():
            if file.name not in (_FIGURES, *results.files.values()):
                file.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error}") from None
    return results


def read_results(location: str, day: date) -> Results:
    """Return the analysis of a day that lies in a folder.

    Raises:
        UserError: there is none, or it is another day's.
    """
    folder = Path(location)
    remedy = f"analyse the day again: `run --date {day}`"
    try:
        document = json.loads((folder / _FIGURES).read_text(encoding="utf-8"))
        if document["format"] != _FORMAT:
            raise ValueError(f"format {document['format']!r}, must be {_FORMAT}")
        results = Results(folder, from_json(json.dumps(document["figures"])), dict(document["files"]))
    except FileNotFoundError:
        raise UserError(f"{folder}: holds no results of {day}; {remedy}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / _FIGURES}: cannot be read ({error}); {remedy}") from None
    if results.figures.report_date != day:
        raise UserError(f"{folder}: holds the results of {results.figures.report_date}, not of {day}; {remedy}")
    return results
