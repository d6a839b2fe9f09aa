"""Servers and services of its own for a benchmark: started on free ports, all stopped at the end."""

import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import psycopg
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import NAMES
from clickwatch_jars.cache import cache_dir
from clickwatch_servers import Command, Java, Postgres, Process, find_java, start_kafka, start_postgres, start_registry
from clickwatch_servers.java import spark_java_home
from clickwatch_servers.kafka import kafka_jars, wait_for_kafka
from clickwatch_servers.ports import HOST, free_port
from clickwatch_servers.postgres import password, write_pgpass
from clickwatch_servers.registry import registry_program, registry_url, wait_for_registry
from clickwatch_service import ServiceSettings, UserError, load_settings
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from psycopg import sql
from pydantic import BeforeValidator
from pydantic_settings import NoDecode

OWNER, STREAMING = "clickwatch", "clickwatch_streaming"
_ROLES = (OWNER, STREAMING, "clickwatch_batch", "clickwatch_reader", "clickwatch_privacy", "clickwatch_notifier")


def _words(value: object) -> object:
    return tuple(shlex.split(value)) if isinstance(value, str) else value


CommandLine = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]


class Programs(ServiceSettings):
    """Where the services' programs are: the same variables as for the local stack.

    Attributes:
        clickwatch_dist: folder of simulator.pex, streaming.pex and db-migrations.pex.
        simulator_command: what to start instead of the simulator's program; the same for the others.
    """

    clickwatch_dist: Path = Path("dist")
    simulator_command: CommandLine = ()
    streaming_command: CommandLine = ()
    migrations_command: CommandLine = ()

    def argv(self, name: str) -> tuple[str, ...]:
        """Return how the program `simulator`, `streaming` or `db-migrations` is started.

        Raises:
            UserError: it was not built.
        """
        commands = {
            "simulator": self.simulator_command,
            "streaming": self.streaming_command,
            "db-migrations": self.migrations_command,
        }
        if commands[name]:
            return commands[name]
        program = self.clickwatch_dist / f"{name}.pex" / "__main__.py"
        if not program.is_file():
            raise UserError(
                f"CLICKWATCH_DIST={self.clickwatch_dist}: it has no {name}.pex: "
                f"build it by ./pants package services/{name}"
            )
        return (str(program.absolute()),)


@dataclass
class BenchStack:
    """Kafka and the registry, schemas registered, and PostgreSQL where asked for.

    Attributes:
        folder: data and logs of everything.
        bootstrap: the broker's address.
        registry: the registry's address.
        java: the Java the servers run on.
        kafka: the broker's process.
    """

    folder: Path
    bootstrap: str
    registry: str
    java: Java
    kafka: Process
    _programs: Programs
    _started: list[Process]
    _postgres: Postgres | None = None
    _names: set[str] = field(default_factory=set)

    def create_topics(self, *topics: tuple[str, int]) -> None:
        """Create topics of that many partitions whose records the broker's clock stamps."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        stamped = {"message.timestamp.type": "LogAppendTime"}
        made = admin.create_topics([NewTopic(name, count, config=stamped) for name, count in topics])
        for result in made.values():
            result.result(30)

    def delete_topics(self, *names: str) -> None:
        """Delete topics, so that one round's data does not weigh on the next."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        for result in admin.delete_topics(list(names)).values():
            result.result(30)

    def start(self, name: str, argv: tuple[str, ...], **environment: str) -> Process:
        """Start a program; it is stopped with the stack unless it has ended by then."""
        process = Process(Command(name, argv, self.log(name), self._environment() | environment, stop_seconds=60))
        self._started.append(process)
        return process

    def start_program(self, name: str, *arguments: str, label: str | None = None, **environment: str) -> Process:
        """Start one of our services; `label` tells one run's log from another's."""
        return self.start(label or name, (*self._programs.argv(name), *arguments), **environment)

    def log(self, name: str) -> Path:
        """The file that takes what a program says."""
        return self.folder / "logs" / f"{name}.log"

    def database(self, name: str, role: str = OWNER) -> str:
        """Return the address of a database, made and migrated the first time; the password stands in PGPASSFILE."""
        assert self._postgres is not None
        if name not in self._names:
            self._names.add(name)
            with psycopg.connect(self._postgres.url(OWNER, with_password=True), autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            passwords = str(self._postgres.passwords_dir)
            url = self._postgres.url(OWNER, name)
            self.start_program("db-migrations", "upgrade", DATABASE_URL=url, ROLE_PASSWORDS_DIR=passwords)
            self._started.pop().require_success(120)
        return self._postgres.url(role, name)

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """Return a connection of the owner, each statement its own transaction."""
        assert self._postgres is not None
        return psycopg.connect(self._postgres.url(OWNER, database, with_password=True), autocommit=True)

    def spark_jars(self) -> Path:
        """Return the folder of Spark's connectors, fetched by the streaming service the first time."""
        folder = cache_dir() / "spark-connectors"
        self.start_program("streaming", "connectors", f"--to={folder}", label="connectors").require_success(300)
        return folder

    def _environment(self) -> dict[str, str]:
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "SCHEMA_REGISTRY_URL": self.registry,
            "JAVA_HOME": str(spark_java_home()),
            "PYTHONUNBUFFERED": "1",
            "LOG_FORMAT": "json",
        }
        if self._postgres is not None:
            environment["PGPASSFILE"] = str(self.folder / "pgpass")
        return environment


@contextmanager
def bench_stack(*, with_postgres: bool) -> Iterator[BenchStack]:
    """Start the servers in a folder that is gone at the end, as is everything that was started.

    Raises:
        UserError: a server or a program cannot be had.
    """
    programs = load_settings(Programs)
    java = find_java(21)
    jars, registry_home = kafka_jars(java), registry_program(java)
    started: list[Process] = []
    with tempfile.TemporaryDirectory(prefix="clickwatch-bench-") as name:
        folder = Path(name)
        logs, port, registry_port = folder / "logs", free_port(), free_port()
        try:
            kafka = start_kafka(folder / "kafka", port, java, jars, logs / "kafka.log", heap_mb=512)
            started.append(kafka)
            registry = start_registry(folder / "registry", registry_port, java, registry_home, logs / "registry.log")
            started.append(registry)
            postgres = _started_postgres(folder, started) if with_postgres else None
            wait_for_kafka(kafka, port)
            wait_for_registry(registry, registry_port)
            for schema in NAMES:
                Registry(registry_url(registry_port)).register(schema)
            yield BenchStack(
                folder, f"{HOST}:{port}", registry_url(registry_port), java, kafka, programs, started, postgres
            )
        finally:
            for process in reversed(started):
                process.stop()


def _started_postgres(folder: Path, started: list[Process]) -> Postgres:
    passwords, port = folder / "passwords", free_port()
    for role in _ROLES:
        password(passwords, role)
    postgres = start_postgres(folder / "postgres", port, passwords, folder / "logs" / "postgres.log")
    started.append(postgres.process)
    write_pgpass(passwords, port, folder / "pgpass")
    postgres.wait()
    postgres.ensure_owner(OWNER)
    return postgres
