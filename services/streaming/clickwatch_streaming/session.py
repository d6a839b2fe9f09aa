"""The one Spark session of the service: what is set on it, and why."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from clickwatch_jars.java import spark_java_home
from clickwatch_service import UserError
from pyspark.sql import SparkSession

from clickwatch_streaming.connectors import connector_jars
from clickwatch_streaming.settings import Settings

_LOG4J = """status = error
rootLogger.level = {level}
rootLogger.appenderRef.stderr.ref = stderr
appender.stderr.type = Console
appender.stderr.name = stderr
appender.stderr.target = SYSTEM_ERR
appender.stderr.layout.type = PatternLayout
appender.stderr.layout.pattern = spark %d{{yyyy-MM-dd'T'HH:mm:ss}} %p %c{{1}}: %m%n%ex{{3}}
"""

STATE_STORE = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider"


def spark_session(settings: Settings, topic_partitions: int = 1) -> SparkSession:
    """Spark with the connectors, in UTC, with a task slot for every task of both queries.

    `topic_partitions` is how many partitions KAFKA_TOPIC has. Raises UserError where no Java or no
    connectors are found, or where SPARK_MASTER has too few slots.
    """
    os.environ["JAVA_HOME"] = str(spark_java_home())  # where pyspark's launcher looks for it
    jars = connector_jars(settings.spark_jars_dir)
    settings.checkpoints_dir.mkdir(parents=True, exist_ok=True)
    logging = settings.checkpoints_dir / "log4j2.properties"
    logging.write_text(_LOG4J.format(level=settings.spark_log_level.lower()))
    builder = SparkSession.builder.master(master(settings, topic_partitions)).appName("clickwatch")
    for key, value in _configuration(settings, jars, logging).items():
        builder = builder.config(key, value)
    with _signals_kept_from_children():
        return builder.getOrCreate()


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


def master(settings: Settings, topic_partitions: int) -> str:
    """SPARK_MASTER with slots enough: every task of a Real-Time query holds one for good.

    Its tasks are one for each partition of the topic and one for each partition of its two
    shuffles. Between two of its batches it gives them back for a moment; where the lake query has
    taken them by then, Spark fails it (CONCURRENT_SCHEDULER_INSUFFICIENT_SLOT). So the lake query's
    tasks, one for each partition of the topic, need slots beside them. `local[*]` is widened to that
    (the operating system shares the cores among them); a stated number that is too small is an error.
    """
    realtime = topic_partitions + 2 * settings.shuffle_partitions
    least = realtime + topic_partitions
    needed = least + max(2, os.cpu_count() or 1)
    if settings.spark_master == "local[*]":
        return f"local[{needed}]"
    stated = re.fullmatch(r"local(?:\[(\d+)\])?", settings.spark_master)
    if stated and int(stated[1] or 1) < least:
        raise UserError(
            f"SPARK_MASTER={settings.spark_master!r}: must be local[*] or have at least "
            f"{least} slots, {realtime} of them for the alert query"
        )
    return settings.spark_master


def _configuration(settings: Settings, jars: list[Path], logging: Path) -> dict[str, str]:
    return {
        # Spark matches a regular expression over the message of a failed batch; a long Java trace
        # in it overflows a stack of 1 MB, and the reason is lost.
        "spark.driver.extraJavaOptions": f"-XX:+UseParallelGC -Xss16m -Dlog4j2.configurationFile={logging.absolute()}",
        "spark.jars": ",".join(str(jar) for jar in jars),
        "spark.driver.memory": settings.spark_driver_memory,
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
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
