"""The services as processes on a topic, a database and a data folder of their own."""

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

import psycopg
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import NAMES
from clickwatch_events.topics import Topic, create_topics
from clickwatch_jars.cache import cache_dir
from clickwatch_kafka import KafkaConnection
from clickwatch_ledger import Pipeline
from clickwatch_local.settings import Settings
from clickwatch_servers import Command, Process
from clickwatch_servers.java import spark_java_home


class Services:
    """One pipeline: start its services."""

    def __init__(
        self, folder: Path, bootstrap: str, registry_url: str, postgres_url: str, environment: Mapping[str, str]
    ) -> None:
        name = f"e2e_{uuid.uuid4().hex[:8]}"
        self.folder = folder
        self._programs = Settings(clickwatch_dist=Path(os.environ.get("CLICKWATCH_DIST", ".")))
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        base = postgres_url.rsplit("/", 1)[0]
        self.pipeline = Pipeline(bootstrap, f"{base}/{name}", folder / "data", topic=name)
        create_topics(
            KafkaConnection.plain(bootstrap),
            (
                Topic(self.pipeline.topic, 2, {"message.timestamp.type": "LogAppendTime"}),
                Topic(self.pipeline.dead_letters_topic, 1),
                Topic(self.pipeline.alerts_topic, 1, {"cleanup.policy": "compact"}),
            ),
        )
        registry = Registry(registry_url)
        for schema in NAMES:
            registry.register(schema)
        self._jars = cache_dir() / "spark-connectors"
        self._environment = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "SCHEMA_REGISTRY_URL": registry_url,
            "DATABASE_URL": self.pipeline.database_url,
            "DATA_DIR": str(self.pipeline.data),
            "JAVA_HOME": str(spark_java_home()),
            "SPARK_JARS_DIR": str(self._jars),
            "PYTHONUNBUFFERED": "1",
            # Yesterday's log is whole, though it was written a moment ago.
            "DAY_GRACE": "0 s",
            **self.pipeline.topics,
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

    def _run(self, name: str, program: tuple[str, ...], *arguments: str) -> None:
        log = self.folder / f"{name}.log"
        Process(Command(name, (*program, *arguments), log, self._environment)).require_success(180)
