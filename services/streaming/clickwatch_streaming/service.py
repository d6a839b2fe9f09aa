"""The service: the alert query, the lake query and the projector, started in order and watched.

One process runs all three, or some of them. The alert path goes first: what has piled up is drained by it
alone, then the lake query starts.
"""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

import structlog
from clickwatch_events.avro import HOT_WINDOW_VERSION
from clickwatch_events.registry import NotRegistered, Registry, RegistryUnavailable
from clickwatch_events.schemas import ALERTS, EVENTS
from clickwatch_events.topic_wants import wants_of_topics
from clickwatch_jars.java import spark_java_home
from clickwatch_kafka import admin, require_rights
from clickwatch_kafka.acls import streaming as needed_rights
from clickwatch_kafka.topic_settings import require_settings
from clickwatch_service import UserError
from clickwatch_service.database import require_tls_as_asked
from clickwatch_service.limits import TookTooLong, within
from clickwatch_service.metrics import served_metrics
from confluent_kafka import KafkaException
from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import StreamingQueryException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_exponential,
)

from clickwatch_streaming.alerts.backlog import unread_messages
from clickwatch_streaming.alerts.metrics import ProjectorMetrics
from clickwatch_streaming.alerts.projector import project
from clickwatch_streaming.alerts.query import AlertQuery
from clickwatch_streaming.kafka import Heartbeat, wait_for_topics
from clickwatch_streaming.lake import query as lake
from clickwatch_streaming.lake.record import BatchRecord
from clickwatch_streaming.parts import ALL_PARTS, Part
from clickwatch_streaming.settings import Settings, Trigger
from clickwatch_streaming.spark.cluster import wait_for_master
from clickwatch_streaming.spark.driver import Jvm, sole_service
from clickwatch_streaming.spark.session import spark_session, stop_quietly
from clickwatch_streaming.status.metrics import QueryFigures, ServiceMetrics
from clickwatch_streaming.status.reporter import reported_status
from clickwatch_streaming.status.tables import StreamStatus
from clickwatch_streaming.status.watchdog import Watchdog, Watched, watching

log = structlog.get_logger()

DRAIN_ABOVE = 50_000
"""Unread messages from which micro-batches go first; Real-Time Mode reads fewer within a second or two."""

_LOOK_SECONDS = 0.5
_FIGURES_SECONDS = 5.0
_STOP_SECONDS = 30.0
_JVM_ENDS_SECONDS = 5.0


def run(
    settings: Settings,
    stop: threading.Event,
    say: Callable[[str], None],
    parts: frozenset[Part] = ALL_PARTS,
) -> None:
    """Run until `stop` is set.

    Args:
        settings: the environment.
        stop: set to end it.
        say: takes a line for each change of an alert.
        parts: what this process does; the rest is another's.

    Raises:
        UserError: what is needed is not there, or a query failed for a reason outside of it.
        StreamingQueryException: a query failed.
    """
    # A key or a Java that is missing is said before anything is waited for.
    lake.rules(settings)
    spark_java_home()
    metrics = ServiceMetrics()
    with served_metrics(settings, metrics):
        _run(settings, stop, say, metrics, parts)


def _run(
    settings: Settings,
    stop: threading.Event,
    say: Callable[[str], None],
    metrics: ServiceMetrics,
    parts: frozenset[Part],
) -> None:
    require_tls_as_asked(settings.database_url)
    topics = (settings.kafka_topic, settings.dead_letter_topic, settings.alerts_topic)
    partitions = wait_for_topics(settings.kafka, topics, settings.wait_timeout, stop)
    if not stop.is_set():
        require_rights(settings.kafka, needed_rights(settings.topics))
        _require_topics(settings)
    registry, schema_id = _ready_registry(settings, stop)
    wait_for_master(settings, stop)
    if stop.is_set():
        return
    with ExitStack() as running:
        running.enter_context(sole_service(settings.checkpoints_dir))
        spark, jvm = running.enter_context(_spark(settings, partitions[settings.kafka_topic], stop))
        failed: list[Exception] = []
        if Part.PROJECTOR in parts:
            projector = _projector(settings, partitions[settings.alerts_topic], say, metrics.projector)
            failed = running.enter_context(projector)
        supervisor = _Supervisor(spark, jvm, settings, registry, schema_id, stop, failed, metrics, parts)
        running.enter_context(watching(supervisor.watchdog, settings.stall_timeout, jvm.kill))
        if Part.LAKE in parts:
            running.enter_context(reported_status(settings, supervisor))
        supervisor.run()


def _require_topics(settings: Settings) -> None:
    """Return if the topics are set as exact figures need it; what else is to be known of them is logged."""
    names = settings.topics
    # After a loss of state events are read again from so far before the watermark.
    counted_again = 2 * settings.window_duration + settings.watermark + settings.max_future
    wants = wants_of_topics(names.events, names.dead_letters, names.alerts, counted_again)
    try:
        require_settings(
            admin(settings.kafka), wants, lambda line: log.warning("topic_not_as_recommended", reason=line)
        )
    except KafkaException as error:
        log.warning("topics_not_looked_at", reason=" ".join(str(error).split()))


@contextmanager
def _spark(settings: Settings, topic_partitions: int, stop: threading.Event) -> Iterator[tuple[SparkSession, Jvm]]:
    spark = spark_session(settings, topic_partitions, stop)
    jvm = Jvm(spark, settings.checkpoints_dir)
    log.info("Spark started", version=spark.version, master=spark.sparkContext.master)
    try:
        yield spark, jvm
    except Exception as error:
        # What py4j raises once its JVM is gone is of many kinds; the exit itself may be seen a little later.
        if jvm.has_ended(_JVM_ENDS_SECONDS if isinstance(error, (Py4JError, ConnectionError, EOFError)) else 0):
            jvm.require_running()
        raise
    finally:
        if not jvm.has_ended():
            try:
                within(_STOP_SECONDS, "stopping Spark", lambda: _stop(spark))
                log.info("Spark stopped")
            except TookTooLong as error:
                log.warning("Spark killed", reason=str(error))
                jvm.kill()


def _stop(spark: SparkSession) -> None:
    # Spark reports each task that is interrupted on purpose as an error.
    spark.sparkContext.setLogLevel("OFF")
    for query in spark.streams.active:
        query.stop()
    spark.stop()


def _ready_registry(settings: Settings, stop: threading.Event) -> tuple[Registry, int]:
    """The registry once it answers and has our schema of alerts, and the id of that (0 once `stop` is set)."""
    registry = Registry(settings.registry)

    def say(state: RetryCallState) -> None:
        log.info("waiting for the schemas to be registered", address=registry.url)

    try:
        registry.wait(settings.wait_timeout.total_seconds(), lambda line: log.info(line))
        return registry, Retrying(
            retry=retry_if_exception_type(NotRegistered),
            stop=stop_any(stop_after_delay(settings.wait_timeout.total_seconds()), stop_when_event_set(stop)),
            wait=wait_exponential(multiplier=0.5, max=5),
            sleep=sleep_using_event(stop),
            before_sleep=say,
            reraise=True,
        )(registry.id_of, ALERTS, HOT_WINDOW_VERSION)
    except (RegistryUnavailable, NotRegistered) as error:
        if stop.is_set():
            return registry, 0
        raise UserError(str(error)) from None


@contextmanager
def _projector(
    settings: Settings, partitions: int, say: Callable[[str], None], metrics: ProjectorMetrics
) -> Iterator[list[Exception]]:
    """The projector beside Spark; the list that comes back holds what it failed with."""
    stop = threading.Event()
    failed: list[Exception] = []

    def follow() -> None:
        try:
            project(settings, partitions, stop, say, metrics)
        except Exception as error:  # handed over to the main thread, which raises it
            failed.append(error)

    thread = threading.Thread(target=follow, name="projector")
    thread.start()
    try:
        yield failed
    finally:
        stop.set()
        thread.join(5)


class _Supervisor:
    """Starts the queries, restarts the alert query for a new schema, and fails with the first that fails."""

    def __init__(
        self,
        spark: SparkSession,
        jvm: Jvm,
        settings: Settings,
        registry: Registry,
        schema_id: int,
        stop: threading.Event,
        projector_failed: list[Exception],
        metrics: ServiceMetrics,
        parts: frozenset[Part],
    ) -> None:
        self._parts = parts
        self._spark = spark
        self._jvm = jvm
        self._settings = settings
        self._registry = registry
        self._alerts_schema_id = schema_id
        self._alerts = AlertQuery(spark, settings, schema_id)
        self._stop = stop
        self._projector_failed = projector_failed
        self._metrics = metrics
        self._next_figures = monotonic()
        self._writers: dict[int, str] = {}
        self._backlog = 0
        self._watched = Watched(self._alerts.checkpoint)
        self.watchdog = Watchdog(settings, self._watched, parts)
        metrics.parts = lambda: self.watchdog.standings
        self._queries: dict[str, StreamingQuery] = {}

    def backlog(self) -> int:
        """Return how many messages are drained before alerts are up to date; 0 where they are."""
        return self._backlog

    def troubles(self) -> dict[str, str]:
        """Return per part that does not work why."""
        return {name: one.why for name, one in self.watchdog.standings.items() if one.why}

    def found(self, status: StreamStatus, record: BatchRecord | None) -> None:
        """Take a status, and the lake's last record."""
        self._metrics.found(status, record)

    def reported(self) -> None:
        """Know that a status was written."""
        self._watched.status_rounds += 1

    def refused(self, windows: int) -> None:
        """Count closed windows that the database did not take for the page."""
        self._metrics.refused_windows += windows

    def run(self) -> None:
        self._learn_schemas()
        if Part.ALERTS in self._parts:
            self._start_alerts()
        if self._stop.is_set():
            return
        if Part.LAKE in self._parts:
            self._start_lake()
        settings = self._settings
        next_poll = next_beat = monotonic()
        heartbeat = Heartbeat(settings.kafka, settings.kafka_topic)
        beats_every = settings.heartbeat_interval if Part.LAKE in self._parts else None
        while not self._stop.wait(_LOOK_SECONDS):
            self._raise_failures()
            self._read_figures()
            if monotonic() >= next_poll:
                next_poll = monotonic() + settings.registry_poll_interval.total_seconds()
                if self._learn_schemas() and Part.ALERTS in self._parts:
                    stop_quietly(self._spark, self._queries["alerts"], settings.spark_log_level)
                    self._start_alerts()
                if self._watched.lake_started and self._watched.registry_answers and lake.waits_for_registry(settings):
                    heartbeat.nudge()
            if beats_every is not None and monotonic() >= next_beat:
                next_beat = monotonic() + beats_every.total_seconds()
                heartbeat.beat()
        heartbeat.close()

    def _start_lake(self) -> None:
        self._watched.starts_query = True
        self._queries["lake"] = lake.start(
            self._spark,
            self._settings,
            self._registry,
            alerts_schema_id=self._alerts_schema_id,
            known=self._writers,
        )
        self._watched.lake_started = True
        log.info("lake started", every_seconds=self._settings.lake_interval.total_seconds())

    def _start_alerts(self) -> None:
        settings, alerts = self._settings, self._alerts
        self._watched.alert_starts += 1
        self._watched.starts_query = True
        if settings.trigger is Trigger.MICROBATCH:
            self._queries["alerts"] = alerts.follow_in_batches(self._writers)
        else:
            if settings.trigger is Trigger.AUTO:
                self._drain()
            if self._stop.is_set():
                return
            self._queries["alerts"] = alerts.follow_in_real_time(self._writers)
        log.info("alerts started", trigger=settings.trigger, schema_ids=sorted(self._writers))

    def _drain(self) -> None:
        settings = self._settings
        while not self._stop.is_set():
            unread = unread_messages(self._alerts.checkpoint, settings.kafka, settings.kafka_topic)
            if unread <= DRAIN_ABOVE:
                self._backlog = 0
                return
            self._backlog = unread
            log.info("backlog found", messages=unread)
            self._watched.alert_starts += 1
            query = self._queries["alerts"] = self._alerts.drain(self._writers)
            while not self._stop.wait(_LOOK_SECONDS) and query.isActive:
                self._raise_failures()
                self._read_figures()
            query.stop()
            self._raise_failures()
            self._watched.starts_query = True
            log.info("backlog drained", messages=unread)

    def _learn_schemas(self) -> bool:
        """Whether the registry has a schema of events that the running plan does not know."""
        try:
            ids = self._registry.ids(EVENTS)
            new = {found: self._registry.schema(found) for found in ids.values() if found not in self._writers}
        except (RegistryUnavailable, NotRegistered) as error:
            if not self._writers:
                raise UserError(str(error)) from None
            self._watched.registry_answers = False
            log.warning("schema registry not answering", reason=str(error))
            return False
        self._watched.registry_answers = True
        if new and self._writers:
            log.info("new schema found", schema_ids=sorted(new))
        self._writers.update(new)
        return bool(new)

    def _raise_failures(self) -> None:
        self._watched.main_rounds += 1
        self._watched.starts_query = False
        if self.watchdog.failed:
            raise self.watchdog.failed[0]
        self._jvm.require_running()
        if self._projector_failed:
            raise self._projector_failed[0]
        for name, query in self._queries.items():
            error = query.exception()
            if error is not None:
                raise _explained(name, error)
            if not query.isActive and not self._stop.is_set() and name == "lake":
                raise RuntimeError(f"query {name} ended without an error")

    def _read_figures(self) -> None:
        """Ask Spark what operators want to know, here and not on a scrape: each thread costs the JVM one."""
        if self._settings.metrics_port is None or monotonic() < self._next_figures:
            return
        self._next_figures = monotonic() + _FIGURES_SECONDS
        for name, query in self._queries.items():
            try:
                progress = query.lastProgress
                if progress is not None:
                    self._metrics.queries[name] = QueryFigures.of(progress)
            except Exception as error:  # operators miss a figure; a JVM that has ended is noticed elsewhere
                log.warning("progress not read", query=name, reason=" ".join(str(error).split()))


def _explained(name: str, error: StreamingQueryException) -> Exception:
    text = str(error)
    if "KAFKA_DATA_LOSS" in text or "data may have been lost" in text.lower() or "OffsetOutOfRange" in text:
        return UserError(
            f"query {name}: the topic no longer holds messages that were not read yet (retention is shorter than the "
            "outage, or the topic was made anew); nothing was skipped. Raise retention; to go on without them, remove "
            "the checkpoints and the lake of DATA_DIR, which reads the topic from its start"
        )
    # What lake code raised inside Spark comes back as the text of a Python traceback.
    raised = re.search(r"UserError: (.+)", text)
    return UserError(raised[1] if raised else f"query {name} failed: {text.splitlines()[0]}")
