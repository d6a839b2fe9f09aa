"""The service, as a process and under load, while schemas, the registry and the service itself change.

One story, because each start of the service takes its time. What is in the lake at the end is compared
with what was sent, event for event.
"""

import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest
from clickwatch_events import Event, EventType
from clickwatch_events.avro import EventEncoder, HotWindowCodec
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import ALERTS, EVENTS, subject
from clickwatch_streaming.lake.folder import LakeFolder
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from streaming_dead_letters import counts_by_reason
from streaming_later_schema import LaterEncoder, later_schema
from streaming_process import PATIENCE_SECONDS, RELEASED, RegistryServer, Service, until

EVENTS_A_SECOND = 50
NEVER_REGISTERED = 77_777

LATER_READER = f"""
from clickwatch_streaming.events import decode
from streaming_process import PATIENCE_SECONDS, RELEASED, RegistryServer, Service, until
from streaming_later_schema import later_reader
decode.reader_text = later_reader
{RELEASED}
"""
"""A release that knows event type `wish`."""


class Sent(NamedTuple):
    """What a message holds, beside its event."""

    event: Event
    kinds: tuple[str, ...]
    """What its type may be read as."""


class Load:
    """Events of several versions at a steady pace; all that was sent is remembered."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
        self._topic = topic
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="load")
        self.encoders: list[Callable[[Event], bytes]] = []
        self.sent: dict[str, Sent] = {}

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        assert self._producer.flush(60) == 0

    def send(self, encode: Callable[[Event], bytes], product: str = "product_1", kinds: tuple[str, ...] = ()) -> str:
        now_ms = int(datetime.now(UTC).timestamp() * 1000)
        with self._lock:
            number = len(self.sent)
            kind = (EventType.VIEW, EventType.ADD_TO_CART)[number % 2] if product == "product_1" else EventType.VIEW
            event = Event(str(uuid.uuid4()), f"user_{number}", product, "laptops", kind, now_ms, None, None, None)
            self.sent[event.event_id] = Sent(event, kinds or (kind.value,))
            self._producer.produce(self._topic, encode(event), event.user_id)
            self._producer.poll(0)
        return event.event_id

    def send_bad(self, value: bytes) -> None:
        self._producer.produce(self._topic, value, "nobody")

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(1 / EVENTS_A_SECOND):
            number += 1
            self.send(self.encoders[number % len(self.encoders)])


class World(NamedTuple):
    """The topics, the lake, and the servers that come and go."""

    bootstrap: str
    topic: str
    registry: RegistryServer
    service: Service
    lake: LakeFolder

    def lake_rows(self) -> list[dict[str, object]]:
        self.service.said()
        files = sorted(self.lake.events.glob("*/*.parquet"))
        return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]

    def lake_has(self, event_id: str) -> bool:
        return any(row["event_id"] == event_id for row in self.lake_rows())

    def parked(self) -> int:
        last = self.lake.last_batch()
        return 0 if last is None else last.parked

    def alerted(self, product: str) -> None:
        """Return once the topic of hot windows has a product."""
        codec = HotWindowCodec(1)
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": "test"})
        consumer.assign([TopicPartition(f"{self.topic}-alerts", 0, 0)])
        deadline = monotonic() + PATIENCE_SECONDS
        try:
            while monotonic() < deadline:
                message = consumer.poll(0.5)
                if message is not None and not message.error():
                    value = message.value()
                    assert value is not None
                    if codec.decode(value).product_id == product:
                        return
        finally:
            consumer.close()
        raise AssertionError(f"no alert for {product}")


@pytest.fixture
def world(kafka_bootstrap: str, spark_jars_dir: Path, tmp_path: Path) -> Iterator[World]:
    topic = f"evolution-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    stamped = {"message.timestamp.type": "LogAppendTime"}
    topics = [NewTopic(topic, 2, config=stamped), NewTopic(f"{topic}-dlq", 1), NewTopic(f"{topic}-alerts", 1)]
    for made in admin.create_topics(topics).values():
        made.result(60)
    registry = RegistryServer(tmp_path)
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "KAFKA_TOPIC": topic,
        "ALERTS_TOPIC": f"{topic}-alerts",
        "SCHEMA_REGISTRY_URL": registry.url,
        # There is none: the projector waits for it, and nothing else does.
        "DATABASE_URL": "postgresql://clickwatch@127.0.0.1:1/clickwatch",
        "DATA_DIR": str(tmp_path / "data"),
        "SPARK_JARS_DIR": str(spark_jars_dir),
        "LAKE_INTERVAL": "2 seconds",
        "REGISTRY_POLL_INTERVAL": "1 second",
        "WAIT_TIMEOUT": f"{PATIENCE_SECONDS} seconds",
        "VIEWS_THRESHOLD": "100",
        "LOG_FORMAT": "json",
    }
    service = Service(tmp_path, environment)
    try:
        yield World(kafka_bootstrap, topic, registry, service, LakeFolder(tmp_path / "data" / "lake"))
    finally:
        service.end(signal.SIGKILL)
        registry.stop()


@contextmanager
def load_of(world: World, ids: dict[int, int]) -> Iterator[Load]:
    load = Load(world.bootstrap, world.topic)
    load.encoders = [EventEncoder(version, ids[version]).encode for version in (1, 2)]
    with load:
        yield load


def test_schemas_registry_and_service_change_under_load_and_no_event_is_lost(world: World) -> None:
    registry, service = world.registry, world.service

    # The registry is down at the start: the service waits and says so.
    service.start(RELEASED)
    service.wait_to_say("waiting for the schema registry")
    registry.start()
    ids = Registry(registry.url).register(EVENTS)
    Registry(registry.url).register(ALERTS)
    with load_of(world, ids) as load:
        service.wait_to_say("lake started")

        # Version 3 is registered and produced with at once; nobody touches the service.
        registered = monotonic()
        later = LaterEncoder(registry.register(subject(EVENTS), later_schema()))
        load.encoders.append(later.encode)
        first = load.send(later.encode, "product_3")
        for _ in range(110):
            load.send(later.encode, "product_3")
        world.alerted("product_3")
        alert_seconds = monotonic() - registered
        until(lambda: world.lake_has(first))
        lake_seconds = monotonic() - registered
        # The alert query was stopped on purpose, which is no error of anybody's.
        assert " ERROR " not in service.said()
        print(f"from registration to the first alert {alert_seconds:.1f} s, to the lake {lake_seconds:.1f} s")

        # The registry goes: known ids go on, an id that only it can tell is parked until it is back.
        elsewhere = later_schema().replace("app or web", "app, web or shop")
        unseen = LaterEncoder(registry.register("elsewhere-value", elsewhere))
        registry.stop()
        waiting = [load.send(unseen.encode) for _ in range(5)]
        load.send_bad(b"\0" + NEVER_REGISTERED.to_bytes(4, "big") + b"who knows")
        until(lambda: world.parked() == 6)
        known = load.send(load.encoders[0], "product_4")
        for _ in range(110):
            load.send(load.encoders[1], "product_4")
        world.alerted("product_4")
        until(lambda: world.lake_has(known))
        assert not any(world.lake_has(one) for one in waiting)
        assert counts_by_reason(world.bootstrap, f"{world.topic}-dlq") == {}
        registry.start()
        until(lambda: all(world.lake_has(one) for one in waiting))
        assert world.parked() == 0

        # The service is upgraded to a release that reads version 3, then rolled back; producers stay as they are.
        service.end(signal.SIGKILL)
        service.start(LATER_READER)
        wish = load.send(later.wish, kinds=("wish", "unknown"))
        until(lambda: world.lake_has(wish))
        service.end(signal.SIGTERM)
        service.start(RELEASED)
        wish = load.send(later.wish, kinds=("unknown",))
        until(lambda: world.lake_has(wish))
    until(lambda: len(world.lake_rows()) >= len(load.sent))

    rows = world.lake_rows()
    assert len(rows) == len({row["event_id"] for row in rows}) == len(load.sent)
    for row in rows:
        event, kinds = load.sent[str(row["event_id"])]
        assert (row["user_id"], row["product_id"], row["product_category"]) == event[1:4]
        assert row["event_type"] in kinds
        assert (row["session_id"], row["price_minor"], row["currency"]) == (None, None, None)
    assert counts_by_reason(world.bootstrap, f"{world.topic}-dlq") == {"unknown_schema_id": 1}

    # Whatever the service is about when its JVM dies, it says that, and not what py4j made of it.
    pid, _, _ = (world.lake.root.parent / "checkpoints" / "jvm.pid").read_text().partition(" ")
    os.kill(int(pid), signal.SIGKILL)
    status, said = service.ended()
    assert status == 1
    assert "error: Spark's JVM has ended (killed by SIGKILL): SPARK_DRIVER_MEMORY may be too small" in said
    assert "Traceback" not in said
