"""Spark, the engine for a cluster: the same analyses, by Spark Connect or in a session of this process."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from clickwatch_service import UserError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from clickwatch_batch.engines.engine import DaySource, Intake, intake_of
from clickwatch_batch.input.log_file import LogFile
from clickwatch_batch.input.storage import Location

_SETTINGS = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.session.timeZone": "UTC",
    # A field that nobody looks at may hold an object that names a key twice.
    "spark.sql.variant.allowDuplicateKeys": "true",
    # What is kept of a small day would lie in 200 pieces, and each analysis be as many tasks.
    "spark.sql.optimizer.canChangeCachedPlanOutputPartitioning": "true",
}
_EVENTS = """
    SELECT user_id, product_id, product_category, event_type, amount_minor, currency
    FROM lines
    WHERE verdict = 'event'
"""


def connect(remote: str | None, master: str | None) -> SparkSession:
    """Return a session on the cluster that the settings name.

    Args:
        remote: address of a Spark Connect server, such as `sc://spark:15002`; goes before `master`.
        master: a Spark master, such as `spark://spark:7077`.

    Raises:
        UserError: neither is named, the package for a master is not there, or Spark does not start or answer.
    """
    if remote is None and master is None:
        raise UserError(
            "BATCH_ENGINE=spark: set SPARK_REMOTE to a Spark Connect server (sc://spark:15002) or SPARK_MASTER to a "
            "master (spark://spark:7077)"
        )
    if remote is None and _is_client_only():
        raise UserError(
            f"SPARK_MASTER={master!r}: a master is reached by the package pyspark, and only pyspark-client is "
            "installed; run `./pants run services/batch/spark`, or set SPARK_REMOTE to a Spark Connect server"
        )
    builder: Any = SparkSession.builder
    builder = builder.remote(remote) if remote is not None else builder.master(master).appName("clickwatch-batch")
    try:
        session: SparkSession = builder.getOrCreate()
        for name, value in _SETTINGS.items():
            session.conf.set(name, value)
    except Exception as error:
        named = f"SPARK_REMOTE={remote!r}" if remote is not None else f"SPARK_MASTER={master!r}"
        raise UserError(
            f"{named}: Spark does not start or answer ({_reason(error)}); it must be Spark 4, and a master needs a "
            "Java of version 17 to 24 at JAVA_HOME"
        ) from error
    return session


class SparkEngine:
    """Analyses a day on a Spark cluster, which reads the day's files itself."""

    def __init__(self, session: SparkSession) -> None:
        """Use a session made by `connect`; tables are temporary views in it."""
        self._session = session
        self._kept: dict[str, DataFrame] = {}
        self._is_log = False

    def close(self) -> None:
        """Free what the cluster keeps of the day."""
        # A Connect server resolves the names in a frame anew for it, so no view may be gone yet.
        for frame in reversed(self._kept.values()):
            frame.unpersist()
        for name in self._kept:
            self._session.catalog.dropTempView(name)
        self._kept.clear()

    def load(self, source: DaySource, day: date) -> Intake:
        """Read a day into table `events` (see `Engine`)."""
        self._is_log = isinstance(source, LogFile)
        try:
            if isinstance(source, LogFile):
                return self._load_log(source.place, day)
            return source.read(self._load_lake, PySparkException)
        except PySparkException as error:
            raise UserError(
                f"{_address(source.place)}: Spark cannot read it ({_reason(error)}); the cluster must see it at "
                "that address, for s3a:// with the package hadoop-aws"
            ) from error

    def malformed(self) -> Iterator[int]:
        """Yield the places of malformed lines, ascending (see `Engine`)."""
        if not self._is_log:
            return
        lines_before = 0
        first: dict[int, tuple[int, int]] = {}  # block: its first n, and how many lines there are before it
        blocks = "SELECT block, min(n) AS first_n, count(*) AS lines FROM lines GROUP BY block ORDER BY block"
        for block, first_n, lines in self._session.sql(blocks).collect():
            first[block] = first_n, lines_before
            lines_before += lines
        blank_lines = 0
        no_events = "SELECT block, n, verdict FROM lines WHERE verdict IN ('malformed', 'blank') ORDER BY block, n"
        for block, n, verdict in self._session.sql(no_events).toLocalIterator():
            if verdict == "blank":
                blank_lines += 1
            else:
                first_n, before = first[block]
                yield before + n - first_n - blank_lines

    def keep(self, name: str, query: str) -> None:
        """Keep what a query answers as table `name` (see `Engine`)."""
        with _explained(name):
            self._keep(name, self._session.sql(query))

    def rows(self, name: str) -> Iterator[tuple[object, ...]]:
        """Yield the rows of a kept table (see `Engine`)."""
        with _explained(name):
            yield from map(tuple, self._kept[name].toLocalIterator())

    def write(self, name: str, file: Path) -> None:
        """Write a kept table as Parquet (see `Engine`)."""
        with _explained(name):
            pq.write_table(self._kept[name].toArrow(), file)

    def _load_log(self, log: Location, day: date) -> Intake:
        raw = self._session.read.text(_address(log), lineSep="\n")
        raw.selectExpr(
            "value", "_metadata.file_block_start AS block", "monotonically_increasing_id() AS n"
        ).createOrReplaceTempView("raw_lines")
        *functions, query = _statements("spark_lines")
        for function in functions:
            self._session.sql(function)
        values = {"day": f"{day}T00:00:00Z", "next_day": f"{day + timedelta(days=1)}T00:00:00Z"}
        return self._take_in(self._session.sql(query, {**values, "mark": uuid.uuid4().hex}))

    def _load_lake(self, lake_files: tuple[Location, ...]) -> Intake:
        # Merged, since the files of a day may be of two releases.
        rows = self._session.read.option("mergeSchema", "true").parquet(*map(_address, lake_files))
        for name, kind in (
            ("session_id", "string"),
            ("timestamp", "timestamp"),
            ("quantity", "int"),
            ("is_bot", "boolean"),
        ):
            if name not in rows.columns:
                rows = rows.withColumn(name, sf.lit(None).cast(kind))
        rows.selectExpr("*", "_metadata.file_path AS file", "_metadata.row_index AS row").createOrReplaceTempView(
            "lake"
        )
        *functions, query = _statements("spark_lake")
        for function in functions:
            self._session.sql(function)
        return self._take_in(self._session.sql(query))

    def _take_in(self, lines: DataFrame) -> Intake:
        # Kept, since each of the analyses would read and judge the day again.
        self._keep("lines", lines)
        self._session.sql(_EVENTS).createOrReplaceTempView("events")
        return intake_of(self._session.sql("SELECT verdict, count(*) FROM lines GROUP BY verdict").collect())

    def _keep(self, name: str, frame: DataFrame) -> None:
        if name in self._kept:
            self._kept.pop(name).unpersist()
        frame.persist()
        frame.createOrReplaceTempView(name)
        self._kept[name] = frame


@contextmanager
def _explained(name: str) -> Iterator[None]:
    try:
        yield
    except PySparkException as error:
        raise UserError(
            f"{name}: Spark gave no answer ({_reason(error)}); see that the cluster is well and run the day again"
        ) from error


def _is_client_only() -> bool:
    try:
        from pyspark.util import is_remote_only
    except ImportError:
        return False
    return is_remote_only()


def _statements(name: str) -> list[str]:
    text = files("clickwatch_batch.engines").joinpath(f"{name}.sql").read_text(encoding="utf-8")
    return [statement for statement in re.split(r";\n", text) if statement.strip()]


def _address(place: Location) -> str:
    """Return a place as Spark calls it, with what it would take for a pattern escaped."""
    address = f"file:{place.path.absolute()}" if place.path is not None else place.address.replace("s3://", "s3a://", 1)
    return re.sub(r"([\\\[\]{}*?])", r"\\\1", address)


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
