"""From the topic of hot windows to rows, in a real database and with a real broker."""

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from clickwatch_events import HotWindow
from clickwatch_events.avro import HotWindowCodec, HotWindowDecoder
from clickwatch_events.framing import frame, unframe
from clickwatch_events.registry import NotRegistered, RegistryUnavailable
from clickwatch_events.schemas import ALERTS, schema_text
from clickwatch_kafka import KafkaConnection
from clickwatch_service import UserError
from clickwatch_streaming.alerts.alert import Status, Thresholds
from clickwatch_streaming.alerts.metrics import ProjectorMetrics
from clickwatch_streaming.alerts.projector import project, project_batch
from clickwatch_streaming.alerts.refused_records import letter_of, pass_over
from clickwatch_streaming.alerts.table import AlertTable
from clickwatch_streaming.dead_letters.replay import Judge, ReplayProducer, replay
from clickwatch_streaming.dead_letters.stored import stored_letters
from clickwatch_streaming.dead_letters.topic import DeadLetterTopic
from clickwatch_streaming.events.decode import BadReason
from clickwatch_streaming.events.window_records import BadRecord, Decoder, WindowRecord
from clickwatch_streaming.kafka import Record, wait_for_topics
from clickwatch_streaming.settings import Settings, UnknownEventType
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

NOW = datetime(2026, 3, 1, 12, 3, tzinfo=UTC)
START = int(datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp() * 1000)
THRESHOLDS = Thresholds(100, 5)
CODEC = HotWindowCodec(3)
PATIENCE_SECONDS = 120.0

Row = tuple[str, str, int, int]


@dataclass(frozen=True)
class Database:
    """A database of a test's own, with the tables of the serving layer that the projector writes."""

    url: str

    def alerts(self) -> list[Row]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(
                "SELECT product_id, status, views, purchases FROM flash_sale_alerts ORDER BY product_id, window_start"
            ).fetchall()

    def outbox(self) -> list[tuple[str, str | None, str, int, int]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(
                "SELECT product_id, status_before, status, views, purchases FROM alert_outbox ORDER BY id"
            ).fetchall()

    def next_offsets(self) -> dict[int, int]:
        with psycopg.connect(self.url) as connection:
            return dict(connection.execute("SELECT partition, next_offset FROM stream_offsets").fetchall())


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


@pytest.fixture
def topic(kafka_bootstrap: str) -> str:
    name = f"alerts-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.create_topics([NewTopic(name, 1)])[name].result(PATIENCE_SECONDS)
    return name


@pytest.fixture
def dlq(kafka_bootstrap: str) -> str:
    name = f"letters-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.create_topics([NewTopic(name, 1)])[name].result(PATIENCE_SECONDS)
    return name


def settings_of(bootstrap: str, topic: str, dlq: str, database: Database) -> Settings:
    return Settings(kafka_bootstrap_servers=bootstrap, alerts_topic=topic, dlq_topic=dlq, database_url=database.url)


def hot(product: str, views: int, purchases: int, closed: bool = False, newest_ms: int | None = None) -> bytes:
    return CODEC.encode(HotWindow(product, "laptops", START, START + 600_000, views, purchases, closed, newest_ms))


class Schemas:
    """A registry that answers at the second attempt; ids 1 and 3 are versions 1 and 2."""

    def __init__(self) -> None:
        self._asked = 0

    def schema(self, schema_id: int) -> str:
        self._asked += 1
        if self._asked == 1:
            raise RegistryUnavailable("not yet")
        if schema_id not in (1, 3):
            raise NotRegistered(str(schema_id))
        return schema_text(ALERTS, 1 if schema_id == 1 else 2)


class Versions:
    """A registry of id 3 alone."""

    def schema(self, schema_id: int) -> str:
        if schema_id != 3:
            raise NotRegistered(str(schema_id))
        return schema_text(ALERTS, 2)


def told(metrics: ProjectorMetrics) -> dict[str, float]:
    return {sample.name: sample.value for family in metrics.collect() for sample in family.samples}


def read(*values: bytes, first_offset: int = 0) -> list[WindowRecord]:
    return [WindowRecord(Record(0, first_offset + n, value), CODEC.decode(value)) for n, value in enumerate(values)]


@pytest.fixture
def table(database: Database) -> Iterator[AlertTable]:
    table = AlertTable(database.url, "flash-sale-alerts")
    with table:
        table.begin_partitions([0])
    yield table
    table.close()


def test_records_become_rows_and_the_offset_moves_with_them(database: Database, table: AlertTable) -> None:
    project_batch(table, read(hot("a", 101, 0), hot("b", 150, 4), hot("a", 102, 5)), THRESHOLDS, NOW)

    assert database.alerts() == [("a", "retracted", 102, 5), ("b", "active", 150, 4)]
    assert database.next_offsets() == {0: 3}


def test_records_that_are_in_the_table_already_change_nothing(database: Database, table: AlertTable) -> None:
    project_batch(table, read(hot("a", 101, 0), hot("a", 101, 0, closed=True)), THRESHOLDS, NOW)

    outcome = project_batch(table, read(hot("a", 300, 0), hot("a", 7, 9, closed=True)), THRESHOLDS, NOW)

    assert outcome.changes == []
    assert database.alerts() == [("a", "confirmed", 101, 0)]


def test_each_change_of_state_is_in_the_outbox_once_and_growing_counts_are_not(
    database: Database, table: AlertTable
) -> None:
    values = (hot("a", 101, 0), hot("b", 150, 4), hot("a", 130, 1), hot("a", 131, 5), hot("a", 140, 6, closed=True))
    project_batch(table, read(*values), THRESHOLDS, NOW)
    project_batch(table, read(*values), THRESHOLDS, NOW)
    project_batch(table, read(hot("b", 170, 4, closed=True), first_offset=5), THRESHOLDS, NOW)

    assert database.outbox() == [
        ("a", None, "active", 101, 0),
        ("b", None, "active", 150, 4),
        ("a", "active", "retracted", 131, 5),
        ("b", "active", "confirmed", 170, 4),
    ]
    with psycopg.connect(database.url) as connection:
        told = connection.execute("SELECT DISTINCT window_start, window_end, changed_at, planned_at FROM alert_outbox")
        assert told.fetchall() == [(NOW - timedelta(minutes=3), NOW + timedelta(minutes=7), NOW, None)]


def test_when_a_window_was_closed_is_remembered(database: Database, table: AlertTable) -> None:
    project_batch(table, read(hot("a", 7, 0, closed=True)), THRESHOLDS, NOW)

    project_batch(table, read(hot("b", 200, 0), first_offset=1), THRESHOLDS, NOW)

    assert database.alerts() == []
    assert database.next_offsets() == {0: 2}


def test_the_time_of_detection_stays(database: Database, table: AlertTable) -> None:
    later = datetime(2026, 3, 1, 12, 9, tzinfo=UTC)
    project_batch(table, read(hot("a", 101, 0)), THRESHOLDS, NOW)
    project_batch(table, read(hot("a", 140, 1), first_offset=1), THRESHOLDS, later)

    with psycopg.connect(database.url) as connection:
        times = connection.execute("SELECT detected_at, updated_at FROM flash_sale_alerts").fetchone()

    assert times == (NOW, later)


def test_nothing_is_written_when_the_transaction_fails(database: Database, table: AlertTable) -> None:
    with psycopg.connect(database.url) as connection:
        connection.execute("REVOKE UPDATE ON stream_offsets FROM PUBLIC")
        connection.execute("ALTER TABLE stream_offsets ADD CHECK (next_offset = 0)")

    with pytest.raises(psycopg.errors.CheckViolation):
        project_batch(table, read(hot("a", 101, 0)), THRESHOLDS, NOW)

    assert database.alerts() == []
    assert database.outbox() == []


class Running:
    """A projector in a thread of its own, and the lines it says."""

    def __init__(self, settings: Settings, decoder: Decoder = CODEC, metrics: ProjectorMetrics | None = None) -> None:
        self.lines: list[str] = []
        self._heard = threading.Condition()
        self._stop = threading.Event()
        self._failure: list[Exception] = []
        self._thread = threading.Thread(target=self._run, args=(settings, decoder, metrics))
        self._thread.start()

    def _run(self, settings: Settings, decoder: Decoder, metrics: ProjectorMetrics | None) -> None:
        try:
            project(settings, 1, self._stop, self._hear, metrics, decoder)
        except Exception as error:
            self._failure.append(error)
            with self._heard:
                self._heard.notify_all()

    def _hear(self, line: str) -> None:
        with self._heard:
            self.lines.append(line)
            self._heard.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._heard:
            assert self._heard.wait_for(lambda: condition() or bool(self._failure), PATIENCE_SECONDS)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(PATIENCE_SECONDS)
        if self._failure:
            raise self._failure[0]


def send(bootstrap: str, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(PATIENCE_SECONDS) == 0


def test_a_projector_goes_on_where_another_ended(kafka_bootstrap: str, topic: str, database: Database) -> None:
    settings = Settings(kafka_bootstrap_servers=kafka_bootstrap, alerts_topic=topic, database_url=database.url)
    send(kafka_bootstrap, topic, hot("a", 101, 0))
    first = Running(settings)
    first.wait_for(lambda: len(first.lines) == 1)
    first.end()
    send(kafka_bootstrap, topic, hot("a", 120, 1, closed=True))

    second = Running(settings)
    second.wait_for(lambda: len(second.lines) == 1)
    second.end()

    assert [line.split()[1] for line in first.lines + second.lines] == [Status.ACTIVE, Status.CONFIRMED]
    assert [change[1:3] for change in database.outbox()] == [(None, "active"), ("active", "confirmed")]
    assert database.alerts() == [("a", "confirmed", 120, 1)]
    assert database.next_offsets() == {0: 2}


def test_what_a_record_makes_visible_counts_once_by_its_newest_event(
    kafka_bootstrap: str, topic: str, dlq: str, database: Database
) -> None:
    settings = settings_of(kafka_bootstrap, topic, dlq, database)
    v2 = hot("a", 101, 0, newest_ms=START)
    # What version 2 adds is its last byte, where it is null.
    v1 = frame(1, unframe(hot("b", 101, 0))[1][:-1])
    unheard_of = frame(77, unframe(hot("c", 101, 0))[1])
    send(kafka_bootstrap, topic, v2, v2, unheard_of, v1, hot("a", 101, 0, closed=True))
    metrics = ProjectorMetrics()

    running = Running(settings, HotWindowDecoder(Schemas()), metrics)
    running.wait_for(lambda: len(running.lines) == 3)
    running.end()

    figures = told(metrics)
    assert [row[:2] for row in database.alerts()] == [("a", "confirmed"), ("b", "active")]
    assert figures["clickwatch_streaming_produce_to_visible_seconds_count"] == 1
    assert figures["clickwatch_streaming_produce_to_visible_seconds_sum"] > 24 * 3600
    assert figures["clickwatch_streaming_projector_retries_total"] == 1


def names(database: Database) -> list[str]:
    return [row[0] for row in database.alerts()]


def set_aside(database: Database) -> dict[tuple[str, str], int]:
    with psycopg.connect(database.url) as connection:
        rows = connection.execute("SELECT topic, reason, messages FROM stream_dead_letters").fetchall()
    return {(topic, reason): messages for topic, reason, messages in rows}


def test_a_record_that_is_no_hot_window_becomes_a_dead_letter(
    kafka_bootstrap: str, topic: str, dlq: str, database: Database
) -> None:
    settings = settings_of(kafka_bootstrap, topic, dlq, database)
    nul = CODEC.encode(HotWindow("a\0b", "laptops", START, START + 600_000, 101, 0))
    far_away = CODEC.encode(HotWindow("far", "laptops", 2**62, 2**62 + 600_000, 101, 0))
    negative = CODEC.encode(HotWindow("negative", "laptops", START, START + 600_000, 101, -1))
    values = (b"garbage", hot("a", 101, 0), hot("cut", 101, 0)[:-9], nul, far_away, negative, hot("b", 101, 0))
    send(kafka_bootstrap, topic, *values)
    metrics = ProjectorMetrics()

    running = Running(settings, metrics=metrics)
    running.wait_for(lambda: len(running.lines) == 2)
    running.end()

    assert names(database) == ["a", "b"]
    assert database.next_offsets() == {0: 7}
    letters = list(stored_letters(KafkaConnection.plain(kafka_bootstrap), dlq))
    assert [(letter.offset, letter.reason, letter.value) for letter in letters] == [
        (0, "bad_framing", values[0]),
        (2, "undecodable_body", values[2]),
        (3, "invalid_field", nul),
        (4, "invalid_field", far_away),
        (5, "invalid_field", negative),
    ]
    assert {letter.topic for letter in letters} == {topic}
    assert [letter.detail for letter in letters[2:]] == [
        "product_id: control_character",
        "window_start: too_large",
        "purchases: too_small",
    ]
    counted = {"bad_framing": 1, "undecodable_body": 1, "invalid_field": 3}
    assert set_aside(database) == {(topic, reason): messages for reason, messages in counted.items()}
    told_of = {
        sample.labels["reason"]: sample.value
        for family in metrics.collect()
        for sample in family.samples
        if sample.name == "clickwatch_streaming_hot_windows_set_aside_total"
    }
    assert told_of == counted


def test_a_record_that_the_database_refuses_costs_itself_alone(
    kafka_bootstrap: str, topic: str, dlq: str, database: Database
) -> None:
    settings = settings_of(kafka_bootstrap, topic, dlq, database)
    with psycopg.connect(database.url) as connection:
        connection.execute(
            "ALTER TABLE flash_sale_alerts ADD CONSTRAINT no_thirteen CHECK (product_id <> 'product_13')"
        )
    products = [f"product_{number}" for number in range(30)]
    send(kafka_bootstrap, topic, *(hot(product, 101, 0) for product in products))

    running = Running(settings)
    running.wait_for(lambda: len(running.lines) == 29)
    running.end()

    assert sorted(names(database)) == sorted(set(products) - {"product_13"})
    (letter,) = stored_letters(KafkaConnection.plain(kafka_bootstrap), dlq)
    assert (letter.topic, letter.offset, letter.reason) == (topic, 13, "refused_by_store")
    assert "no_thirteen" in letter.detail
    assert "23514" in letter.detail
    assert set_aside(database) == {(topic, "refused_by_store"): 1}


def test_what_was_refused_becomes_an_alert_by_a_replay_once_the_database_takes_it(
    kafka_bootstrap: str, topic: str, dlq: str, database: Database
) -> None:
    settings = settings_of(kafka_bootstrap, topic, dlq, database)
    with psycopg.connect(database.url) as connection:
        connection.execute("ALTER TABLE flash_sale_alerts ADD CONSTRAINT no_b CHECK (product_id <> 'b')")
    send(kafka_bootstrap, topic, hot("b", 101, 0), hot("a", 101, 0))
    first = Running(settings)
    first.wait_for(lambda: len(first.lines) == 1)
    first.end()
    with psycopg.connect(database.url) as connection:
        connection.execute("ALTER TABLE flash_sale_alerts DROP CONSTRAINT no_b")

    judge = Judge(Versions(), timedelta(minutes=5), UnknownEventType.KEEP, alerts_topic=topic)
    report = replay(
        stored_letters(KafkaConnection.plain(kafka_bootstrap), dlq),
        ReplayProducer(KafkaConnection.plain(kafka_bootstrap)).send,
        judge,
        Path("none"),
    )
    second = Running(settings)
    second.wait_for(lambda: len(second.lines) == 1)
    second.end()

    assert report.sent == {"refused_by_store": 1}
    assert names(database) == ["a", "b"]


def test_a_kill_between_dead_letter_and_table_makes_no_second_letter(
    kafka_bootstrap: str, topic: str, dlq: str, database: Database
) -> None:
    bad = BadRecord(Record(0, 0, b"garbage"), BadReason.BAD_FRAMING, "no frame")
    with DeadLetterTopic(KafkaConnection.plain(kafka_bootstrap), topic, dlq, "projector") as letters:
        assert letters.send([letter_of(bad)], {0: 1}) == 1  # and the projector is killed
    table = AlertTable(database.url, topic)
    with table:
        table.begin_partitions([0])

    with DeadLetterTopic(KafkaConnection.plain(kafka_bootstrap), topic, dlq, "projector") as letters:
        assert pass_over(bad, letters, table)
        assert not pass_over(bad, letters, table)
    table.close()

    assert len(list(stored_letters(KafkaConnection.plain(kafka_bootstrap), dlq))) == 1
    assert set_aside(database) == {(topic, "bad_framing"): 1}


def test_a_projector_waits_for_the_tables(kafka_bootstrap: str, topic: str, database: Database) -> None:
    settings = Settings(kafka_bootstrap_servers=kafka_bootstrap, alerts_topic=topic, database_url=database.url)
    send(kafka_bootstrap, topic, hot("a", 101, 0))
    with psycopg.connect(database.url) as connection:
        connection.execute("ALTER TABLE flash_sale_alerts RENAME TO not_there_yet")

    running = Running(settings)
    with psycopg.connect(database.url) as connection:
        connection.execute("ALTER TABLE not_there_yet RENAME TO flash_sale_alerts")
    running.wait_for(lambda: len(running.lines) == 1)
    running.end()

    assert database.alerts() == [("a", "active", 101, 0)]


def test_a_topic_made_anew_is_an_error_and_not_a_silent_restart(
    kafka_bootstrap: str, topic: str, database: Database
) -> None:
    settings = Settings(kafka_bootstrap_servers=kafka_bootstrap, alerts_topic=topic, database_url=database.url)
    table = AlertTable(database.url, topic)
    with table:
        table.begin_partitions([0])
        table.move_on({0: 1000}, None)
    table.close()

    running = Running(settings)
    running.wait_for(lambda: False)

    with pytest.raises(UserError, match="stream_offsets"):
        running.end()


def test_a_missing_topic_is_named(kafka_bootstrap: str) -> None:
    settings = Settings(wait_timeout=timedelta(seconds=1))

    with pytest.raises(UserError, match="topic missing: no-such-topic"):
        wait_for_topics(
            KafkaConnection.plain(kafka_bootstrap), ["no-such-topic"], settings.wait_timeout, threading.Event()
        )


def test_a_broker_that_is_not_there_is_an_error_after_the_limit() -> None:
    settings = Settings(wait_timeout=timedelta(seconds=1))

    with pytest.raises(UserError, match="no broker answers"):
        wait_for_topics(KafkaConnection.plain("127.0.0.1:1"), ["any"], settings.wait_timeout, threading.Event())
