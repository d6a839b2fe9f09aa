"""The environment of the streaming service, parsed once."""

import re
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from clickwatch_events.registry_connection import RegistrySettings
from clickwatch_kafka import KafkaSettings
from clickwatch_kafka.acls import Topics
from clickwatch_service import Duration
from clickwatch_service.metrics import MetricsSettings
from pydantic import AfterValidator, Field, ValidationInfo, field_validator


class Trigger(StrEnum):
    """How the alert query runs."""

    AUTO = "auto"
    REALTIME = "realtime"
    MICROBATCH = "microbatch"


class UnknownEventType(StrEnum):
    """What happens to an event whose type this release does not know."""

    KEEP = "keep"
    REJECT = "reject"


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ValueError("must be longer than 0 seconds")
    return duration


def _memory(size: str) -> str:
    if re.fullmatch(r"[1-9]\d*[mg]", size) is None:
        raise ValueError("must be a number and m or g, such as 1500m or 2g")
    return size


def _at_least_five_seconds(duration: timedelta) -> timedelta:
    # Spark allows no shorter one (spark.sql.streaming.realTimeMode.minBatchDuration).
    if duration < timedelta(seconds=5):
        raise ValueError("must be at least 5 seconds")
    return duration


PositiveDuration = Annotated[Duration, AfterValidator(_positive)]


class Settings(MetricsSettings, KafkaSettings, RegistrySettings):
    """Each field is the environment variable of its name in upper case; README.md explains them."""

    kafka_topic: str = "clickstream-events"
    dlq_topic: str = ""
    alerts_topic: str = "flash-sale-alerts"
    database_url: str = "postgresql://clickwatch@localhost:5432/clickwatch"
    data_dir: Path = Path("./var/data")
    user_id_key_file: Path | None = None

    spark_master: str = "local[*]"
    spark_driver_host: str = "127.0.0.1"
    spark_jars_dir: Path | None = None
    spark_driver_memory: Annotated[str, AfterValidator(_memory)] = "1500m"
    spark_log_level: Literal["ERROR", "WARN", "INFO", "DEBUG"] = "ERROR"
    spark_ui_port: Annotated[int, Field(ge=0, le=65535)] = 0
    shuffle_partitions: Annotated[int, Field(ge=1)] = 2

    window_duration: PositiveDuration = timedelta(minutes=10)
    slide_duration: PositiveDuration = timedelta(minutes=5)
    watermark: PositiveDuration = timedelta(minutes=10)
    max_future: PositiveDuration = timedelta(minutes=5)
    views_threshold: Annotated[int, Field(ge=0)] = 100
    purchases_threshold: Annotated[int, Field(ge=1)] = 5
    unknown_event_type: UnknownEventType = UnknownEventType.KEEP

    trigger: Trigger = Trigger.AUTO
    checkpoint_interval: Annotated[Duration, AfterValidator(_at_least_five_seconds)] = timedelta(minutes=5)
    lake_interval: PositiveDuration = timedelta(seconds=60)
    heartbeat_interval: PositiveDuration | None = None
    registry_poll_interval: PositiveDuration = timedelta(seconds=5)
    wait_timeout: PositiveDuration = timedelta(seconds=120)
    stall_timeout: PositiveDuration = timedelta(minutes=3)

    @field_validator("slide_duration")
    @classmethod
    def _slide_fits_window(cls, slide: timedelta, info: ValidationInfo) -> timedelta:
        window = info.data.get("window_duration")
        if window is not None and slide > window:
            raise ValueError(f"must be at most WINDOW_DURATION, {window.total_seconds():g} seconds")
        return slide

    @property
    def dead_letter_topic(self) -> str:
        """Where messages go that cannot be decoded or trusted; DLQ_TOPIC or `KAFKA_TOPIC-dlq`."""
        return self.dlq_topic or f"{self.kafka_topic}-dlq"

    @property
    def topics(self) -> Topics:
        """The names of the topics."""
        return Topics(self.kafka_topic, self.dead_letter_topic, self.alerts_topic)

    @property
    def lake_dir(self) -> Path:
        """Folder of the Parquet lake."""
        return self.data_dir / "lake"

    @property
    def lake_events_dir(self) -> Path:
        """Folder of the lake's events."""
        return self.lake_dir / "events"

    @property
    def checkpoints_dir(self) -> Path:
        """Folder of Spark's checkpoints, one sub-folder per query."""
        return self.data_dir / "checkpoints"
