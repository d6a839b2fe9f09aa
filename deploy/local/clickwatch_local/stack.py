"""The parts of the stack: started in order, watched, stopped in reverse order."""

from datetime import UTC, datetime
from os import getpid
from pathlib import Path
from time import time

from clickwatch_events.registry import Registry
from clickwatch_events.schemas import NAMES
from clickwatch_events.topics import create_topics
from clickwatch_jars.cache import cache_dir
from clickwatch_kafka import KafkaConnection
from clickwatch_servers import Command, Postgres, Process, find_java, start_kafka, start_postgres, start_registry
from clickwatch_servers.airflow import DATABASE as AIRFLOW_DATABASE
from clickwatch_servers.airflow import PARTS as AIRFLOW_PARTS
from clickwatch_servers.airflow import ROLE as AIRFLOW
from clickwatch_servers.airflow import Airflow
from clickwatch_servers.java import spark_java_home
from clickwatch_servers.kafka import kafka_jars, wait_for_kafka
from clickwatch_servers.ports import HOST, require_free
from clickwatch_servers.postgres import password, write_pgpass
from clickwatch_servers.registry import registry_program, registry_url, wait_for_registry

from clickwatch_local.places import DataDir, Ports
from clickwatch_local.settings import Settings
from clickwatch_local.state import Part, State, write_state

OWNER, STREAMING, BATCH, READER = "clickwatch", "clickwatch_streaming", "clickwatch_batch", "clickwatch_reader"
PRIVACY, NOTIFIER = "clickwatch_privacy", "clickwatch_notifier"
_LIVED_SECONDS = 30


class Stack:
    """What was started. Its methods start one part each and return before it is ready where they say so."""

    def __init__(self, settings: Settings, places: DataDir, ports: Ports) -> None:
        """Prepare a stack; nothing is started yet.

        Raises:
            UserError: a port is in use.
        """
        require_free(ports.kafka, "Kafka", "--kafka-port (KAFKA_PORT)")
        require_free(ports.registry, "the Schema Registry", "--registry-port (REGISTRY_PORT)")
        require_free(ports.postgres, "PostgreSQL", "--postgres-port (POSTGRES_PORT)")
        require_free(ports.dashboard, "the dashboard", "--dashboard-port (DASHBOARD_PORT)")
        if ports.airflow is not None:
            require_free(ports.airflow, "Airflow's page", "--airflow-port (AIRFLOW_PORT)")
        if ports.shop is not None:
            require_free(ports.shop, "the collector", "--shop-port (COLLECTOR_PORT)")
        for part, port in ports.metrics_of.items():
            require_free(port, f"metrics of {part}", "--metrics-port (METRICS_PORT), the first of three")
        self.settings = settings
        self.places = places
        self.ports = ports
        self.connectors = cache_dir() / "spark-connectors"
        self._spark_java = spark_java_home()
        self._started: list[Process] = []
        self._revived: set[str] = set()
        self._started_at = datetime.now(UTC)
        self._page: str | None = None
        for role in (OWNER, STREAMING, BATCH, READER, PRIVACY, NOTIFIER, *((AIRFLOW,) if ports.airflow else ())):
            password(places.passwords, role)
        places.data.mkdir(exist_ok=True)

    @property
    def bootstrap(self) -> str:
        """The broker's address."""
        return f"{HOST}:{self.ports.kafka}"

    @property
    def registry(self) -> str:
        """The Schema Registry's address."""
        return registry_url(self.ports.registry)

    def database_url(self, role: str, database: str = "clickwatch") -> str:
        """Return the database's address for a role; its password stands in PGPASSFILE."""
        return f"postgresql://{role}@{HOST}:{self.ports.postgres}/{database}"

    def start_servers(self) -> Postgres:
        """Start PostgreSQL, Kafka and the registry side by side; they are not ready yet."""
        java = find_java(21)
        jars, program = kafka_jars(java), registry_program(java)
        places, ports = self.places, self.ports
        postgres = start_postgres(places.postgres, ports.postgres, places.passwords, places.log("postgres"))
        write_pgpass(places.passwords, ports.postgres, places.pgpass)
        self._add(postgres.process)
        self._kafka = start_kafka(places.kafka, ports.kafka, java, jars, places.log("kafka"))
        self._add(self._kafka)
        self._registry = start_registry(places.registry, ports.registry, java, program, places.log("registry"))
        self._add(self._registry)
        return postgres

    def wait_for_database(self, postgres: Postgres) -> None:
        """Return once the database has its tables and roles."""
        postgres.wait()
        postgres.ensure_owner(OWNER)
        if self.ports.airflow is not None:
            postgres.ensure_database(AIRFLOW_DATABASE, AIRFLOW)
        environment = self._environment(OWNER) | {"ROLE_PASSWORDS_DIR": str(self.places.passwords)}
        migrations = (*self.settings.migrations, "upgrade")
        Process(Command("migrations", migrations, self.places.log("migrations"), environment)).require_success(120)

    def wait_for_topics(self) -> None:
        """Return once the broker has the topics."""
        wait_for_kafka(self._kafka, self.ports.kafka)
        create_topics(KafkaConnection.plain(self.bootstrap))

    def wait_for_schemas(self) -> None:
        """Return once the registry knows the released schemas."""
        wait_for_registry(self._registry, self.ports.registry)
        registry = Registry(self.registry)
        for name in NAMES:
            registry.register(name)

    def start_streaming(self, replicas: int = 1) -> None:
        """Start the speed layer; what it prints, a line for each change of an alert, goes to our own stdout.

        Further replicas of the alert query come with a second projector. With them a part of the speed layer that
        dies is started anew, and the others go on meanwhile.
        """
        self._add_streaming("streaming", "run", self._environment(STREAMING, "streaming"), revived=replicas > 1)
        for number in range(2, replicas + 1):
            self._add_streaming(*self._replica(f"alerts-{number}", "alerts"), revived=True)
        if replicas > 1:
            self._add_streaming(*self._replica("projector-2", "project"), revived=True)

    def _replica(self, name: str, command: str) -> tuple[str, str, dict[str, str]]:
        environment = self._environment(STREAMING) | {"DATA_DIR": str(self.places.replica(name).absolute())}
        return name, command, environment

    def _add_streaming(self, name: str, command: str, environment: dict[str, str], revived: bool) -> None:
        argv = (*self.settings.streaming, command)
        log = self.places.log(name)
        process = Process(Command(name, argv, log, environment, stop_seconds=60, prints_for_us=True))
        if revived:
            self._revived.add(name)
        self._add(process)

    def start_simulator(self, *arguments: str) -> None:
        """Start the live simulator."""
        log, environment = self.places.log("simulator"), self._environment(READER, "simulator")
        self._add(Process(Command("simulator", (*self.settings.simulator, *arguments), log, environment)))

    @property
    def dashboard(self) -> str:
        """The dashboard's address."""
        return f"http://{HOST}:{self.ports.dashboard}"

    def start_dashboard(self) -> Process:
        """Start the pages; they do not answer yet."""
        log = self.places.log("dashboard")
        environment = self._environment(READER, "dashboard") | {
            "DASHBOARD_HOST": HOST,
            "DASHBOARD_PORT": str(self.ports.dashboard),
        }
        process = Process(Command("dashboard", (*self.settings.dashboard, "run"), log, environment))
        self._add(process)
        return process

    @property
    def shop(self) -> str:
        """The demo shop's address."""
        return f"http://{HOST}:{self.ports.shop}/shop"

    def start_collector(self) -> Process:
        """Start what takes events by HTTP, and serves the demo shop; it does not answer yet."""
        environment = self._environment(READER) | {
            "COLLECTOR_HOST": HOST,
            "COLLECTOR_PORT": str(self.ports.shop),
            "COLLECTOR_SHOP": "true",
            "COLLECTOR_SHOP_KEY": self._shop_key(),
        }
        command = (*self.settings.collector, "run")
        process = Process(Command("collector", command, self.places.log("collector"), environment))
        self._add(process)
        return process

    def _shop_key(self) -> str:
        """The key that stands in the demo shop's page; made once."""
        file = self.places.shop_key
        if not file.exists():
            # Of any origin, because the page is asked for by several names of this machine.
            made = self.job("shop-key", (*self.settings.collector, "add-key", "demo", "--origin=*"), READER)
            made.require_success(60)
            file.write_text(made.command.log_file.read_text("utf-8").split()[-1], "utf-8")
        return file.read_text("utf-8")

    def start_notifier(self, channels_file: Path) -> None:
        """Start what tells people of alerts."""
        environment = self._environment(NOTIFIER) | {
            "NOTIFIER_CHANNELS_FILE": str(channels_file.absolute()),
            "DASHBOARD_URL": self.dashboard,
        }
        command = (*self.settings.notifier, "run")
        self._add(Process(Command("notifier", command, self.places.log("notifier"), environment)))

    @property
    def metrics(self) -> str | None:
        """Where each service serves metrics; None where none does."""
        return ", ".join(f"{part} {HOST}:{port}" for part, port in self.ports.metrics_of.items()) or None

    def airflow(self) -> Airflow:
        """Return the Airflow of this stack, not started; its tasks work as the batch layer does."""
        assert self.ports.airflow is not None
        metadata = self.database_url(AIRFLOW, AIRFLOW_DATABASE)
        environment = self._environment(BATCH)
        return Airflow(self.settings.airflow, self.places.airflow, self.ports.airflow, metadata, environment)

    def start_airflow(self, airflow: Airflow) -> list[Process]:
        """Start all parts of Airflow; they are not ready yet."""
        self._page = f"{airflow.url} (user {airflow.user}, password in {airflow.passwords_file})"
        parts = [airflow.start_part(part, self.places.output) for part in AIRFLOW_PARTS]
        for part in parts:
            self._add(part)
        return parts

    def job(self, name: str, argv: tuple[str, ...], role: str, **variables: str) -> Process:
        """Start something that does one thing and ends; it has variables beside those of its role."""
        return Process(Command(name, argv, self.places.log(name), self._environment(role) | variables))

    def require_running(self) -> None:
        """Return if all parts run.

        Raises:
            ProcessDied: one ended; names it and shows the end of its log.
        """
        for process in self._started:
            process.require_running()

    def revive(self) -> list[str]:
        """Start anew the replicas that have died after a while, and return a line for each.

        One that dies soon after its start is left to `require_running`: it would die again.
        """
        lines = []
        for number, one in enumerate(self._started):
            revived = one.command.name in self._revived and time() - one.started > _LIVED_SECONDS
            if revived and one.exit_status is not None:
                lines.append(f"{one.command.name} ended with status {one.exit_status} and is started anew")
                one.stop()
                self._started[number] = Process(one.command)
        if lines:
            self._write_state()
        return lines

    def stop(self) -> None:
        """Stop all parts, the last started first."""
        for process in reversed(self._started):
            process.stop()
        self._write_state(stopped=True)

    def _add(self, process: Process) -> None:
        self._started.append(process)
        self._write_state()

    def _write_state(self, stopped: bool = False) -> None:
        parts = (
            Part(name=one.command.name, pid=one.pid, started=one.started, log=one.command.log_file)
            for one in self._started
        )
        state = State(
            pid=getpid(),
            started_at=self._started_at,
            stopped_at=datetime.now(UTC) if stopped else None,
            parts=tuple(parts),
            kafka=self.bootstrap,
            registry=self.registry,
            database=self.database_url(READER),
            dashboard=self.dashboard if any(one.command.name == "dashboard" for one in self._started) else None,
            airflow=self._page,
            metrics=self.metrics,
        )
        write_state(self.places, state)

    def _environment(self, role: str, part: str = "") -> dict[str, str]:
        return {
            # One port cannot be that of several; an empty variable is none.
            "METRICS_PORT": str(self.ports.metrics_of.get(part, "")),
            "METRICS_HOST": HOST,
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "SCHEMA_REGISTRY_URL": self.registry,
            "DATABASE_URL": self.database_url(role),
            "PGPASSFILE": str(self.places.pgpass.absolute()),
            "DATA_DIR": str(self.places.data.absolute()),
            "SPARK_JARS_DIR": str(self.connectors),
            "JAVA_HOME": str(self._spark_java),
            # Lines appear as they are printed, also into a file.
            "PYTHONUNBUFFERED": "1",
        }
