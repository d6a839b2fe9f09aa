"""The environment, parsed once."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from clickwatch_service import Duration, ServiceSettings
from pydantic import AfterValidator, Field

from clickwatch_batch.storage import Location, location


def _postgres_url(url: str) -> str:
    if urlsplit(url).scheme not in ("postgresql", "postgres"):
        raise ValueError("must be an address such as postgresql://clickwatch_batch@localhost:5432/clickwatch")
    return url


def _file_or_s3(text: str) -> str:
    return str(location(text))


Address = Annotated[str, AfterValidator(_file_or_s3)]
"""A path or an address such as s3://bucket/folder."""


class EngineName(StrEnum):
    """What answers the analyses: DuckDB in this process, or Spark on a cluster."""

    DUCKDB = "duckdb"
    SPARK = "spark"


class Source(StrEnum):
    """What a day is read from: its JSONL log, or the Parquet lake of the streaming service."""

    JSONL = "jsonl"
    LAKE = "lake"


class Settings(ServiceSettings):
    """What a run needs to know.

    Attributes:
        data_dir: holds `logs/` (read), `reports/` and `quarantine/` (written), `spill/` (temporary).
        logs_url: the folder of the days' logs; None is `logs` in the data folder.
        lake_url: the streaming service's lake; None is `lake` in the data folder.
        reports_url: the folder of the reports; None is `reports` in the data folder.
        batch_source: what a day is read from.
        batch_engine: what answers the analyses.
        spark_remote: a Spark Connect server, such as `sc://spark:15002`, for BATCH_ENGINE=spark.
        spark_master: a Spark master, such as `spark://spark:7077` or `local[*]`; needs the package pyspark.
        database_url: the serving layer, as a role that may write the daily tables.
        wait_timeout: how long to wait for the database.
        malformed_threshold: the share of lines, 0 to 1, above which a day fails.
        duckdb_memory_limit: what DuckDB keeps in memory before it spills, such as `1GB`.
        duckdb_threads: threads DuckDB uses; None is one a core.
        duckdb_temp_dir: where it spills to; None is `spill` in the data folder.
    """

    data_dir: Path = Path("./var/data")
    logs_url: Address | None = None
    lake_url: Address | None = None
    reports_url: Address | None = None
    batch_source: Source = Source.JSONL
    batch_engine: EngineName = EngineName.DUCKDB
    spark_remote: Annotated[str, Field(pattern=r"^sc://.+")] | None = None
    spark_master: str | None = None
    database_url: Annotated[str, AfterValidator(_postgres_url)] = "postgresql://clickwatch@localhost:5432/clickwatch"
    wait_timeout: Duration = timedelta(seconds=30)
    malformed_threshold: Annotated[float, Field(ge=0, le=1)] = 0.05
    duckdb_memory_limit: Annotated[str, Field(pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$")] = "1GB"
    duckdb_threads: Annotated[int, Field(ge=1)] | None = None
    duckdb_temp_dir: Path | None = None

    @property
    def logs(self) -> Location:
        """The folder of the days' logs."""
        return self._folder(self.logs_url, "logs")

    @property
    def lake(self) -> Location:
        """The lake: its folder `events` holds a folder `event_date=DAY` for each day."""
        return self._folder(self.lake_url, "lake")

    @property
    def reports(self) -> Location:
        """The folder of the days' reports."""
        return self._folder(self.reports_url, "reports")

    @property
    def results(self) -> Location:
        """The folder of what the engine answered, a folder for each day."""
        return self._folder(None, "results")

    @property
    def quarantine(self) -> Location:
        """The folder of lines kept aside."""
        return self._folder(None, "quarantine")

    def _folder(self, chosen: str | None, name: str) -> Location:
        return Location(chosen or str(self.data_dir / name))

    @property
    def logs_dir(self) -> Path:
        """The folder of the days' logs."""
        return self.data_dir / "logs"

    @property
    def reports_dir(self) -> Path:
        """The folder of the days' reports."""
        return self.data_dir / "reports"

    @property
    def quarantine_dir(self) -> Path:
        """The folder of lines kept aside."""
        return self.data_dir / "quarantine"

    @property
    def spill_dir(self) -> Path:
        """The folder DuckDB may fill while it works."""
        return self.duckdb_temp_dir or self.data_dir / "spill"
