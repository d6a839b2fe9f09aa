"""What people are told of the speed layer, in a real database and with a real broker."""

import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic, sleep

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickwatch_kafka import KafkaConnection
from clickwatch_streaming.lake.folder import LakeFolder
from clickwatch_streaming.lake.record import BatchRecord, Counts, SchemaUse
from clickwatch_streaming.settings import Settings
from clickwatch_streaming.status.reporter import KEPT, StatusReporter, TopicEnds, report
from clickwatch_streaming.status.tables import StreamStatus
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
CLOSED = datetime(2026, 3, 1, 12, 10, tzinfo=UTC)
NEVER = threading.Event()
PATIENCE_SECONDS = 120.0


@pytest.fixture
def settings(database_url: str, kafka_bootstrap: str, tmp_path: Path) -> Settings:
    name = f"status_{uuid.uuid4().hex}"
    topics = [f"{what}-{name}" for what in ("events", "alerts")]
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for made in admin.create_topics([NewTopic(topic, 2) for topic in topics]).values():
        made.result(PATIENCE_SECONDS)
    wait_until(lambda: all(_has_leaders(kafka_bootstrap, topic) for topic in topics))
    return Settings(
        kafka_bootstrap_servers=kafka_bootstrap,
        kafka_topic=topics[0],
        alerts_topic=topics[1],
        database_url=database_url,
        data_dir=tmp_path,
        # Nobody listens there: versions stay unknown.
        schema_registry_url="http://127.0.0.1:9/apis/ccompat/v7",
    )


@pytest.fixture
def reporter(settings: Settings) -> Iterator[StatusReporter]:
    reporter = StatusReporter(settings, Quiet())
    yield reporter
    reporter.close()


class Quiet:
    """A service that drains nothing, unless told, and whose parts all work."""

    def __init__(self, backlog: int = 0, troubles: Mapping[str, str] | None = None) -> None:
        self._backlog, self._troubles, self.reports, self.refusals = backlog, troubles or {}, 0, 0

    def backlog(self) -> int:
        return self._backlog

    def troubles(self) -> Mapping[str, str]:
        return self._troubles

    def found(self, status: StreamStatus, record: BatchRecord | None) -> None:
        pass

    def reported(self) -> None:
        self.reports += 1

    def refused(self, windows: int) -> None:
        self.refusals += windows


def rows(settings: Settings, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(settings.database_url, options="-c timezone=UTC") as connection:
        return connection.execute(query).fetchall()


def _has_leaders(bootstrap: str, topic: str) -> bool:
    """Whether a new topic can be asked already."""
    with closing(TopicEnds(KafkaConnection.plain(bootstrap))) as ends:
        try:
            return len(ends.of(topic)) == 2
        except KafkaException:
            return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + PATIENCE_SECONDS
    while not condition():
        assert monotonic() < deadline
        sleep(0.05)


def send(settings: Settings, topic: str, messages: int) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka_bootstrap_servers})
    for number in range(messages):
        producer.produce(topic, b"anything", partition=number % 2)
    assert producer.flush(PATIENCE_SECONDS) == 0


def complete(settings: Settings, record: BatchRecord, *windows: tuple[str, datetime, int]) -> None:
    """Complete a batch in which windows (product, start, views) closed."""
    folder = LakeFolder(settings.lake_dir)
    folder.stage(record.batch_id)
    for number, (product, start, views) in enumerate(windows):
        day = folder.window_stats / f"window_date={start:%Y-%m-%d}"
        day.mkdir(parents=True, exist_ok=True)
        row = {
            "window_start": start,
            "window_end": start + timedelta(minutes=10),
            "product_id": product,
            "product_category": "gaming",
            "views": views,
            "carts": 2,
            "purchases": 1,
            "total_events": views + 3,
        }
        pq.write_table(pa.Table.from_pylist([row]), day / f"batch-{record.batch_id:010d}-{number:02d}.parquet")
    folder.complete(record)


def record(batch_id: int, **fields: object) -> BatchRecord:
    closed_until_ms = int(CLOSED.timestamp() * 1000)
    return BatchRecord.model_validate(
        {"batch_id": batch_id, "query_id": "q", "closed_until_ms": closed_until_ms, **fields}
    )


def test_what_nobody_has_read_yet_is_the_lag(settings: Settings, reporter: StatusReporter) -> None:
    send(settings, settings.kafka_topic, 10)
    send(settings, settings.alerts_topic, 4)
    complete(settings, record(0, next_offsets={0: 3, 1: 5}))
    with psycopg.connect(settings.database_url) as connection:
        connection.execute(
            "INSERT INTO stream_offsets VALUES ('flash_sale_alerts', %s, 0, 1)", (settings.alerts_topic,)
        )

    reporter.report(NOW, NEVER)

    assert rows(settings, "SELECT topic, updated_at, alerts_unread, lake_unread FROM stream_status") == [
        (settings.kafka_topic, NOW, 3, 2)
    ]


def test_a_part_in_trouble_is_told_with_the_reason(settings: Settings) -> None:
    with closing(StatusReporter(settings, Quiet(troubles={"lake": "waits for Kafka"}))) as reporter:
        reporter.report(NOW, NEVER)

    assert rows(settings, "SELECT troubles FROM stream_status") == [({"lake": "waits for Kafka"},)]


def test_a_backlog_counts_as_not_read(settings: Settings) -> None:
    reporter = StatusReporter(settings, Quiet(70_000))

    reporter.report(NOW, NEVER)
    reporter.close()

    assert rows(settings, "SELECT alerts_unread, lake_written_at FROM stream_status") == [(70_000, None)]


def test_totals_reasons_and_schemas_are_those_of_the_lakes_last_record(
    settings: Settings, reporter: StatusReporter
) -> None:
    newest_ms = int(NOW.timestamp() * 1000)
    first = record(0, totals=Counts(events=5), reasons={"bad_frame": 2, "undecodable": 1})
    second = record(
        1,
        newest_ms={0: newest_ms, 1: newest_ms - 5},
        totals=Counts(events=9, duplicates=1, late=2, dead_letters=3),
        reasons={"bad_frame": 3},
        schemas={7: SchemaUse(messages=10, last_ms=newest_ms)},
    )

    complete(settings, first)
    reporter.report(NOW, NEVER)
    complete(settings, second)
    reporter.report(NOW, NEVER)

    assert rows(settings, "SELECT events, duplicates, late, dead_letters, newest_event_time FROM stream_status") == [
        (9, 1, 2, 3, NOW)
    ]
    assert rows(settings, "SELECT reason, messages FROM stream_dead_letters") == [("bad_frame", 3)]
    assert rows(settings, "SELECT schema_id, version, messages, last_seen FROM stream_schemas") == [(7, None, 10, NOW)]


def test_closed_windows_come_once_and_go_after_two_days(settings: Settings, reporter: StatusReporter) -> None:
    start = CLOSED - timedelta(minutes=10)
    complete(settings, record(0), ("product_1", start - KEPT, 900), ("product_1", start, 120), ("product_2", start, 7))
    reporter.report(NOW, NEVER)
    later = record(1, closed_until_ms=int((CLOSED + timedelta(minutes=5)).timestamp() * 1000))
    complete(settings, later, ("product_1", start + timedelta(minutes=5), 130))
    reporter.report(NOW, NEVER)
    kept = (
        "SELECT product_id, window_start, views, carts, purchases FROM window_counts ORDER BY window_start, product_id"
    )
    expected = [
        ("product_1", start, 120, 2, 1),
        ("product_2", start, 7, 2, 1),
        ("product_1", start + timedelta(minutes=5), 130, 2, 1),
    ]
    assert rows(settings, kept) == expected

    restarted = StatusReporter(settings, Quiet())
    restarted.report(NOW, NEVER)
    restarted.close()

    assert rows(settings, kept) == expected


def test_windows_that_the_database_refuses_are_counted_and_cost_only_themselves(settings: Settings) -> None:
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("ALTER TABLE window_counts ADD CHECK (product_id <> 'product_2')")
    start = CLOSED - timedelta(minutes=10)
    complete(settings, record(0), *((f"product_{number}", start, 100 + number) for number in (1, 2, 3)))
    service = Quiet()

    with closing(StatusReporter(settings, service)) as reporter:
        reporter.report(NOW, NEVER)

    assert service.refusals == 1
    assert rows(settings, "SELECT product_id FROM window_counts ORDER BY product_id") == [
        ("product_1",),
        ("product_3",),
    ]


def test_a_database_that_is_away_ends_nothing(settings: Settings) -> None:
    stop, attempts = threading.Event(), list[int]()
    with psycopg.connect(settings.database_url) as connection:
        connection.execute("ALTER TABLE stream_status RENAME TO hidden")

    class Counting(Quiet):
        def backlog(self) -> int:
            attempts.append(1)
            return 0

    thread = threading.Thread(target=report, args=(settings, service := Counting(), stop))
    thread.start()
    try:
        wait_until(lambda: len(attempts) > 1)
        assert service.reports == 0
        with psycopg.connect(settings.database_url) as connection:
            connection.execute("ALTER TABLE hidden RENAME TO stream_status")

        wait_until(lambda: rows(settings, "SELECT 1 FROM stream_status") != [])
    finally:
        stop.set()
        thread.join(PATIENCE_SECONDS)
    assert rows(settings, "SELECT topic FROM stream_status") == [(settings.kafka_topic,)]
