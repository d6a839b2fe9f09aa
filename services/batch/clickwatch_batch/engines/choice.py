"""The engine and the source that the settings choose."""

from datetime import UTC, date, datetime
from pathlib import Path

from clickwatch_service import UserError

from clickwatch_batch.engines.duckdb_engine import DuckDBEngine
from clickwatch_batch.engines.engine import DaySource, Engine
from clickwatch_batch.input.lake import closed_until, find_lake_day, has_whole_day
from clickwatch_batch.input.log_file import count_lines, find_log, frozen_copy, refuse_other_content
from clickwatch_batch.input.storage import Location
from clickwatch_batch.input.whole_day import why_lake_lacks, why_log_grows
from clickwatch_batch.settings import EngineName, Settings, Source


def source_of(day: date, settings: Settings) -> Source:
    """Return what a day is read from; BATCH_SOURCE=auto is the lake where that has the whole day, else the log."""
    if settings.batch_source is not Source.AUTO:
        return settings.batch_source
    return Source.LAKE if has_whole_day(settings.lake, day) else Source.JSONL


def find_input(day: date, settings: Settings) -> Location:
    """Return where a day's input lies: its log, or its folder in the lake.

    Raises:
        UserError: there is none, or it is no log.
    """
    if source_of(day, settings) is Source.LAKE:
        return find_lake_day(settings.lake, day).place
    log = find_log(settings.logs, day)
    refuse_other_content(log)
    return log


def why_input_unfinished(day: date, settings: Settings, now: datetime) -> str | None:
    """Return why the input of a day that is over may not be all there; None where it is.

    Raises:
        UserError: there is no input.
    """
    if source_of(day, settings) is Source.LAKE:
        return why_lake_lacks(day, now, settings.day_grace, closed_until(settings.lake))
    log = find_log(settings.logs, day)
    stamp = log.stamp()
    if stamp is None:  # taken away in this moment; whoever reads it will say so
        return None
    return why_log_grows(day, now, settings.day_grace, datetime.fromtimestamp(stamp.modified_ns / 1e9, UTC))


def open_source(day: date, settings: Settings, frozen_in: Path | None = None) -> DaySource:
    """Return a day's input as it is now; a log is read once for it, to count its lines.

    Args:
        day: the UTC day.
        settings: where things are.
        frozen_in: a folder for a copy of a log that grows meanwhile; None where it must not grow.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    if source_of(day, settings) is Source.LAKE:
        return find_lake_day(settings.lake, day)
    log = find_log(settings.logs, day)
    return count_lines(log if frozen_in is None else frozen_copy(log, frozen_in))


def open_engine(settings: Settings, spill_dir: Path) -> Engine:
    """Return the engine; close it when the day is done.

    Args:
        settings: which one, and what it may use.
        spill_dir: an empty folder for what an engine of this machine cannot hold in memory.

    Raises:
        UserError: Spark is asked for, and not there.
    """
    if settings.batch_engine is EngineName.DUCKDB:
        return DuckDBEngine(spill_dir, settings.duckdb_memory_limit, settings.duckdb_threads)
    try:
        # Imported where it is needed: it takes a second and 100 MB.
        from clickwatch_batch.engines.spark_engine import SparkEngine, connect
    except ImportError as error:
        raise UserError(
            f"BATCH_ENGINE=spark: {error}; install pyspark-client for SPARK_REMOTE or pyspark for SPARK_MASTER"
        ) from None
    return SparkEngine(connect(settings.spark_remote, settings.spark_master))
