"""A day as the speed layer counted it, in the lake, held against the results of the same day."""

import glob
import json
import re
import tempfile
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import duckdb
from clickwatch_service import UserError

from clickwatch_batch.analyses.differences import Counted, Reconciliation, reconciled
from clickwatch_batch.engines.choice import open_source, source_of
from clickwatch_batch.engines.duckdb_engine import DuckDBEngine, define_ids
from clickwatch_batch.input.lake import LISTINGS, closed_until
from clickwatch_batch.input.storage import Location
from clickwatch_batch.input.whole_day import end_of
from clickwatch_batch.reports.results import Results
from clickwatch_batch.serving.quarantine import quarantine_file
from clickwatch_batch.settings import ReconciliationPolicy, Settings, Source

_DAY = timedelta(days=1)
_MS = timedelta(milliseconds=1)
_EVENT_ID = re.compile(r'"event_id"\s*:\s*"([^"\\]+)"')
_LOG_EVENTS = """
    SELECT
        event_id, product_id, CAST(event_type AS VARCHAR) AS event_type,
        count(*) FILTER (WHERE verdict = 'event') AS counted, count(*) AS log_lines
    FROM lines
    WHERE verdict IN ('event', 'duplicate')
    GROUP BY ALL
"""


@dataclass(frozen=True)
class NoSpeedData:
    """There is nothing to compare a day with.

    Attributes:
        reason: why, in words for a person.
        is_unfinished: whether it is because the day is not whole.
    """

    reason: str
    is_unfinished: bool = False


def compared_with_speed_layer(results: Results, settings: Settings) -> Reconciliation | NoSpeedData:
    """Return how the windows of the speed layer and the results of a day differ.

    Raises:
        UserError: lake or log cannot be read, or the log is no longer the one that was analysed.
    """
    day = results.figures.report_date
    if results.figures.unfinished:
        return NoSpeedData(f"unfinished: {results.figures.unfinished}", is_unfinished=True)
    not_ready = _why_not_ready(day, settings)
    if not_ready is not None:
        return NoSpeedData(not_ready)
    settings.spill_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.spill_dir, prefix="reconcile-") as spill_dir:
        for _ in range(LISTINGS):
            try:
                return _compared(day, results, settings, Path(spill_dir))
            except duckdb.IOException as error:  # compaction has put other files in their place
                reason = " ".join(str(error).split())
    raise UserError(f"{settings.lake}: cannot be read: {reason}")


def _why_not_ready(day: date, settings: Settings) -> str | None:
    length, slide = settings.window_duration, settings.slide_duration
    if _DAY % length or length % slide:
        return f"WINDOW_DURATION={length} and SLIDE_DURATION={slide}: no windows that lie side by side make up a day"
    windows = settings.lake / "window_stats" / f"window_date={day}"
    if not _parquet_files(windows):
        return f"{windows} holds no windows: the speed layer did not count that day into this lake"
    before = settings.lake / "events" / f"event_date={day - _DAY}"
    if settings.reconciliation is ReconciliationPolicy.AUTO and not _parquet_files(before):
        return f"{before} holds no events: the speed layer may have begun within {day}, and counted a part of it"
    until = closed_until(settings.lake)
    if until is None or until < end_of(day):
        told = "some time" if until is None else f"{until:%Y-%m-%d %H:%M}"
        return f"{settings.lake}: the speed layer has closed windows until {told} UTC, not to the end of {day}"
    return None


def _compared(day: date, results: Results, settings: Settings, spill_dir: Path) -> Reconciliation:
    with _database(settings, spill_dir) as connection:
        connection.execute("SET VARIABLE day_ms = $value", {"value": _ms(day)})
        connection.execute("SET VARIABLE length_ms = $value", {"value": settings.window_duration // _MS})
        _take(connection, "window_stats", _parquet_files(settings.lake / "window_stats" / f"window_date={day}"))
        _take_events(connection, _parquet_files(settings.lake / "events" / f"event_date={day}"))
        for table in ("product_performance", "product_events"):
            _take(connection, table, [Location(str(results.folder / results.files[table]))])
        define_ids(connection)
        _run(connection, "reconcile_counts")
        ((wrong_length,),) = connection.execute(
            "SELECT count(*) FROM window_stats"
            " WHERE epoch_ms(window_end) - epoch_ms(window_start) <> getvariable('length_ms')"
        ).fetchall()
        if wrong_length:
            raise UserError(
                f"{settings.lake}: windows of {day} are not as long as WINDOW_DURATION={settings.window_duration}; "
                "give batch the WINDOW_DURATION and SLIDE_DURATION of the streaming service"
            )
        ((differing,),) = connection.execute("SELECT count(*) FROM counts WHERE lake_value <> batch_value").fetchall()
        if differing and source_of(day, settings) is Source.JSONL:
            _take_log(connection, day, settings, spill_dir)
            _run(connection, "reconcile_events")
        else:
            # Lake and batch have the same events; what is late is missing from windows alone.
            connection.execute(
                "CREATE TABLE reasons AS SELECT product_id, event_type, -count(*) AS amount, 'late' AS reason"
                " FROM lake_of_day WHERE is_late GROUP BY ALL"
            )
        rows = connection.execute(_sql("reconcile_result")).fetchall()
    return reconciled(map(Counted._make, rows))


def _take_log(connection: duckdb.DuckDBPyConnection, day: date, settings: Settings, spill_dir: Path) -> None:
    """Take the events of the log one by one, and the ids of all that only one side could read."""
    log_events = spill_dir / "log_events.parquet"
    with closing(DuckDBEngine(spill_dir, settings.duckdb_memory_limit, settings.duckdb_threads)) as engine:
        source = open_source(day, settings)
        engine.load(source, day)
        engine.keep("log_events", _LOG_EVENTS)
        engine.write("log_events", log_events)
    _take(connection, "log_events", [Location(str(log_events))])
    counted, batch = connection.execute(
        "SELECT (SELECT sum(counted) FROM log_events),"
        " (SELECT sum(batch_value) FROM counts WHERE metric = 'total_events')"
    ).fetchall()[0]
    if counted != batch:
        raise UserError(
            f"{source.place}: holds {counted} events of {day}, but {batch} when it was analysed; "
            f"analyse it again: `run --date {day}`"
        )
    connection.execute("CREATE TABLE dead_letter_ids (event_id UUID)")
    dead_letters = f"{glob.escape(str(settings.lake))}/dead_letters/*/*.parquet"
    found = connection.execute("SELECT file FROM glob($pattern)", {"pattern": dead_letters}).fetchall()
    if found:
        _take(connection, "dead_letters", [Location(file) for (file,) in found])
        connection.execute(
            "INSERT INTO dead_letter_ids SELECT id_of(event_id) FROM dead_letters WHERE event_id IS NOT NULL"
        )
    connection.execute("CREATE TABLE kept_aside_ids (event_id UUID)")
    ids = _ids_kept_aside(quarantine_file(settings.quarantine, day))
    connection.execute(
        "INSERT INTO kept_aside_ids SELECT id_of(id) FROM (SELECT unnest($ids) AS id)",
        {"ids": ids},
    )


def _ids_kept_aside(file: Location) -> list[str]:
    try:
        lines = file.read_text().split("\n")
    except FileNotFoundError:
        return []
    texts = (json.loads(line)["text"] for line in lines if line)
    return [match[1] for match in map(_EVENT_ID.search, texts) if match]


def _database(settings: Settings, spill_dir: Path) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.duckdb_memory_limit,
        "temp_directory": str(spill_dir),
        "preserve_insertion_order": False,
    }
    if settings.duckdb_threads is not None:
        config["threads"] = settings.duckdb_threads
    connection = duckdb.connect(config=config)
    connection.execute("SET TimeZone = 'UTC'")
    if settings.lake.path is None:
        from clickwatch_batch.input.s3 import store

        connection.register_filesystem(store().for_duckdb())
    return connection


def _take_events(connection: duckdb.DuckDBPyConnection, found: list[Location]) -> None:
    if found:
        _take(connection, "lake_files", found)
        has_bots = "is_bot" in connection.table("lake_files").columns
        of_people = " WHERE is_bot IS NOT TRUE" if has_bots else ""
        connection.execute(f"CREATE VIEW lake_events AS FROM lake_files{of_people}")
        return
    connection.execute(
        "CREATE TABLE lake_events (event_id VARCHAR, product_id VARCHAR, event_type VARCHAR,"
        " timestamp TIMESTAMPTZ, late_at TIMESTAMPTZ)"
    )


def _take(connection: duckdb.DuckDBPyConnection, view: str, found: list[Location]) -> None:
    names = [glob.escape(str(file)) for file in found]
    connection.read_parquet(names, hive_partitioning=False, union_by_name=True).create_view(view, replace=True)


def _run(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    for statement in connection.extract_statements(_sql(name)):
        connection.execute(statement)


def _sql(name: str) -> str:
    return files("clickwatch_batch.reconciliation").joinpath(f"{name}.sql").read_text(encoding="utf-8")


def _parquet_files(folder: Location) -> list[Location]:
    return [file for file in folder.files() if file.name.endswith(".parquet")]


def _ms(day: date) -> int:
    return (datetime(day.year, day.month, day.day, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // _MS
