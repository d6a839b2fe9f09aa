"""The environment, parsed once."""

from datetime import timedelta
from pathlib import Path

from clickwatch_events.registry_connection import RegistrySettings
from clickwatch_kafka import KafkaSettings
from clickwatch_service import Duration, UserError
from clickwatch_service.metrics import MetricsSettings
from pydantic import Field


class Settings(MetricsSettings, KafkaSettings, RegistrySettings):
    """What the simulator reads from the environment; names and defaults: spec, simulator."""

    kafka_topic: str = "clickstream-events"
    wait_timeout: Duration = timedelta(seconds=60)
    delivery_timeout: Duration = timedelta(seconds=120)
    simulator_interval: float = Field(default=0.1, gt=0)
    num_users: int = Field(default=1000, ge=1)
    num_products: int = Field(default=100, ge=1)
    window_duration: Duration = timedelta(minutes=10)
    slide_duration: Duration = timedelta(minutes=5)
    watermark: Duration = timedelta(minutes=10)
    views_threshold: int = Field(default=100, ge=0)
    purchases_threshold: int = Field(default=5, ge=1)
    data_dir: Path = Path("./var/data")
    user_id_key_file: Path | None = None

    @property
    def logs(self) -> Path:
        """The folder of the daily JSONL files."""
        return self.data_dir / "logs"

    def checked(self) -> "Settings":
        """Return these settings once the durations are known to fit each other.

        Raises:
            UserError: a duration is zero, or the slide is longer than the window.
        """
        for name in ("window_duration", "slide_duration", "watermark", "delivery_timeout"):
            if getattr(self, name) < timedelta(milliseconds=1):
                raise UserError(f"{name.upper()}={getattr(self, name)}: must be longer than zero")
        if self.slide_duration > self.window_duration:
            raise UserError(
                f"SLIDE_DURATION={self.slide_duration}: must be at most WINDOW_DURATION ({self.window_duration})"
            )
        return self
