"""The one Spark session of the service: what is set on it, and why."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from clickwatch_jars.java import spark_java_home
from clickwatch_kafka import java_options
from clickwatch_service import UserError
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from clickwatch_streaming.settings import Settings
from clickwatch_streaming.spark.cluster import is_local, wait_for_slots
from clickwatch_streaming.spark.connectors import connector_jars
from clickwatch_streaming.waiting import waited_for

_LOG4J = """status = error
rootLogger.level = {level}
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark %d{{yyyy-MM-dd'T'HH:mm:ss}} %p %c{{1}}: %m%n%ex{{3}}
"""

_JAVA = " ".join(
    (
        "-XX:+UseParallelGC",
        # The method that Spark makes of a query that decodes and judges is longer than what HotSpot compiles
        # unless it is told to: interpreted, it takes twice the CPU.
        "-XX:-DontCompileHugeMethods",
        # Room for what is compiled, also where only one compiler runs, which has a fifth of it by default.
        "-XX:ReservedCodeCacheSize=240m",
    )
)

_SPARE_SLOTS = 2
"""On a cluster, for what else the driver asks beside both queries."""

_TASKS_END = timedelta(seconds=5)

STATE_STORE = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"


def spark_session(settings: Settings, topic_partitions: int = 1, stop: threading.Event | None = None) -> SparkSession:
    """Spark with the connectors, in UTC, with a task slot for every task of both queries.

    `topic_partitions` is how many partitions KAFKA_TOPIC has; once `stop` is set, a cluster's slots are
    waited for no longer. Raises UserError where no Java or no connectors are found, where Spark does not
    start, or where SPARK_MASTER has too few slots.
    """
    os.environ["JAVA_HOME"] = str(spark_java_home())  # where pyspark's launcher looks for it
    jars = connector_jars(settings.spark_jars_dir)
    settings.checkpoints_dir.mkdir(parents=True, exist_ok=True)
    logging = settings.checkpoints_dir / "log4j2.properties"
    logging.write_text(_LOG4J.format(level=settings.spark_log_level.lower()))
    builder = SparkSession.builder.master(master(settings, topic_partitions)).appName("clickwatch")
    for key, value in configuration(settings, topic_partitions, jars, logging).items():
        builder = builder.config(key, value)
    with _signals_kept_from_children():
        try:
            session = builder.getOrCreate()
        except (Py4JJavaError, PySparkException) as error:
            reason = getattr(error, "java_exception", None) or getattr(error, "_origin", error)
            raise UserError(
                f"SPARK_MASTER={settings.spark_master!r}, SPARK_DRIVER_HOST={settings.spark_driver_host!r}: Spark does "
                f"not start there ({' '.join(str(reason).split())})"
            ) from error
    if not is_local(settings.spark_master):
        try:
            wait_for_slots(session, settings, least_slots(settings, topic_partitions), stop or threading.Event())
        except UserError:
            session.stop()
            raise
    return session


@contextmanager
def _signals_kept_from_children() -> Iterator[None]:
    """Let the JVM start deaf to SIGTERM: sent to the whole process group, it is for us to stop Spark.

    (pyspark does the same for SIGINT.) A signal that comes meanwhile is held back, not lost.
    """
    before = signal.getsignal(signal.SIGTERM)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def stop_quietly(spark: SparkSession, query: StreamingQuery, log_level: str) -> None:
    """Stop a query on purpose: what its tasks say of being interrupted is no error, and is not logged.

    Meanwhile nothing is; errors of another query are told by its exception.
    """
    context, group = spark.sparkContext, query.runId
    context.setLogLevel("OFF")
    try:
        query.stop()
        waited_for(lambda: not _has_tasks(context, group), _TASKS_END, threading.Event(), lambda: None)
    finally:
        context.setLogLevel(log_level)


def _has_tasks(context: SparkContext, group: str) -> bool:
    tracker = context.statusTracker()
    jobs = (tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(group))
    stages = (tracker.getStageInfo(stage) for job in jobs if job is not None for stage in job.stageIds)
    return any(stage is not None and stage.numActiveTasks for stage in stages)


def least_slots(settings: Settings, topic_partitions: int) -> int:
    """Slots that both queries need: every task of a Real-Time query holds one for good.

    Its tasks are one for each partition of the topic and one for each partition of its two
    shuffles. Between two of its batches it gives them back for a moment; where the lake query has
    taken them by then, Spark fails it (CONCURRENT_SCHEDULER_INSUFFICIENT_SLOT). So the lake query's
    tasks, one for each partition of the topic, need slots beside them.
    """
    return _realtime_slots(settings, topic_partitions) + topic_partitions


def _realtime_slots(settings: Settings, topic_partitions: int) -> int:
    return topic_partitions + 2 * settings.shuffle_partitions


def master(settings: Settings, topic_partitions: int) -> str:
    """SPARK_MASTER with slots enough.

    `local[*]` is widened to that (the operating system shares the cores among them); a stated number
    that is too small is an error. What a cluster offers is seen once its workers have answered.
    """
    least = least_slots(settings, topic_partitions)
    if settings.spark_master == "local[*]":
        return f"local[{least + max(2, os.cpu_count() or 1)}]"
    stated = re.fullmatch(r"local(?:\[(\d+)\])?", settings.spark_master)
    if stated and int(stated[1] or 1) < least:
        raise UserError(
            f"SPARK_MASTER={settings.spark_master!r}: must be local[*] or have at least {least} slots, "
            f"{_realtime_slots(settings, topic_partitions)} of them for the alert query"
        )
    return settings.spark_master


def configuration(settings: Settings, topic_partitions: int, jars: list[Path], logging: Path) -> dict[str, str]:
    """What is set on the session; `logging` is the file that says what Spark logs."""
    log4j = " ".join((f"-Dlog4j2.configurationFile={logging.absolute()}", *java_options(settings.kafka)))
    return {
        # Spark matches a regular expression over the message of a failed batch; a long Java trace
        # in it overflows a stack of 1 MB, and the reason is lost.
        "spark.driver.extraJavaOptions": f"{_JAVA} -Xss16m {log4j}",
        # On a cluster: DATA_DIR is theirs too.
        "spark.executor.extraJavaOptions": f"{_JAVA} {log4j}",
        "spark.jars": ",".join(str(jar) for jar in jars),
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.bindAddress": settings.spark_driver_host,
        "spark.driver.host": settings.spark_driver_host,
        # A standalone master gives an application all that there is, unless it asks for less.
        "spark.cores.max": str(least_slots(settings, topic_partitions) + _SPARE_SLOTS),
        "spark.ui.enabled": "true" if settings.spark_ui_port else "false",
        "spark.ui.port": str(settings.spark_ui_port),
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        # Spark's default for Parquet, INT96, is deprecated everywhere else and has no time zone.
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.streaming.stateStore.providerClass": STATE_STORE,
        # Real-Time Mode asks for format 2; micro-batches write it too, so that both can go on
        # from one checkpoint (decision record 0002).
        "spark.sql.streaming.stateStore.checkpointFormatVersion": "2",
        "spark.sql.streaming.stateStore.rocksdb.changelogCheckpointing.enabled": "true",
        # A batch without data would only forget old keys; the next batch does that too.
        "spark.sql.streaming.noDataMicroBatches.enabled": "false",
        # Small buffers stay in the processor's cache, where most look-ups of a new id end.
        "spark.sql.streaming.stateStore.rocksdb.writeBufferSizeMB": "8",
        # Counting rows costs a look-up for each row that is written.
        "spark.sql.streaming.stateStore.rocksdb.trackTotalNumberOfRows": "false",
    }
