"""The alert path as two replicas: one is killed, and whoever waits for an alert does not notice."""

import json
import os
import signal
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import time
from typing import NamedTuple

import psutil
import psycopg
import pytest
from clickwatch_events import Event, EventType
from clickwatch_events.avro import EventEncoder
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import ALERTS, EVENTS
from clickwatch_service.healthy import health_file, troubles
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from streaming_process import RELEASED, Service, until

VIEWS, PURCHASES = 150, 2


class Replica(NamedTuple):
    """A process with a data folder of its own."""

    data: Path
    service: Service

    def start(self) -> None:
        health_file(self.data, "streaming").unlink(missing_ok=True)
        self.service.start(RELEASED)

    def parts(self) -> set[str]:
        self.service.said()
        word = health_file(self.data, "streaming")
        return set(json.loads(word.read_text())["parts"]) if word.exists() else set()

    def works(self) -> bool:
        self.service.said()
        word = health_file(self.data, "streaming")
        return word.exists() and troubles(word, time()) == []

    def kill(self) -> None:
        """End it and its JVM, and return when both are gone."""
        pid, _, _ = (self.data / "checkpoints" / "jvm.pid").read_text().partition(" ")
        self.service.end(signal.SIGKILL)
        if psutil.pid_exists(int(pid)):
            os.kill(int(pid), signal.SIGKILL)
        until(lambda: not psutil.pid_exists(int(pid)) or psutil.Process(int(pid)).status() == psutil.STATUS_ZOMBIE)


class World(NamedTuple):
    """The service, a second alert query, and a second projector."""

    bootstrap: str
    topic: str
    database_url: str
    schema_id: int
    main: Replica
    second: Replica
    projector: Service
    sale_ms: int

    def send(self, product: str, event_type: EventType, count: int, at_ms: int) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap})
        encode = EventEncoder(1, self.schema_id).encode
        for number in range(count):
            event = Event(str(uuid.uuid4()), f"user_{number}", product, "laptops", event_type, at_ms, None, None, None)
            producer.produce(self.topic, encode(event), event.user_id)
        assert producer.flush(60) == 0

    def flash_sale(self, product: str) -> None:
        self.send(product, EventType.PURCHASE, PURCHASES, self.sale_ms)
        self.send(product, EventType.VIEW, VIEWS, self.sale_ms)

    def alerts(self, product: str) -> list[tuple[datetime, int, int, str]]:
        """Return per window the start, views, purchases and status of a product's alerts."""
        query = """
            SELECT window_start, views, purchases, status
            FROM flash_sale_alerts
            WHERE product_id = %s
            ORDER BY window_start
        """
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query, (product,)).fetchall()

    def all_counted(self, product: str) -> bool:
        """Whether both windows of the sale show each of its events."""
        self.projector.said()
        return [(views, purchases) for _, views, purchases, _ in self.alerts(product)] == [(VIEWS, PURCHASES)] * 2


@pytest.fixture
def world(
    kafka_bootstrap: str, schema_registry_url: str, database_url: str, spark_jars_dir: Path, tmp_path: Path
) -> Iterator[World]:
    topic = f"replicas-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for made in admin.create_topics([NewTopic(one, 2) for one in (topic, f"{topic}-dlq", f"{topic}-alerts")]).values():
        made.result(60)
    registry = Registry(schema_registry_url)
    registry.register(ALERTS)
    ids = registry.register(EVENTS)
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "KAFKA_TOPIC": topic,
        "ALERTS_TOPIC": f"{topic}-alerts",
        "SCHEMA_REGISTRY_URL": schema_registry_url,
        "SPARK_JARS_DIR": str(spark_jars_dir),
        "TRIGGER": "realtime",
        "CHECKPOINT_INTERVAL": "30 seconds",
        "LAKE_INTERVAL": "5 seconds",
        "LOG_FORMAT": "json",
    }
    # A part of the alert query needs no database.
    serving = {"DATABASE_URL": database_url}

    def replica(name: str, variables: dict[str, str], command: str) -> Replica:
        data = tmp_path / name
        return Replica(data, Service(tmp_path, environment | variables | {"DATA_DIR": str(data)}, command))

    main, second = replica("main", serving, "run"), replica("second", {}, "alerts")
    projector = Service(tmp_path, environment | serving, "project")
    # Inside the two windows that share it, and long over: one event of now closes them.
    sale = datetime.now(UTC).replace(minute=7, second=0, microsecond=0) - timedelta(hours=1)
    world = World(
        kafka_bootstrap,
        topic,
        database_url,
        ids[1],
        main,
        second,
        projector,
        int(sale.timestamp() * 1000),
    )
    try:
        main.start()
        until(lambda: main.parts() >= {"lake", "alerts", "projector", "status"} and main.works())
        second.start()
        projector.start(RELEASED)
        until(lambda: second.parts() == {"registry", "alerts"} and second.works())
        projector.wait_to_say("projector following")
        yield world
    finally:
        for service in (main.service, second.service, projector):
            service.end(signal.SIGKILL)


def test_either_replica_may_die_and_each_alert_comes_once_and_whole(world: World) -> None:
    world.flash_sale("product_1")
    until(lambda: world.all_counted("product_1"))

    # Of the first replica nothing is left, its lake and its projector included.
    world.main.kill()
    world.flash_sale("product_2")
    until(lambda: world.all_counted("product_2"))

    # It counts anew what it has no checkpoint of, which is all known: nothing moves back.
    world.main.start()
    until(lambda: "lake" in world.main.parts() and world.main.works())
    world.second.kill()
    world.flash_sale("product_3")
    until(lambda: world.all_counted("product_3"))

    world.send("product_4", EventType.VIEW, 20, int(time() * 1000))
    products = ("product_1", "product_2", "product_3")
    until(lambda: all(status == "confirmed" for one in products for *_, status in world.alerts(one)))
    start = datetime.fromtimestamp(world.sale_ms / 1000, UTC).replace(minute=0)
    for product in products:
        assert world.alerts(product) == [
            (start, VIEWS, PURCHASES, "confirmed"),
            (start + timedelta(minutes=5), VIEWS, PURCHASES, "confirmed"),
        ]
