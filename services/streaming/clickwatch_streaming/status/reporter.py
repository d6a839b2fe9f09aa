"""Tells the serving layer about once a second how the speed layer is doing.

A thread with a connection and a consumer of its own: it takes nothing from the alert path, and what fails
in it is logged and tried again, never raised.
"""

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from time import monotonic
from typing import Protocol

import duckdb
import structlog
from clickwatch_events.registry import NotRegistered, Registry, RegistryUnavailable
from clickwatch_events.schemas import EVENTS
from clickwatch_kafka import KafkaConnection, consumer
from confluent_kafka import TopicPartition

from clickwatch_streaming.lake.folder import LakeFolder
from clickwatch_streaming.lake.record import BatchRecord, read_record
from clickwatch_streaming.settings import Settings
from clickwatch_streaming.status.tables import StatusTables, StreamStatus, WindowCount, time_of

log = structlog.get_logger()

KEPT = timedelta(hours=48)
"""How long closed windows stay in the serving layer; all of them are in the lake."""
MOST_PRODUCTS = 1000
"""Of a window, so many products are kept there: those with the most views."""


class Service(Protocol):
    """What the service knows of itself, and wants to be told."""

    def backlog(self) -> int:
        """Return how many messages the alert query has still to catch up with."""
        ...

    def troubles(self) -> Mapping[str, str]:
        """Return per part that does not work why."""
        ...

    def found(self, status: StreamStatus, record: BatchRecord | None) -> None:
        """Take a status, and the lake's last record."""
        ...

    def reported(self) -> None:
        """Know that a status was written."""
        ...

    def refused(self, windows: int) -> None:
        """Count closed windows that the database did not take for the page."""
        ...


_EVERY_SECONDS = 1.0
_RATE_OVER_SECONDS = 5.0
_KAFKA_SECONDS = 5.0
_LONGEST_WAIT_SECONDS = 10.0
_ROWS_AT_ONCE = 2000


@contextmanager
def reported_status(settings: Settings, service: Service) -> Iterator[None]:
    """Report while the block runs."""
    stop = threading.Event()
    thread = threading.Thread(target=report, args=(settings, service, stop), name="status", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_KAFKA_SECONDS)


def report(settings: Settings, service: Service, stop: threading.Event) -> None:
    """Report until `stop` is set, whatever fails."""
    failures = 0
    while not stop.is_set():
        try:
            with closing(StatusReporter(settings, service)) as reporter:
                while not stop.is_set():
                    began = monotonic()
                    reporter.report(datetime.now(UTC), stop)
                    service.reported()
                    failures = 0
                    stop.wait(max(0.0, began + _EVERY_SECONDS - monotonic()))
        except Exception as error:  # people miss a status; the service must not
            failures += 1
            seconds = min(0.5 * 2 ** (failures - 1), _LONGEST_WAIT_SECONDS)
            log.warning("status not reported", retry_in_seconds=seconds, reason=" ".join(str(error).split()))
            stop.wait(seconds)


class StatusReporter:
    """Reads the topic's ends and the lake's last record, and writes the tables."""

    def __init__(self, settings: Settings, service: Service) -> None:
        """Connect.

        Raises:
            psycopg.OperationalError: the database does not answer.
            KafkaException: the broker does not.
        """
        self._settings = settings
        self._service = service
        self._lake = LakeFolder(settings.lake_dir)
        self._tables = StatusTables(settings.database_url)
        self._ends = TopicEnds(settings.kafka)
        self._versions: dict[int, int] = {}
        self._record: BatchRecord | None = None
        self._record_file: Path | None = None
        self._record_at: datetime | None = None
        self._windows_until_batch: int | None = None
        self._written: deque[tuple[float, int]] = deque()

    def close(self) -> None:
        """Give the connections back."""
        self._ends.close()
        self._tables.close()

    def report(self, now: datetime, stop: threading.Event) -> None:
        """Write one status, and what a lake batch since the last one has brought."""
        settings = self._settings
        has_new_batch = self._read_record()
        record = self._record or BatchRecord(batch_id=-1, query_id="")
        ends = self._ends.of(settings.kafka_topic)
        self._written.append((monotonic(), sum(end for _, end in ends.values())))
        unprojected = unread(self._ends.of(settings.alerts_topic), self._tables.projected(settings.alerts_topic))
        status = StreamStatus(
            topic=settings.kafka_topic,
            updated_at=now,
            messages_per_second=self._rate(),
            alerts_unread=self._service.backlog() + unprojected,
            lake_unread=unread(ends, record.next_offsets),
            newest_event_time=time_of(max(record.newest_ms.values())) if record.newest_ms else None,
            closed_until=None if record.closed_until_ms is None else time_of(record.closed_until_ms),
            lake_written_at=self._record_at,
            events=record.totals.events,
            duplicates=record.totals.duplicates,
            late=record.totals.late,
            dead_letters=record.totals.dead_letters,
            troubles=self._service.troubles(),
        )
        self._service.found(status, self._record)
        self._tables.save_status(status)
        if has_new_batch:
            self._tables.save_batch(settings.kafka_topic, record.reasons, record.schemas, self._known_versions(record))
            self._save_windows(record, stop)

    def _read_record(self) -> bool:
        """Whether there is another record than before."""
        newest = max(self._lake.batches.glob("*.json"), default=None)
        if newest is None or newest == self._record_file:
            return False
        self._record = read_record(newest)
        self._record_at = datetime.fromtimestamp(newest.stat().st_mtime, UTC)
        self._record_file = newest
        return True

    def _rate(self) -> float:
        newest, end = self._written[-1]
        while len(self._written) > 2 and self._written[1][0] <= newest - _RATE_OVER_SECONDS:
            self._written.popleft()
        oldest, start = self._written[0]
        # A topic made anew begins at 0 again.
        return max(0.0, (end - start) / (newest - oldest)) if newest > oldest else 0.0

    def _known_versions(self, record: BatchRecord) -> Mapping[int, int]:
        if not record.schemas.keys() <= self._versions.keys():
            try:
                ids = Registry(self._settings.registry).ids(EVENTS)
                self._versions.update({schema_id: version for version, schema_id in ids.items()})
            except (RegistryUnavailable, NotRegistered) as error:
                log.info("schema versions not known", reason=str(error))
        return self._versions

    def _save_windows(self, record: BatchRecord, stop: threading.Event) -> None:
        """Write the windows closed since the last time, the oldest first: after a kill it goes on at the newest."""
        if record.closed_until_ms is None:
            return
        oldest = time_of(record.closed_until_ms) - KEPT
        parquet = self._window_files(record.batch_id, oldest)
        since = max(oldest, self._tables.newest_window() or oldest)
        if parquet:
            with duckdb.connect(config={"threads": 1, "memory_limit": "256MB"}) as database:
                database.execute("SET TimeZone = 'UTC'")
                found = database.execute(
                    (files("clickwatch_streaming.status") / "sql" / "newest_windows.sql").read_text("utf-8"),
                    {"files": [str(file) for file in parquet], "since": since, "most": MOST_PRODUCTS},
                )
                while (rows := found.fetchmany(_ROWS_AT_ONCE)) and not stop.is_set():
                    refused = self._tables.save_windows(WindowCount(*row) for row in rows)
                    if refused:
                        # They stay in the lake; only the page lacks them.
                        self._service.refused(len(refused))
                        log.warning("window_counts_refused", windows=len(refused), reason=refused[0].reason)
        if not stop.is_set():
            self._tables.forget_windows(oldest)
            self._windows_until_batch = record.batch_id

    def _window_files(self, batch_id: int, oldest: datetime) -> list[Path]:
        """Files of window_stats: those of the batches since the last time, or all that may hold windows to keep."""
        days = [day for day in self._lake.window_stats.glob("window_date=*") if day.name[12:] >= f"{oldest:%Y-%m-%d}"]
        if self._windows_until_batch is None:
            return [file for day in days for file in day.glob("*.parquet")]
        batches = range(self._windows_until_batch + 1, batch_id + 1)
        return [file for day in days for batch in batches for file in day.glob(f"batch-{batch:010d}-*.parquet")]


class TopicEnds:
    """Where topics begin and end."""

    def __init__(self, kafka: KafkaConnection) -> None:
        """Ask the broker that `kafka` reaches."""
        self._consumer = consumer(kafka, {"group.id": "clickwatch-status-reporter", "log_level": 0})
        self._partitions: dict[str, list[int]] = {}

    def close(self) -> None:
        """Stop asking."""
        self._consumer.close()

    def of(self, topic: str) -> dict[int, tuple[int, int]]:
        """Per partition the first offset there is, and the first that is not there yet.

        Raises:
            KafkaException: the broker does not answer.
        """
        if topic not in self._partitions:
            self._partitions[topic] = list(self._consumer.list_topics(topic, _KAFKA_SECONDS).topics[topic].partitions)
        return {
            partition: self._consumer.get_watermark_offsets(TopicPartition(topic, partition), _KAFKA_SECONDS)
            for partition in self._partitions[topic]
        }


def unread(ends: Mapping[int, tuple[int, int]], next_offsets: Mapping[int, int]) -> int:
    """How many messages lie between what was read and the ends of `TopicEnds.of`."""
    return sum(max(0, end - max(first, next_offsets.get(partition, 0))) for partition, (first, end) in ends.items())
