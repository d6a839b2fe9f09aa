"""The service images as a user runs them, on a topic, a database and a data folder of their own."""

import json
import uuid
from pathlib import Path
from typing import Any

import psycopg
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import NAMES
from clickwatch_ledger import Pipeline
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from docker.models.containers import Container
from e2e_containers import LABEL, Containers
from e2e_images import service_image
from e2e_servers import KAFKA_INSIDE, PATIENCE_SECONDS, REGISTRY_INSIDE, Servers

_DATA = "/data"
_WHOLE_DAY = {"DAY_GRACE": "0 s"}
"""Yesterday's log is whole, though it was written a moment ago."""


class Services:
    """One pipeline: start its services; each is locked down as deploy/compose does it."""

    def __init__(self, containers: Containers, servers: Servers, folder: Path) -> None:
        name = f"e2e_{uuid.uuid4().hex[:8]}"
        self._containers = containers
        self._servers = servers
        self._data = folder / "data"
        self._data.mkdir()
        # The images' user is no user of this machine.
        self._data.chmod(0o777)
        self.started: list[Container] = []
        self.pipeline = Pipeline(servers.bootstrap, servers.database_url(name), self._data, topic=name)
        self._environment = {
            "KAFKA_BOOTSTRAP_SERVERS": KAFKA_INSIDE,
            "SCHEMA_REGISTRY_URL": REGISTRY_INSIDE,
            "DATABASE_URL": servers.database_url(name, inside=True),
            "DATA_DIR": _DATA,
            "LAKE_INTERVAL": "3 s",
            "CHECKPOINT_INTERVAL": "10 s",
            "TRIGGER": "realtime",
            **self.pipeline.topics,
        }
        with psycopg.connect(servers.database_url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        _create_topics(self.pipeline)
        for schema in NAMES:
            Registry(servers.registry_url).register(schema)
        self.run("db-migrations", "upgrade")

    def simulate(self, ledger: str, *options: str) -> Path:
        """Send events as fast as possible; return the file of the ledger."""
        self.run("simulator", "stream", "--fast", f"--ledger={_DATA}/{ledger}", *options)
        return self._data / ledger

    def backfill(self, day: str, *options: str) -> Path:
        """Write the log of a day alone; return the file of the ledger."""
        ledger = f"ledger-{day}.json"
        self.run("simulator", "backfill", f"--date={day}", f"--ledger={_DATA}/{ledger}", *options)
        return self._data / ledger

    def analyse(self, day: str) -> None:
        self.run("batch", "run", f"--date={day}", variables=_WHOLE_DAY)

    def analyse_in_airflow(self, day: str) -> None:
        """Run the DAG for a day: all its tasks, by Airflow's own test of a DAG, on metadata in PostgreSQL."""
        name = f"{self.pipeline.topic}_airflow"
        with psycopg.connect(self._servers.database_url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        metadata = self._servers.database_url(name, inside=True).replace("postgresql:", "postgresql+psycopg2:", 1)
        variables = {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata, "DAG_RETRIES": "0", **_WHOLE_DAY}
        self.run("airflow", "db", "migrate", variables=variables)
        chosen = ("--conf", json.dumps({"day": day}))
        self.run("airflow", "dags", "test", "clickstream_daily_batch", *chosen, variables=variables)

    def run(self, service: str, *arguments: str, variables: dict[str, str] | None = None) -> None:
        """Run a program that does one thing and ends."""
        container = self.start(service, *arguments, variables=variables)
        status = container.wait(timeout=PATIENCE_SECONDS)["StatusCode"]
        assert status == 0, f"{service} ended with {status}:\n{container.logs(tail=40).decode(errors='replace')}"

    def started_last(self, service: str) -> Container:
        """Return the container of a service that was started last."""
        return next(one for one in reversed(self.started) if one.labels[LABEL] == service)

    def start(
        self,
        service: str,
        *arguments: str,
        variables: dict[str, str] | None = None,
        ports: dict[int, int] | None = None,
        **options: Any,  # of Docker's own client
    ) -> Container:
        """Start a program and return at once; it has variables and ports beside those of all."""
        container = self._containers.start(
            service_image(service),
            service,
            {**self._environment, **(variables or {})},
            command=list(arguments),
            ports=ports,
            volumes={self._data: _DATA},
            read_only=True,
            tmpfs={"/tmp": "exec"},  # Spark unpacks its native libraries there
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            **options,
        )
        self.started.append(container)
        return container


def _create_topics(pipeline: Pipeline) -> None:
    topics = [
        NewTopic(pipeline.topic, 2, config={"message.timestamp.type": "LogAppendTime"}),
        NewTopic(pipeline.dead_letters_topic, 1),
        NewTopic(pipeline.alerts_topic, 1, config={"cleanup.policy": "compact"}),
    ]
    admin = AdminClient({"bootstrap.servers": pipeline.bootstrap})
    for made in admin.create_topics(topics).values():
        made.result(60)
