"""The environment, parsed once."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from clickwatch_service import Duration, ServiceSettings
from pydantic import AfterValidator, Field

from clickwatch_batch.input.storage import Location, location


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
    """What a day is read from: its JSONL log, the lake of the streaming service, or what has the whole day."""

    JSONL = "jsonl"
    LAKE = "lake"
    AUTO = "auto"


class ReconciliationPolicy(StrEnum):
    """Whether a day is compared with the speed layer: where that counted it, always, or never."""

    AUTO = "auto"
    REQUIRED = "required"
    OFF = "off"


class NotifierName(StrEnum):
    """Who is told of a report: the log alone, readers of e-mail, or a program behind an address."""

    LOG = "log"
    SMTP = "smtp"
    WEBHOOK = "webhook"


Share = Annotated[float, Field(ge=0, le=1)]
"""A part of a whole, 0 to 1."""

PositiveDuration = Annotated[Duration, Field(gt=timedelta(0))]
"""A time that is not nothing."""


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
        database_timeout: how long one transaction may take before the database counts as standing still.
        day_grace: how long after its end a day counts as unfinished while its log still grows.
        malformed_warn: the share of lines that are no event, 0 to 1, above which a day is worth a warning.
        malformed_threshold: the same, above which it is not published.
        duplicates_warn: the share of events that came again, 0 to 1, above which a day is worth a warning.
        duplicates_threshold: the same, above which it is not published.
        other_day_warn: the share of lines that are events of another UTC day, 0 to 1, above which a day is worth a
            warning: its log may be a day of another time zone.
        other_day_threshold: the same, above which it is not published.
        volume_warn: how far events may be from the mean of the days before, as a share of it, without a warning.
        volume_threshold: how far without being kept back; None is any distance.
        window_duration: length of the speed layer's windows.
        slide_duration: time between the starts of two of them.
        reconciliation: whether a day must be compared with the speed layer.
        reconciliation_threshold: the share of events, 0 to 1, above which an unexplained difference is an error.
        notifier: who is told of a report.
        smtp_host: the mail server, for NOTIFIER=smtp.
        smtp_port: its port.
        smtp_starttls: whether to speak to it through TLS.
        smtp_user: who we are to it; None is nobody.
        smtp_password_file: holds the password of that user.
        smtp_from: the sender.
        smtp_to: the receivers, separated by commas.
        webhook_url: takes the report as JSON, for NOTIFIER=webhook.
        notify_timeout: when to give up telling.
        duckdb_memory_limit: what DuckDB keeps in memory before it spills, such as `512MB`.
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
    database_timeout: PositiveDuration = timedelta(hours=1)
    day_grace: Duration = timedelta(minutes=15)
    malformed_warn: Share | None = 0.01
    malformed_threshold: Share | None = 0.05
    duplicates_warn: Share | None = 0.05
    duplicates_threshold: Share | None = 0.5
    other_day_warn: Share | None = 0.01
    other_day_threshold: Share | None = 0.2
    volume_warn: Annotated[float, Field(ge=0)] | None = 0.5
    volume_threshold: Annotated[float, Field(ge=0)] | None = None
    window_duration: PositiveDuration = timedelta(minutes=10)
    slide_duration: PositiveDuration = timedelta(minutes=5)
    reconciliation: ReconciliationPolicy = ReconciliationPolicy.AUTO
    reconciliation_threshold: Share = 0.001
    notifier: NotifierName = NotifierName.LOG
    smtp_host: str = "localhost"
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 25
    smtp_starttls: bool = False
    smtp_user: str | None = None
    smtp_password_file: Path | None = None
    smtp_from: str = "clickwatch@localhost"
    smtp_to: str | None = None
    webhook_url: Annotated[str, Field(pattern=r"^https?://.+")] | None = None
    notify_timeout: Duration = timedelta(seconds=30)
    duckdb_memory_limit: Annotated[str, Field(pattern=r"^\d+(\.\d+)? ?[KMGT]i?B$")] = "512MB"
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
    def results_dir(self) -> Path:
        """The folder of what the engine answered, a folder for each day."""
        return self.data_dir / "results"

    @property
    def quarantine(self) -> Location:
        """The folder of lines kept aside."""
        return self._folder(None, "quarantine")

    def _folder(self, chosen: str | None, name: str) -> Location:
        return Location(chosen or str(self.data_dir / name))

    @property
    def spill_dir(self) -> Path:
        """The folder DuckDB may fill while it works."""
        return self.duckdb_temp_dir or self.data_dir / "spill"
