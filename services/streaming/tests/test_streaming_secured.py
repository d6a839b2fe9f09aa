"""The service on a broker with TLS, logins and ACLs: it works with exactly its rights, and secrets show nowhere."""

import signal
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import time
from typing import NamedTuple
from urllib.request import urlopen

import psutil
import psycopg
import pytest
from clickwatch_events import Event, EventType
from clickwatch_events.avro import EventEncoder
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import ALERTS, EVENTS
from clickwatch_kafka import KafkaConnection, Mechanism, Protocol, admin, missing_rights, producer, spark_options
from clickwatch_kafka.acls import Topics, apply, streaming
from clickwatch_kafka.settings.java import ALLOWED_URLS
from clickwatch_servers.ports import free_port
from clickwatch_servers.secured import SecuredKafka
from confluent_kafka.cimpl import NewTopic
from pyspark.sql import SparkSession
from streaming_process import RELEASED, Service, until

PAGES = ("environment/", "jobs/", "executors/", "SQL/", "StreamingQuery/")


class World(NamedTuple):
    """A service that logs in, and what is around it."""

    kafka: SecuredKafka
    topics: Topics
    database_url: str
    registry_url: str
    folder: Path
    ui_port: int
    service: Service


@pytest.fixture
def topics(secured_kafka: SecuredKafka) -> Topics:
    """Topics of a test's own, on which the user `shop` has the rights of streaming."""
    name = f"secured-{uuid.uuid4().hex}"
    made = Topics(name, f"{name}-dlq", f"{name}-alerts")
    master = admin(secured_kafka.master())
    new = [
        NewTopic(made.events, 1, config={"message.timestamp.type": "LogAppendTime"}),
        NewTopic(made.dead_letters, 1),
        NewTopic(made.alerts, 1),
    ]
    for created in master.create_topics(new).values():
        created.result(60)
    apply(secured_kafka.master(), "User:shop", streaming(made))
    until(lambda: missing_rights(secured_kafka.connection(), streaming(made)) == [])
    return made


@pytest.fixture
def world(
    secured_kafka: SecuredKafka,
    topics: Topics,
    schema_registry_url: str,
    database_url: str,
    spark_jars_dir: Path,
    tmp_path: Path,
) -> Iterator[World]:
    (tmp_path / "spark").mkdir()
    (tmp_path / "event-log").mkdir()
    (tmp_path / "spark" / "spark-defaults.conf").write_text(
        f"spark.eventLog.enabled true\nspark.eventLog.dir file://{tmp_path}/event-log\nspark.eventLog.compress false\n"
    )
    ui_port = free_port()
    environment = {
        **secured_kafka.variables(),
        "KAFKA_TOPIC": topics.events,
        "ALERTS_TOPIC": topics.alerts,
        "SCHEMA_REGISTRY_URL": schema_registry_url,
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path / "data"),
        "SPARK_JARS_DIR": str(spark_jars_dir),
        "SPARK_CONF_DIR": str(tmp_path / "spark"),
        "SPARK_UI_PORT": str(ui_port),
        "SPARK_LOG_LEVEL": "INFO",
        "LOG_LEVEL": "debug",
        "LOG_FORMAT": "json",
        "TRIGGER": "realtime",
        "CHECKPOINT_INTERVAL": "10 seconds",
        "LAKE_INTERVAL": "5 seconds",
    }
    service = Service(tmp_path, environment)
    try:
        yield World(secured_kafka, topics, database_url, schema_registry_url, tmp_path, ui_port, service)
    finally:
        service.end(signal.SIGKILL)


def flash_sale(world: World, product: str) -> None:
    """Send enough views for an alert, and a message that is none."""
    encode = EventEncoder(1, Registry(world.registry_url).register(EVENTS)[1]).encode
    sender = producer(world.kafka.master())
    for number in range(150):
        event = Event(
            str(uuid.uuid4()),
            f"user_{number}",
            product,
            "laptops",
            EventType.VIEW,
            int(time() * 1000),
            None,
            None,
            None,
        )
        sender.produce(world.topics.events, encode(event), event.user_id)
    sender.produce(world.topics.events, b"no event")
    assert sender.flush(60) == 0


def has_alert(world: World, product: str) -> bool:
    world.service.said()
    with psycopg.connect(world.database_url) as connection:
        query = "SELECT 1 FROM flash_sale_alerts WHERE product_id = %s"
        return connection.execute(query, (product,)).fetchone() is not None


def test_the_service_works_with_exactly_its_rights_and_shows_no_secret(world: World) -> None:
    registry = Registry(world.registry_url)
    registry.register(EVENTS)
    registry.register(ALERTS)
    world.service.start(RELEASED)
    flash_sale(world, "product_1")

    until(lambda: has_alert(world, "product_1"))
    # A batch of the lake sends its dead letters in a transaction before it is completed.
    until(lambda: '"dead_letters_sent": 1' in world.service.said())

    secret = world.kafka.password("shop")
    jvm = int((world.folder / "data" / "checkpoints" / "jvm.pid").read_text().partition(" ")[0])
    pages = [page(world, one) for one in PAGES]
    command_lines = [" ".join(one.cmdline()) for one in (psutil.Process(jvm), *psutil.Process(jvm).parents()[:2])]
    event_log = [one.read_text(errors="replace") for one in (world.folder / "event-log").rglob("*") if one.is_file()]
    # These are the right places to look for what must not be there.
    assert all(pages)
    assert any("SparkListenerEnvironmentUpdate" in one for one in event_log)
    for text in (*pages, *command_lines, *event_log, world.service.said()):
        assert secret not in text
    data = (one for one in (world.folder / "data").rglob("*") if one.is_file())
    assert not [one for one in data if secret.encode() in one.read_bytes()]


def page(world: World, name: str) -> str:
    with urlopen(f"http://127.0.0.1:{world.ui_port}/{name}", timeout=60) as answer:
        return str(answer.read().decode(errors="replace"))


def test_a_service_that_lacks_a_right_ends_with_one_line(world: World) -> None:
    lacking = Service(world.folder / "lacking", {**world.service.environment, **world.kafka.variables(user="stranger")})
    (world.folder / "lacking").mkdir()
    lacking.start(RELEASED)

    status, said = lacking.ended()

    assert status == 1
    assert f"does not let user 'stranger' describe topic {world.topics.events}" in said


def test_a_service_with_a_wrong_password_ends_with_one_line(world: World) -> None:
    wrong = {"KAFKA_SASL_PASSWORD_FILE": str(world.kafka.files / "wrong")}
    refused = Service(world.folder / "refused", {**world.service.environment, **wrong})
    (world.folder / "refused").mkdir()
    refused.start(RELEASED)

    status, said = refused.ended()

    assert status == 1
    assert "refuses the login of 'shop'" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER", "certificate"])
def test_spark_reads_by_every_login(spark: SparkSession, secured_kafka: SecuredKafka, topics: Topics, way: str) -> None:
    sender = producer(secured_kafka.master())
    sender.produce(topics.events, b"for Spark")
    assert sender.flush(60) == 0
    options = spark_options(logged_in(secured_kafka, way))
    jvm = spark._jvm
    assert jvm is not None
    jvm.java.lang.System.setProperty(ALLOWED_URLS, secured_kafka.token_url)

    messages = spark.read.format("kafka").options(**options).option("subscribe", topics.events).load()

    assert [bytes(row.value) for row in messages.select("value").collect()] == [b"for Spark"]
    assert secured_kafka.password("shop") not in str(options)


def logged_in(kafka: SecuredKafka, way: str) -> KafkaConnection:
    if way == "certificate":
        return KafkaConnection(
            bootstrap_servers=kafka.address("MTLS"),
            security_protocol=Protocol.SSL,
            ssl_ca_file=kafka.authority.file,
            ssl_certificate_file=kafka.client.certificate,
            ssl_key_file=kafka.client.key,
        )
    if way == "OAUTHBEARER":
        return replace(
            kafka.connection(),
            sasl_mechanism=Mechanism.OAUTHBEARER,
            sasl_username=None,
            sasl_password_file=None,
            oauth_token_url=kafka.token_url,
            oauth_client_id="shop",
            oauth_client_secret_file=kafka.files / "shop",
        )
    return replace(kafka.connection(), sasl_mechanism=Mechanism(way))
