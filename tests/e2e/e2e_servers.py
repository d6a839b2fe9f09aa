"""Kafka, Schema Registry and PostgreSQL as containers, once a session."""

import http.client
import secrets
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from clickwatch_ledger import eventually
from clickwatch_servers.ports import HOST, free_port
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from docker.models.containers import Container
from e2e_containers import Containers
from e2e_images import public_image

PATIENCE_SECONDS = 600
"""For what takes seconds, on a machine that does much else."""

KAFKA_INSIDE = "kafka:19092"
REGISTRY_INSIDE = "http://registry:8080/apis/ccompat/v7"
_KAFKA = {
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_INTER_BROKER_LISTENER_NAME": "INSIDE",
    "KAFKA_LISTENERS": "INSIDE://:19092,OUTSIDE://:9092,CONTROLLER://:9093",
    "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
    "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "4",
    "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "4",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR": "1",
    "KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR": "1",
    "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
    # After a kill it is let in again when its session before is over, and must not give up first.
    "KAFKA_BROKER_SESSION_TIMEOUT_MS": "9000",
    "KAFKA_INITIAL_BROKER_REGISTRATION_TIMEOUT_MS": "120000",
    "KAFKA_HEAP_OPTS": "-Xmx256m",
}


@dataclass(frozen=True)
class Servers:
    """The servers' containers, and where they answer on this machine; services find them by their names.

    Attributes:
        kafka: the broker's container; `KAFKA_INSIDE` to services.
        postgres: the database's container, `postgres:5432` to services.
        bootstrap: the broker.
        registry_url: the registry; `REGISTRY_INSIDE` to services.
        postgres_port: the database.
        postgres_password: of its superuser `postgres`.
    """

    kafka: Container
    postgres: Container
    bootstrap: str
    registry_url: str
    postgres_port: int
    postgres_password: str

    def database_url(self, name: str, inside: bool = False) -> str:
        address = "postgres:5432" if inside else f"{HOST}:{self.postgres_port}"
        return f"postgresql://postgres:{self.postgres_password}@{address}/{name}"


def start_servers(containers: Containers) -> Servers:
    """Start all three and return once they serve."""
    kafka_port, registry_port, postgres_port = free_port(), free_port(), free_port()
    password = secrets.token_hex(16)
    kafka = containers.start(
        public_image("KAFKA_IMAGE"),
        "kafka",
        {**_KAFKA, "KAFKA_ADVERTISED_LISTENERS": f"INSIDE://{KAFKA_INSIDE},OUTSIDE://{HOST}:{kafka_port}"},
        ports={9092: kafka_port},
    )
    registry = containers.start(
        public_image("REGISTRY_IMAGE"), "registry", {"JAVA_OPTS_APPEND": "-Xmx256m"}, ports={8080: registry_port}
    )
    postgres = containers.start(
        public_image("POSTGRES_IMAGE"), "postgres", {"POSTGRES_PASSWORD": password}, ports={5432: postgres_port}
    )
    servers = Servers(
        kafka,
        postgres,
        f"{HOST}:{kafka_port}",
        f"http://{HOST}:{registry_port}/apis/ccompat/v7",
        postgres_port,
        password,
    )
    wait_until(lambda: kafka_answers(servers.bootstrap), kafka)
    wait_until(lambda: _answers_http(registry_port, "/apis/ccompat/v7/subjects"), registry)
    wait_until(lambda: sql_answers(servers.database_url("postgres")), postgres)
    return servers


def wait_until(ready: Callable[[], bool], container: Container, timeout_seconds: float = PATIENCE_SECONDS) -> None:
    """Return once it is ready; fail with the end of its log when it ends instead, or at the deadline."""
    assert eventually(ready, True, lambda: require_running(container), timeout_seconds), _log_end(container)


def require_running(container: Container) -> None:
    """Fail with the end of its log when the container has ended for good."""
    container.reload()
    assert container.status in ("created", "running", "restarting", "paused"), (
        f"{container.labels} is {container.status}. {_log_end(container)}"
    )


def health(container: Container) -> str:
    """What Docker says of a container's health."""
    container.reload()
    status: str = container.attrs["State"]["Health"]["Status"]
    return status


def kafka_answers(bootstrap: str) -> bool:
    try:
        return bool(AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=3).brokers)
    except KafkaException:
        return False


def _answers_http(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def sql_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _log_end(container: Container) -> str:
    return f"The end of its log:\n{container.logs(tail=40).decode(errors='replace')}"
