"""DuckDB, the engine for one machine."""

import glob
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import duckdb

from clickwatch_batch.engine import Intake

_ROWS_A_FETCH = 10_000


class DuckDBEngine:
    """Analyses a day in memory, spilling to a folder beyond its memory limit."""

    def __init__(self, spill_dir: Path, memory_limit: str, threads: int | None) -> None:
        """Open an engine that writes nothing but `spill_dir`.

        Args:
            spill_dir: where it puts what does not fit into memory; the caller removes it.
            memory_limit: what it keeps in memory, such as `1GB`.
            threads: how many it uses; None is one a core.
        """
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "temp_directory": str(spill_dir),
            "preserve_insertion_order": True,  # places of lines are counted on it
        }
        if threads is not None:
            config["threads"] = threads
        self._connection = duckdb.connect(config=config)
        self._connection.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        """Free the memory and the spilled files."""
        self._connection.close()

    def load(self, log: Path, day: date) -> Intake:
        """Read a day's JSONL, plain or gzip, into table `events` (see `Engine`)."""
        sql = files("clickwatch_batch").joinpath("duckdb_lines.sql").read_text(encoding="utf-8")
        values = {
            "log": glob.escape(str(log)),
            "day": day.isoformat(),
            "next_day": (day + timedelta(days=1)).isoformat(),
        }
        for statement in self._connection.extract_statements(sql):
            used = {name: values[name] for name in statement.named_parameters}
            self._connection.execute(statement, used)
        counted = dict(
            self._connection.execute("SELECT CAST(verdict AS VARCHAR), count(*) FROM lines GROUP BY verdict").fetchall()
        )
        return Intake(
            events=counted.get("event", 0),
            duplicates=counted.get("duplicate", 0),
            other_day=counted.get("other_day", 0),
            malformed=counted.get("malformed", 0),
        )

    def malformed(self) -> Iterator[int]:
        """Yield the places of malformed lines, ascending (see `Engine`)."""
        for (place,) in self._fetched("SELECT rowid FROM lines WHERE verdict = 'malformed' ORDER BY rowid"):
            assert isinstance(place, int)
            yield place

    def keep(self, name: str, query: str) -> None:
        """Keep what a query answers as table `name` (see `Engine`)."""
        self._connection.execute(f'CREATE OR REPLACE TABLE "{name}" AS {query}')

    def rows(self, name: str) -> Iterator[tuple[object, ...]]:
        """Yield the rows of a kept table (see `Engine`)."""
        return self._fetched(f'FROM "{name}"')

    def write(self, name: str, file: Path) -> None:
        """Write a kept table as Parquet (see `Engine`)."""
        self._connection.table(name).write_parquet(str(file))

    def _fetched(self, query: str) -> Iterator[tuple[object, ...]]:
        cursor = self._connection.cursor().execute(query)
        while rows := cursor.fetchmany(_ROWS_A_FETCH):
            yield from rows
