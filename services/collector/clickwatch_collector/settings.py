"""The environment, parsed once."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from clickwatch_events.registry_connection import RegistrySettings
from clickwatch_kafka import KafkaSettings
from clickwatch_service import Duration
from clickwatch_service.metrics import MetricsSettings
from pydantic import Field


class Settings(MetricsSettings, KafkaSettings, RegistrySettings):
    """What the collector needs to know, besides how to reach Kafka and the registry.

    Attributes:
        kafka_topic: takes the events.
        dlq_topic: takes what is refused; without it, the topic of events and `-dlq`.
        wait_timeout: how long to wait for the registry at the start.
        data_dir: holds `collector/`, where keys and spool are unless said otherwise.
        collector_host: the address to listen on.
        collector_port: its port.
        collector_keys_file: who may send, made by `add-key`; re-read when it changes.
        collector_spool_dir: keeps what Kafka does not have yet; each collector has its own.
        collector_spool_bytes: how much that may be.
        collector_rate: events a second that one key may send.
        collector_body_timeout: how long a client may take to send a body.
        collector_delivery_timeout: how long Kafka may take before an event goes to the spool.
        collector_drain_timeout: how long open requests may take at the end.
        collector_shop: whether the demo shop is served at /shop.
        collector_shop_key: the key the demo shop sends with.
    """

    kafka_topic: str = "clickstream-events"
    dlq_topic: str | None = None
    wait_timeout: Duration = timedelta(seconds=60)
    data_dir: Path = Path("./var/data")
    collector_host: str = "127.0.0.1"
    collector_port: Annotated[int, Field(ge=1, le=65535)] = 8090
    collector_keys_file: Path | None = None
    collector_spool_dir: Path | None = None
    collector_spool_bytes: Annotated[int, Field(ge=1)] = 1024**3
    collector_rate: Annotated[float, Field(gt=0)] = 5000
    collector_body_timeout: Duration = timedelta(seconds=10)
    collector_delivery_timeout: Duration = timedelta(seconds=3)
    collector_drain_timeout: Duration = timedelta(seconds=8)
    collector_shop: bool = False
    collector_shop_key: str | None = None

    @property
    def dead_letter_topic(self) -> str:
        """Where refused events go."""
        return self.dlq_topic or f"{self.kafka_topic}-dlq"

    @property
    def keys_file(self) -> Path:
        """Who may send."""
        return self.collector_keys_file or self.data_dir / "collector" / "keys.toml"

    @property
    def spool_dir(self) -> Path:
        """What Kafka does not have yet."""
        return self.collector_spool_dir or self.data_dir / "collector" / "spool"
