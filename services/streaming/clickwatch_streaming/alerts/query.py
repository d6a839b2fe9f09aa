"""The alert query: events to the windows that many look at, on the topic of hot windows.

One plan for both ways of running it. In Real-Time Mode a window's record leaves with each event that
changes it; with micro-batches, with each batch.
"""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from clickwatch_events.avro import HOT_WINDOW_VERSION
from clickwatch_events.schemas import ALERTS, schema_text
from clickwatch_kafka import spark_options
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.avro.functions import to_avro
from pyspark.sql.streaming.query import StreamingQuery
from pyspark.sql.streaming.readwriter import DataStreamWriter

from clickwatch_streaming.alerts.backlog import committed_watermark_ms, discard_unless_committed
from clickwatch_streaming.events.decode import decoded, good_events, header, of_people
from clickwatch_streaming.events.windows import window_counts
from clickwatch_streaming.settings import Settings

QUERY_NAME = "alerts"
STATE_VERSION = 2
"""Raised with each change of what is kept for a window: Spark goes on from no other state than it knows."""
ALERT_FIELDS = ("event_id", "product_id", "product_category", "event_type", "timestamp")


def hot_windows(messages: DataFrame, writers: Mapping[int, str], settings: Settings) -> DataFrame:
    """Windows with more than VIEWS_THRESHOLD views, each time their counts change.

    Columns in: those of Kafka's source. Columns out: see `windows.counted`. Messages that are no
    events are passed over: the lake query deals with them. Carts and unknown types are left out, so
    `carts` is 0 and `total_events` is views and purchases.
    """
    events = good_events(
        decoded(
            messages,
            writers,
            max_future=settings.max_future,
            unknown_event_type=settings.unknown_event_type,
        )
    )
    unique = (
        of_people(events)
        .where(sf.col("event_type").isin("view", "purchase"))
        .select(*ALERT_FIELDS, "kafka_timestamp")
        .withWatermark("timestamp", _interval(settings.watermark))
        # 64 bits of the id are a third of its length to shuffle and keep; two of a million events of
        # one and the same millisecond share them once in 40 million years of such milliseconds.
        .withColumn("id_hash", sf.xxhash64("event_id"))
        .drop("event_id")
        .dropDuplicates(["id_hash", "timestamp"])
    )
    counts = window_counts(unique, settings.window_duration, settings.slide_duration)
    return counts.where(sf.col("views") > settings.views_threshold)


def while_undecided(windows: DataFrame, purchases_threshold: int) -> DataFrame:
    """Of windows sent with each event, those an alert may still come from or has just ended in.

    Purchases grow one by one in Real-Time Mode, so the purchase that retracts an alert is always sent,
    and nothing after it matters before the window closes. Without this, every event of a popular
    product would be sent twice over.
    """
    return windows.where(sf.col("purchases") <= purchases_threshold)


def as_messages(windows: DataFrame, schema_id: int) -> DataFrame:
    """Hot windows as `key` and `value` for Kafka: `product|start`, and Avro framed with `schema_id`."""
    start = sf.date_format("window_start", "yyyy-MM-dd'T'HH:mm:ss'Z'")
    record = sf.struct(
        "product_id",
        "product_category",
        "window_start",
        "window_end",
        "views",
        "purchases",
        sf.lit(False).alias("closed"),
        "newest_kafka_timestamp",
    )
    body = to_avro(record, schema_text(ALERTS, HOT_WINDOW_VERSION))
    return windows.select(
        sf.concat_ws("|", "product_id", start).cast("binary").alias("key"),
        sf.concat(sf.lit(header(schema_id)), body).alias("value"),
    )


def first_offsets(settings: Settings) -> dict[str, str]:
    """Options of Kafka's source: where a query without a checkpoint begins.

    At the topic's start, or where an earlier release has kept another state: so far before its
    watermark that whatever is still open is counted again from its first event. Windows that ended
    shortly before are too, because an alert of half the counts would stand until the lake closes them.
    """
    watermark_ms = committed_watermark_ms(settings.checkpoints_dir / "alerts")
    if watermark_ms is None:
        return {"startingOffsets": "earliest"}
    before = 2 * settings.window_duration + settings.max_future
    from_ms = max(0, watermark_ms - before // timedelta(milliseconds=1))
    return {"startingTimestamp": str(from_ms), "startingOffsetsByTimestampStrategy": "latest"}


class AlertQuery:
    """Starts the query: on the backlog in micro-batches, or for good."""

    def __init__(self, spark: SparkSession, settings: Settings, schema_id: int) -> None:
        """Write hot windows framed with `schema_id`."""
        self._spark = spark
        self._settings = settings
        self._schema_id = schema_id

    @property
    def checkpoint(self) -> Path:
        """Where the query keeps its progress and its state."""
        return self._settings.checkpoints_dir / f"alerts-{STATE_VERSION}"

    def drain(self, writers: Mapping[int, str]) -> StreamingQuery:
        """Read what the topic holds now, up to one cut over all its partitions, and end."""
        return self._writer(self._hot_windows(writers)).trigger(availableNow=True).start()

    def follow_in_batches(self, writers: Mapping[int, str]) -> StreamingQuery:
        """Read on for good, one micro-batch after the other."""
        return self._writer(self._hot_windows(writers)).trigger(processingTime="0 seconds").start()

    def follow_in_real_time(self, writers: Mapping[int, str]) -> StreamingQuery:
        """Read on for good; each event is counted as it comes."""
        windows = while_undecided(self._hot_windows(writers), self._settings.purchases_threshold)
        every = _interval(self._settings.checkpoint_interval)
        # pyspark's type stubs do not know of Real-Time Mode yet.
        writer: DataStreamWriter = self._writer(windows).trigger(realTime=every)  # type: ignore[call-overload]
        return writer.start()

    def _hot_windows(self, writers: Mapping[int, str]) -> DataFrame:
        settings = self._settings
        messages = (
            self._spark.readStream.format("kafka")
            .options(**spark_options(settings.kafka))
            .option("subscribe", settings.kafka_topic)
            .options(**first_offsets(settings))
            .option("failOnDataLoss", "true")
            # The connector asks for its position after each poll; 500 records a poll is dear.
            .option("kafka.max.poll.records", "5000")
            .load()
        )
        return hot_windows(messages, writers, settings)

    def _writer(self, windows: DataFrame) -> DataStreamWriter:
        settings = self._settings
        discard_unless_committed(self.checkpoint)
        return (
            as_messages(windows, self._schema_id)
            .writeStream.queryName(QUERY_NAME)
            .format("kafka")
            .options(**spark_options(settings.kafka))
            .option("topic", settings.alerts_topic)
            .option("checkpointLocation", str(self.checkpoint))
            .outputMode("update")
        )


def _interval(duration: timedelta) -> str:
    return f"{duration // timedelta(milliseconds=1)} milliseconds"
