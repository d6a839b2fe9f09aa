"""The service while what it works with hangs: it says so, waits out an outage, and ends where a part stands still."""

import fcntl
import json
import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
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

STALL_SECONDS = 15


class World(NamedTuple):
    """A service with all its servers."""

    bootstrap: str
    topic: str
    database_url: str
    schema_id: int
    data: Path
    service: Service

    def troubles(self) -> list[str]:
        self.service.said()
        return troubles(health_file(self.data, "streaming"), time())

    def parts(self) -> set[str]:
        word = json.loads(health_file(self.data, "streaming").read_text())
        return set(word["parts"])

    def flash_sale(self, product: str) -> None:
        """Send enough views for an alert."""
        producer = Producer({"bootstrap.servers": self.bootstrap})
        encode = EventEncoder(1, self.schema_id).encode
        now_ms = int(time() * 1000)
        for number in range(150):
            event = Event(
                str(uuid.uuid4()), f"user_{number}", product, "laptops", EventType.VIEW, now_ms, None, None, None
            )
            producer.produce(self.topic, encode(event), event.user_id)
        producer.flush(60)

    def has_alert(self, product: str) -> bool:
        self.service.said()
        with psycopg.connect(self.database_url) as connection:
            query = "SELECT 1 FROM flash_sale_alerts WHERE product_id = %s"
            return connection.execute(query, (product,)).fetchone() is not None

    def jvm(self) -> int:
        pid, _, _ = (self.data / "checkpoints" / "jvm.pid").read_text().partition(" ")
        return int(pid)

    def broker(self) -> int:
        port = int(self.bootstrap.rpartition(":")[2])
        (pid,) = {
            one.pid
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
        }
        assert pid is not None
        return pid


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that does nothing; its connections stand."""
    os.kill(pid, signal.SIGSTOP)
    try:
        until(lambda: psutil.Process(pid).status() == psutil.STATUS_STOPPED)
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.fixture
def world(
    kafka_bootstrap: str, schema_registry_url: str, database_url: str, spark_jars_dir: Path, tmp_path: Path
) -> Iterator[World]:
    topic = f"stalls-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for made in admin.create_topics([NewTopic(one, 1) for one in (topic, f"{topic}-dlq", f"{topic}-alerts")]).values():
        made.result(60)
    registry = Registry(schema_registry_url)
    registry.register(ALERTS)
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "KAFKA_TOPIC": topic,
        "ALERTS_TOPIC": f"{topic}-alerts",
        "SCHEMA_REGISTRY_URL": schema_registry_url,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "SPARK_JARS_DIR": str(spark_jars_dir),
        "TRIGGER": "realtime",
        # So much longer than the limit may the queries take, which are slow at first on a busy machine.
        "CHECKPOINT_INTERVAL": "60 seconds",
        "LAKE_INTERVAL": "60 seconds",
        "STALL_TIMEOUT": f"{STALL_SECONDS} seconds",
        "LOG_FORMAT": "json",
    }
    service = Service(tmp_path, environment)
    ids = registry.register(EVENTS)
    world = World(kafka_bootstrap, topic, database_url, ids[1], tmp_path / "data", service)
    try:
        service.start(RELEASED)
        until(lambda: health_file(world.data, "streaming").exists() and world.parts() >= {"lake", "alerts"})
        yield world
    finally:
        service.end(signal.SIGKILL)


def test_an_outage_is_unhealthy_and_waited_out_and_a_part_that_hangs_ends_the_service(world: World) -> None:
    until(lambda: world.troubles() == [])
    world.flash_sale("product_1")
    until(lambda: world.has_alert("product_1"))

    # The broker's connections stand, and nothing comes over them.
    with frozen(world.broker()):
        began = time()
        until(lambda: any("waits for Kafka, which does not answer" in one for one in world.troubles()))
        until(lambda: time() - began > STALL_SECONDS + 5)
        world.service.said()
    until(lambda: world.troubles() == [])
    world.flash_sale("product_2")
    until(lambda: world.has_alert("product_2"))

    # The projector's transaction hangs, and the database answers everybody else.
    with psycopg.connect(world.database_url) as connection:
        connection.execute("SELECT 1 FROM stream_offsets FOR UPDATE")
        world.flash_sale("product_3")
        status, said = world.service.ended()
    assert status == 1
    assert "projector has not moved for" in said
    assert "error: a part stands still: " in said
    assert "Ended so that it is started anew" in said

    # Started anew it cannot say how it does: the table hangs.
    with psycopg.connect(world.database_url) as connection:
        connection.execute("LOCK TABLE stream_status IN ACCESS EXCLUSIVE MODE")
        world.service.start(RELEASED)
        status, said = world.service.ended()
    assert status == 1
    assert "status has not moved for" in said

    # Somebody else holds the lake, so that no batch begins.
    with (world.data / "lake" / "_lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        world.service.start(RELEASED)
        world.flash_sale("product_4")
        status, said = world.service.ended()
    assert status == 1
    assert "lake has not moved for" in said

    # Started anew it goes on, until all of Spark hangs, and the main thread in a call to it.
    world.service.start(RELEASED)
    until(lambda: world.has_alert("product_3") and world.has_alert("product_4"))
    world.service.wait_to_say("lake started")
    until(lambda: world.troubles() == [])
    jvm = world.jvm()
    os.kill(jvm, signal.SIGSTOP)
    status, said = world.service.ended()
    assert status == 1
    assert "error: a part stands still: " in said
    assert "it did not end in order" in said
    assert not psutil.pid_exists(jvm)
