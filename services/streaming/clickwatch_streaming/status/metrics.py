"""What operators watch of the service.

What is known anyway is read when it is asked for: the last status, the lake's last record, the queries' last
progress. Only the projector counts for operators alone, and after its commit.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from clickwatch_service.standing import PartStanding, Standing
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pyspark.sql.streaming.listener import StreamingQueryProgress

from clickwatch_streaming.alerts.metrics import ProjectorMetrics
from clickwatch_streaming.lake.record import BatchRecord
from clickwatch_streaming.status.tables import StreamStatus


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
        refused_windows: closed windows that the database did not take for the page.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self.projector = ProjectorMetrics()
        self.status: StreamStatus | None = None
        self.record: BatchRecord | None = None
        self.queries: dict[str, QueryFigures] = {}
        self.parts: Callable[[], Mapping[str, PartStanding]] = dict
        self.refused_windows = 0

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
        yield CounterMetricFamily(
            "clickwatch_streaming_window_counts_refused",
            "Closed windows that the database did not take for the page; they are in the lake",
            self.refused_windows,
        )


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
