"""What the projector counts for operators, after each commit."""

from collections.abc import Iterable, Iterator

from prometheus_client import Counter, Histogram
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from clickwatch_streaming.alerts.alert import AlertChange, Status

_SECONDS = (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class ProjectorMetrics(Collector):
    """What the projector counts."""

    def __init__(self) -> None:
        """Count from 0."""
        self._seconds = Histogram(
            "clickwatch_streaming_produce_to_visible_seconds",
            "From the Kafka timestamp of the newest event that a change of an alert counts to its commit",
            buckets=_SECONDS,
            registry=None,
        )
        self._changes = Counter(
            "clickwatch_streaming_alert_changes",
            "Alerts that came into a state",
            ["status"],
            registry=None,
        )
        self._retries = Counter(
            "clickwatch_streaming_projector_retries",
            "Times the projector began anew because database, broker or registry failed",
            registry=None,
        )
        self._set_aside = Counter(
            "clickwatch_streaming_hot_windows_set_aside",
            "Messages of the topic of hot windows that became dead letters, by reason",
            ["reason"],
            registry=None,
        )
        for status in Status:
            self._changes.labels(status.value)

    def committed(self, newest_kafka_timestamps_ms: Iterable[int], changes: Iterable[AlertChange], now: float) -> None:
        """Count what has just become visible, at `now` in seconds since 1970; see `projector.Outcome`."""
        for newest_ms in newest_kafka_timestamps_ms:
            # Clocks of two machines may differ.
            self._seconds.observe(max(0.0, now - newest_ms / 1000))
        for change in changes:
            self._changes.labels(change.alert.status.value).inc()

    def retried(self) -> None:
        """Count another attempt."""
        self._retries.inc()

    def set_aside(self, reason: str) -> None:
        """Count a message that became a dead letter."""
        self._set_aside.labels(reason).inc()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        for metric in (self._seconds, self._changes, self._retries, self._set_aside):
            yield from metric.collect()
