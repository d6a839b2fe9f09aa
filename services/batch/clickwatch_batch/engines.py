"""The engine and the source that the settings choose."""

from datetime import date
from pathlib import Path

from clickwatch_service import UserError

from clickwatch_batch.duckdb_engine import DuckDBEngine
from clickwatch_batch.engine import DaySource, Engine
from clickwatch_batch.lake import find_lake_day
from clickwatch_batch.log_file import count_lines, find_log
from clickwatch_batch.settings import EngineName, Settings, Source
from clickwatch_batch.storage import Location


def find_input(day: date, settings: Settings) -> Location:
    """Return where a day's input lies: its log, or its folder in the lake.

    Raises:
        UserError: there is none.
    """
    if settings.batch_source is Source.LAKE:
        return find_lake_day(settings.lake, day).place
    return find_log(settings.logs, day)


def open_source(day: date, settings: Settings) -> DaySource:
    """Return a day's input as it is now; a log is read once for it, to count its lines.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    if settings.batch_source is Source.LAKE:
        return find_lake_day(settings.lake, day)
    return count_lines(find_log(settings.logs, day))


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
        from clickwatch_batch.spark_engine import SparkEngine, connect
    except ImportError as error:
        raise UserError(
            f"BATCH_ENGINE=spark: {error}; install pyspark-client for SPARK_REMOTE or pyspark for SPARK_MASTER"
        ) from None
    return SparkEngine(connect(settings.spark_remote, settings.spark_master))
