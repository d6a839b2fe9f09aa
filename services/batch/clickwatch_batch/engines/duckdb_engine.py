"""DuckDB, the engine for one machine."""

import glob
from collections.abc import Iterator
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path

import duckdb
from clickwatch_events.limits import JUDGED
from clickwatch_service import UserError

from clickwatch_batch.engines.engine import DaySource, Intake, intake_of
from clickwatch_batch.input.log_file import LogFile, readable_log
from clickwatch_batch.input.storage import Location

_EVENTS = """
    SELECT
        user_id,
        product_id,
        product_category,
        event_type,
        CASE event_type
            WHEN 'purchase' THEN price_minor * {quantity}
            WHEN 'refund' THEN -price_minor * {quantity}
        END AS amount_minor,
        currency
    FROM lake
"""
_JUDGED_ALONE = {"session_id": "VARCHAR", "timestamp": "TIMESTAMPTZ"}
"""Columns of the lake that no analysis asks for."""
_ROWS_A_FETCH = 10_000


class DuckDBEngine:
    """Analyses a day in memory, spilling to a folder beyond its memory limit."""

    def __init__(self, spill_dir: Path, memory_limit: str, threads: int | None) -> None:
        """Open an engine that writes nothing but `spill_dir`.

        Args:
            spill_dir: where it puts what does not fit into memory; the caller removes it.
            memory_limit: what it keeps in memory, such as `512MB`.
            threads: how many it uses; None is one a core.
        """
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": memory_limit,
            "temp_directory": str(spill_dir),
            "preserve_insertion_order": True,  # places of lines are counted on it
        }
        if threads is not None:
            config["threads"] = threads
        self._spill_dir = spill_dir
        self._connection = duckdb.connect(config=config)
        self._connection.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        """Free the memory and the spilled files."""
        self._connection.close()

    def load(self, source: DaySource, day: date) -> Intake:
        """Read a day into table `events` (see `Engine`); a log may be plain or gzip."""
        place = source.place
        if place.path is None:
            from clickwatch_batch.input.s3 import store

            self._connection.register_filesystem(store().for_duckdb())
        try:
            if isinstance(source, LogFile):
                return self._load_log(readable_log(source, self._spill_dir), day)
            return source.read(self._load_lake, duckdb.IOException)
        except duckdb.IOException as error:
            raise UserError(f"{place}: cannot be read: {' '.join(str(error).split())}") from None

    def _load_log(self, log: Location, day: date) -> Intake:
        values = {
            "log": glob.escape(str(log)),
            "day": day.isoformat(),
            "next_day": (day + timedelta(days=1)).isoformat(),
        }
        define_ids(self._connection)
        self._run("duckdb_lines", values)
        return intake_of(
            self._connection.execute("SELECT CAST(verdict AS VARCHAR), count(*) FROM lines GROUP BY verdict").fetchall()
        )

    def _load_lake(self, lake_files: tuple[Location, ...]) -> Intake:
        names = [str(file) for file in lake_files]
        lake = self._files(names)
        malformed = self._find_malformed(names)
        if malformed:
            lake.create_view("all_rows", replace=True)
            lake = self._connection.sql("FROM all_rows ANTI JOIN malformed USING (filename, file_row_number)")
        if "is_bot" in lake.columns:
            lake = lake.filter("is_bot IS NOT TRUE")
        lake.create_view("lake", replace=True)
        self._run("duckdb_lake", {})
        ((rows, duplicates),) = self._connection.execute(
            "SELECT (SELECT count(*) FROM lake), (SELECT count(*) FROM duplicates)"
        ).fetchall()
        # Without duplicates nothing but the columns of the analyses need be read.
        events = _EVENTS.format(quantity="coalesce(quantity, 1)" if "quantity" in lake.columns else "1")
        unique = f"{events} ANTI JOIN duplicates USING (filename, file_row_number)" if duplicates else events
        self._connection.execute(f"CREATE OR REPLACE VIEW events AS {unique}")
        return Intake(events=rows - duplicates, duplicates=duplicates, other_day=0, malformed=malformed)

    def _find_malformed(self, names: list[str]) -> int:
        """Keep as table `malformed` which rows are no events; return how many those are."""
        key, value = JUDGED
        judged = self._connection.execute(
            "SELECT file_name FROM parquet_kv_metadata($files) WHERE decode(key) = $key AND decode(value) = $value",
            {"files": [glob.escape(name) for name in names], "key": key, "value": value},
        ).fetchall()
        unjudged = sorted(set(names) - {name for (name,) in judged})
        if not unjudged:
            return 0
        rows = self._files(unjudged)
        lacking = "".join(
            f", CAST(NULL AS {t}) AS {name}" for name, t in _JUDGED_ALONE.items() if name not in rows.columns
        )
        rows.project(f"*{lacking}").create_view("unjudged", replace=True)
        self._run("duckdb_lake_malformed", {})
        ((malformed,),) = self._connection.execute("SELECT count(*) FROM malformed").fetchall()
        return int(malformed)

    def _files(self, names: list[str]) -> duckdb.DuckDBPyRelation:
        escaped = [glob.escape(name) for name in names]
        return self._connection.read_parquet(
            # By name, since the files of a day may be of two releases.
            escaped,
            hive_partitioning=False,
            union_by_name=True,
            filename=True,
            file_row_number=True,
        )

    def _run(self, name: str, values: dict[str, str]) -> None:
        for statement in self._connection.extract_statements(_sql(name)):
            used = {parameter: values[parameter] for parameter in statement.named_parameters}
            self._connection.execute(statement, used)

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


def define_ids(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the macro `id_of`, by which a day and the speed layer know an event, whatever its id looks like."""
    connection.execute(_sql("duckdb_ids"))


def _sql(name: str) -> str:
    return files("clickwatch_batch.engines").joinpath(f"{name}.sql").read_text(encoding="utf-8")
