"""The services as processes on a topic, a database and a data folder of their own."""

import os
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import duckdb
import psycopg
from clickwatch_events.avro import HotWindowCodec
from clickwatch_events.event import HotWindow
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import NAMES
from clickwatch_jars.cache import cache_dir
from clickwatch_local.settings import Settings
from clickwatch_local.topics import Topic, create_topics
from clickwatch_servers import Command, Process
from clickwatch_servers.java import spark_java_home
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from psycopg.rows import TupleRow
from stack_ledger import Key
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

T = TypeVar("T")


class Services:
    """One pipeline: start its services, look at what they made."""

    def __init__(
        self, folder: Path, bootstrap: str, registry_url: str, postgres_url: str, environment: Mapping[str, str]
    ) -> None:
        name = f"e2e_{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self.data = folder / "data"
        self.bootstrap = bootstrap
        self.topic, self.dead_letters_topic, self.alerts_topic = name, f"{name}-dlq", f"{name}-alerts"
        self._programs = Settings(clickwatch_dist=Path(os.environ.get("CLICKWATCH_DIST", ".")))
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        base = postgres_url.rsplit("/", 1)[0]
        self.database_url = f"{base}/{name}"
        create_topics(
            bootstrap,
            (
                Topic(self.topic, 2, {"message.timestamp.type": "LogAppendTime"}),
                Topic(self.dead_letters_topic, 1),
                Topic(self.alerts_topic, 1, {"cleanup.policy": "compact"}),
            ),
        )
        registry = Registry(registry_url)
        for schema in NAMES:
            registry.register(schema)
        self._jars = cache_dir() / "spark-connectors"
        self._environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "KAFKA_TOPIC": self.topic,
            "ALERTS_TOPIC": self.alerts_topic,
            "SCHEMA_REGISTRY_URL": registry_url,
            "DATABASE_URL": self.database_url,
            "DATA_DIR": str(self.data),
            "JAVA_HOME": str(spark_java_home()),
            "SPARK_JARS_DIR": str(self._jars),
            "PYTHONUNBUFFERED": "1",
            **environment,
        }
        self._run("connectors", self._programs.streaming, "connectors", f"--to={self._jars}")
        self._run("migrations", self._programs.migrations, "upgrade")

    def simulate(self, ledger: Path, *options: str) -> None:
        self._run("simulator", self._programs.simulator, "stream", "--fast", f"--ledger={ledger}", *options)

    def analyse(self, day: str) -> None:
        self._run("batch", self._programs.batch, "run", f"--date={day}")

    def start_streaming(self) -> Process:
        log = self.folder / f"streaming-{uuid.uuid4().hex[:4]}.log"
        return Process(
            Command("streaming", (*self._programs.streaming, "run"), log, self._environment, stop_seconds=60)
        )

    def query(self, text: str) -> list[TupleRow]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(text.encode()).fetchall()

    def alerts(self, *statuses: str) -> dict[Key, tuple[int, int]]:
        rows = self.query("SELECT product_id, window_start, views, purchases, status FROM flash_sale_alerts")
        return {(product, start): (views, buys) for product, start, views, buys, status in rows if status in statuses}

    def last_alert_change(self) -> datetime | None:
        ((changed,),) = self.query("SELECT max(updated_at) FROM flash_sale_alerts")
        assert changed is None or isinstance(changed, datetime)
        return changed

    def lake_rows(self, table: str) -> int:
        files = f"{self.data}/lake/{table}/*/*.parquet"
        if not any((self.data / "lake" / table).glob("*/*.parquet")):
            return 0
        with duckdb.connect() as connection:
            row = connection.execute(f"SELECT count(*) FROM read_parquet('{files}')").fetchone()
        return int(row[0]) if row else 0

    def closed_windows(self) -> list[HotWindow]:
        """What the alerts topic says of closed windows, message by message."""
        codec = HotWindowCodec(schema_id=0)
        windows = (codec.decode(value) for one in self._messages(self.alerts_topic) if (value := one.value()))
        return [window for window in windows if window.closed]

    def dead_letters(self) -> tuple[Counter[str], int]:
        """How many there are by reason, and of how many different messages."""
        reasons: Counter[str] = Counter()
        origins = set()
        for message in self._messages(self.dead_letters_topic):
            headers: dict[str, bytes] = dict(message.headers() or [])  # type: ignore[arg-type]  # bytes, as they come
            reasons[headers["reason"].decode()] += 1
            origins.add((headers["partition"], headers["offset"]))
        return reasons, len(origins)

    def end_offset(self, topic: str) -> int:
        """How many messages the topic's partitions hold, transaction markers included."""
        return sum(end for _, end in self._ends(self._consumer(), topic))

    def _messages(self, topic: str) -> list[Message]:
        consumer = self._consumer()
        messages: list[Message] = []
        try:
            for partition, end in self._ends(consumer, topic):
                consumer.assign([TopicPartition(topic, partition, 0)])
                while consumer.position([TopicPartition(topic, partition)])[0].offset < end:
                    message = consumer.poll(5)
                    if message is None:
                        # Nothing but a transaction's marker is left.
                        break
                    assert message.error() is None, message.error()
                    messages.append(message)
        finally:
            consumer.close()
        return messages

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": "e2e",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
            }
        )

    def _ends(self, consumer: Consumer, topic: str) -> list[tuple[int, int]]:
        partitions = (
            AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(topic, timeout=10).topics[topic].partitions
        )
        return [(one, consumer.get_watermark_offsets(TopicPartition(topic, one), timeout=10)[1]) for one in partitions]

    def _run(self, name: str, program: tuple[str, ...], *arguments: str) -> None:
        log = self.folder / f"{name}.log"
        Process(Command(name, (*program, *arguments), log, self._environment)).require_success(180)


def eventually(look: Callable[[], T], expected: T, watched: Process | None = None, timeout_seconds: float = 300) -> T:
    """Return what is seen once it is as expected, or what is seen at the deadline, to be compared by the caller."""

    def seen() -> T:
        if watched is not None:
            watched.require_running()
        return look()

    return Retrying(
        retry=retry_if_result(lambda value: value != expected),
        wait=wait_fixed(0.5),
        stop=stop_after_delay(timeout_seconds),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )(seen)
