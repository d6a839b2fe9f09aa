"""What operators watch of the service.

What is known anyway is read when it is asked for: the last status, the lake's last record, the queries' last
progress. Only the projector counts for operators alone, and after its commit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from clickwatch_service.standing import PartStanding, Standing
from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pyspark.sql.streaming.listener import StreamingQueryProgress

from clickwatch_streaming.alerts import Alert, Status
from clickwatch_streaming.batch_record import BatchRecord
from clickwatch_streaming.status_tables import StreamStatus

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

    def committed(self, newest_kafka_timestamps_ms: Iterable[int], changes: Iterable[Alert], now: float) -> None:
        """Count what has just become visible, at `now` in seconds since 1970; see `projector.Outcome`."""
        for newest_ms in newest_kafka_timestamps_ms:
            # Clocks of two machines may differ.
            self._seconds.observe(max(0.0, now - newest_ms / 1000))
        for alert in changes:
            self._changes.labels(alert.status.value).inc()

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


@dataclass(frozen=True)
class QueryFigures:
    """What a Spark query says of its last batch.

    Attributes:
        batch_seconds: how long it took.
        input_rows_per_second: how fast messages came.
        processed_rows_per_second: how fast they were dealt with.
        state_rows: what the query remembers.
        state_bytes: the memory it takes.
    """

    batch_seconds: float
    input_rows_per_second: float
    processed_rows_per_second: float
    state_rows: int
    state_bytes: int

    @classmethod
    def of(cls, progress: StreamingQueryProgress) -> "QueryFigures":
        """Read Spark's progress."""
        operators = progress.stateOperators
        return cls(
            progress.batchDuration / 1000,
            # Where nothing came, Spark leaves rates out.
            progress.inputRowsPerSecond or 0.0,
            progress.processedRowsPerSecond or 0.0,
            sum(operator.numRowsTotal for operator in operators),
            sum(operator.memoryUsedBytes for operator in operators),
        )


class ServiceMetrics(Collector):
    """What the service knows of itself; other threads put it here whole, a scrape reads it.

    Attributes:
        projector: what the projector counts.
        status: the last status, None before the first.
        record: the lake's last record, None before the first batch.
        queries: per query the figures of its last batch.
        parts: returns how each part did when the watchdog last looked.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self.projector = ProjectorMetrics()
        self.status: StreamStatus | None = None
        self.record: BatchRecord | None = None
        self.queries: dict[str, QueryFigures] = {}
        self.parts: Callable[[], Mapping[str, PartStanding]] = dict

    def found(self, status: StreamStatus, record: BatchRecord | None) -> None:
        """Take a new status, and the lake's record it is made of."""
        self.status, self.record = status, record

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        yield from self.projector.collect()
        if self.status is not None:
            yield from _of_status(self.status)
        if self.record is not None:
            yield from _of_lake(self.record)
        yield from _of_queries(dict(self.queries))
        yield from _of_parts(self.parts())


def _of_status(status: StreamStatus) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "clickwatch_streaming_messages_per_second",
        "Messages that producers wrote to the topic of events in the last seconds",
        status.messages_per_second,
    )
    unread = GaugeMetricFamily(
        "clickwatch_streaming_unread_messages", "Messages that a part has still to deal with", labels=["part"]
    )
    unread.add_metric(["alerts"], status.alerts_unread)
    unread.add_metric(["lake"], status.lake_unread)
    yield unread
    for name, text, at in (
        ("status", "When the service last found out how it is doing", status.updated_at),
        ("newest_event", "The time of the newest event in the lake", status.newest_event_time),
        ("closed_until", "Windows that end by then are closed", status.closed_until),
        ("lake_written", "When the lake's last batch was complete", status.lake_written_at),
    ):
        if at is not None:
            yield _moment(name, text, at)


def _of_lake(record: BatchRecord) -> Iterator[Metric]:
    totals = record.totals
    for name, text, total in (
        ("lake_events", "Events in the lake, since it began", totals.events),
        ("lake_duplicates", "Messages left out because their event is in the lake", totals.duplicates),
        ("lake_late_events", "Events older than the watermark when they came", totals.late),
        ("lake_dead_letters", "Messages that are no event, of whatever reason", totals.dead_letters),
        ("lake_closed_windows", "Windows that were closed", totals.windows),
        ("lake_batches", "Batches of the lake query", record.batch_id + 1),
    ):
        yield CounterMetricFamily(f"clickwatch_streaming_{name}", text, total)
    letters = CounterMetricFamily(
        "clickwatch_streaming_dead_letters", "Messages that are no event, by reason", labels=["reason"]
    )
    for reason, messages in record.reasons.items():
        letters.add_metric([reason], messages)
    yield letters
    yield GaugeMetricFamily(
        "clickwatch_streaming_parked_messages", "Messages that wait for the registry", record.parked
    )


def _of_parts(parts: Mapping[str, PartStanding]) -> Iterator[Metric]:
    trouble = GaugeMetricFamily(
        "clickwatch_streaming_part_in_trouble", "1 where a part waits for a server or stands still", labels=["part"]
    )
    for name, part in parts.items():
        trouble.add_metric([name], part.standing is not Standing.WORKS)
    yield trouble


def _of_queries(queries: dict[str, QueryFigures]) -> Iterator[Metric]:
    for name, text in (
        ("batch_seconds", "How long the last batch took"),
        ("input_rows_per_second", "How fast messages came in the last batch"),
        ("processed_rows_per_second", "How fast the last batch dealt with them"),
        ("state_rows", "Rows that the query remembers"),
        ("state_bytes", "Memory that they take"),
    ):
        family = GaugeMetricFamily(f"clickwatch_streaming_query_{name}", text, labels=["query"])
        for query, figures in queries.items():
            family.add_metric([query], getattr(figures, name))
        yield family


def _moment(name: str, text: str, at: datetime) -> Metric:
    return GaugeMetricFamily(f"clickwatch_streaming_{name}_timestamp_seconds", text, at.timestamp())
