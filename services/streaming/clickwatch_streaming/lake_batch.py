"""One batch of messages, made into files: all Spark's work on the lake path.

Kafka is read once, into a staged copy with every message decoded; what follows works on that copy.
Nothing here is visible to anyone: `lake.py` publishes what this module wrote.
"""

from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from clickwatch_streaming.batch_record import BatchRecord, Counts
from clickwatch_streaming.batch_summary import BatchSummary, batch_summary
from clickwatch_streaming.closed_windows import closed_windows
from clickwatch_streaming.decode import EVENT_FIELDS, BadReason, decoded, good_events
from clickwatch_streaming.duplicates import repeated_events, without_repeats
from clickwatch_streaming.lake_folder import SLOT_MS, LakeFolder
from clickwatch_streaming.lateness import closed_until, late_arrivals
from clickwatch_streaming.settings import UnknownEventType
from clickwatch_streaming.writer_schemas import WriterSchemas

EVENT_SCHEMA = (
    "event_id string, user_id string, product_id string, product_category string, event_type string, "
    "timestamp timestamp, session_id string, price_minor long, currency string, schema_id int, "
    "kafka_partition int, kafka_offset long, late_at timestamp"
)
"""Columns of lake/events. `late_at` is null but for events older than the watermark when they arrived."""

_EVENT_COLUMNS = (*EVENT_FIELDS, "schema_id", "kafka_partition", "kafka_offset")
_ROWS_PER_FILE = 1_000_000
_IDS_ASKED_FOR = 1000
# Ids do not repeat: a dictionary of them is built only to be thrown away.
_NO_DICTIONARY = {"parquet.enable.dictionary#event_id": "false"}
DEAD_LETTERS = "dead_letters"


@dataclass(frozen=True)
class Rules:
    """What decides which message counts where.

    Attributes:
        window: length of a window.
        slide: time between the starts of two windows.
        watermark: how far behind the newest event one may be and still count.
        max_future: how far ahead of its Kafka timestamp an event may be.
        unknown_event_type: what happens to an event of a type we do not know.
    """

    window: timedelta
    slide: timedelta
    watermark: timedelta
    max_future: timedelta
    unknown_event_type: UnknownEventType


@dataclass(frozen=True)
class BatchWriter:
    """Makes batches in the staging folder of a lake.

    Attributes:
        spark: a session set up by `lake_session`.
        folder: the lake.
        writers: the schemas messages are written with.
        rules: what counts where.
        partitions: how many partitions the source topic has.
    """

    spark: SparkSession
    folder: LakeFolder
    writers: WriterSchemas
    rules: Rules
    partitions: int

    def write(self, messages: DataFrame, previous: BatchRecord) -> BatchRecord:
        """Write the files of the batch after `previous` to staging, and return its record.

        `messages` has the Kafka source's columns. In staging there are then the files to publish
        (`LakeFolder.publication`) and the dead letters in folder `dead_letters`.
        """
        batch_id = previous.batch_id + 1
        staging = self.folder.stage(batch_id)
        rows, summary = self._decode(messages, staging)
        if summary.dead_letters:
            is_dead = sf.col("bad_reason").isNotNull() & (sf.col("bad_reason") != BadReason.HEARTBEAT)
            rows.where(is_dead).drop(*EVENT_FIELDS).write.parquet(str(staging / DEAD_LETTERS))
        event_files = self._write_events(good_events(rows), summary, previous, staging) if summary.valid else []
        newest_ms = _newer(previous.newest_ms, summary.newest_ms)
        heartbeat_ms = max(filter(None, (previous.heartbeat_ms, summary.heartbeat_ms)), default=None)
        until_ms = closed_until(
            previous.closed_until_ms,
            previous.newest_ms,
            newest_ms,
            heartbeat_ms,
            self.rules.watermark,
            self.partitions,
        )
        windows = self._write_windows(event_files, summary, previous, until_ms, staging)
        events, late = _rows_and_late(event_files)
        counts = Counts(
            events=events,
            duplicates=summary.valid - events,
            late=late,
            dead_letters=summary.dead_letters,
            heartbeats=summary.heartbeats,
            windows=windows,
        )
        return BatchRecord(
            batch_id=batch_id,
            query_id=previous.query_id,
            next_offsets={**previous.next_offsets, **summary.next_offsets},
            newest_ms=newest_ms,
            heartbeat_ms=heartbeat_ms,
            closed_until_ms=until_ms,
            counts=counts,
            totals=previous.totals + counts,
        )

    def _decode(self, messages: DataFrame, staging: Path) -> tuple[DataFrame, BatchSummary]:
        rows = self._staged(self._decoded(messages), staging / "decoded")
        summary = batch_summary(rows)
        if BadReason.UNKNOWN_SCHEMA_ID not in summary.bad:
            return rows, summary
        learnt = self.writers.learn(_unknown_ids(rows))
        if not learnt:
            return rows, summary
        is_readable = (sf.col("bad_reason") == BadReason.UNKNOWN_SCHEMA_ID) & sf.col("schema_id").isin(learnt)
        again = self._staged(self._decoded(_as_messages(rows.where(is_readable))), staging / "decoded_again")
        rows = rows.where(~sf.coalesce(is_readable, sf.lit(False))).unionByName(again)
        return rows, batch_summary(rows)

    def _decoded(self, messages: DataFrame) -> DataFrame:
        rows = decoded(
            messages,
            self.writers.known,
            max_future=self.rules.max_future,
            unknown_event_type=self.rules.unknown_event_type,
        )
        # The bytes of good messages have done their work.
        is_bad = sf.col("bad_reason").isNotNull()
        return rows.withColumns({name: sf.when(is_bad, sf.col(name)) for name in ("key", "value")})

    def _staged(self, rows: DataFrame, folder: Path) -> DataFrame:
        rows.write.options(compression="snappy", **_NO_DICTIONARY).parquet(str(folder))
        return self.spark.read.schema(rows.schema).parquet(str(folder))

    def _write_events(
        self, events: DataFrame, summary: BatchSummary, previous: BatchRecord, staging: Path
    ) -> list[Path]:
        # Both are written down first, so that Spark knows their size and sends small ones to every task.
        repeated = self._staged(
            repeated_events(events, self._in_lake(summary.slots).select("event_id")), staging / "repeated"
        )
        late = self._staged(
            late_arrivals(events, previous.newest_ms, previous.closed_until_ms, self.rules.watermark),
            staging / "late",
        )
        unique = without_repeats(events.select(*_EVENT_COLUMNS), repeated)
        dated = unique.join(late, ["kafka_partition", "kafka_offset"], "left").select(
            *_EVENT_COLUMNS, "late_at", sf.to_date("timestamp").alias("event_date")
        )
        written = staging / "events"
        files = ceil(summary.valid / _ROWS_PER_FILE)
        dated.coalesce(files).write.options(**_NO_DICTIONARY).partitionBy("event_date").parquet(str(written))
        return self.folder.lay_out(previous.batch_id + 1, self.folder.events, written)

    def _write_windows(
        self,
        event_files: list[Path],
        summary: BatchSummary,
        previous: BatchRecord,
        until_ms: int | None,
        staging: Path,
    ) -> int:
        if until_ms is None or until_ms == previous.closed_until_ms:
            return 0
        slots = self._slots_of_windows(summary, previous.closed_until_ms, until_ms)
        files = self.folder.files_with(slots) + event_files
        rules = self.rules
        closed = closed_windows(
            self._events_in(files, slots), previous.closed_until_ms, until_ms, rules.window, rules.slide
        )
        written = staging / "window_stats"
        closed.coalesce(1).write.partitionBy("window_date").parquet(str(written))
        laid_out = self.folder.lay_out(previous.batch_id + 1, self.folder.window_stats, written)
        return sum(pq.read_metadata(file).num_rows for file in laid_out)

    def _slots_of_windows(self, summary: BatchSummary, after_ms: int | None, until_ms: int) -> range:
        """Time slots of the events that windows closing now can hold."""
        window_ms = self.rules.window // timedelta(milliseconds=1)
        if after_ms is None:
            first = min(summary.slots, default=until_ms // SLOT_MS)
        else:
            first = (after_ms - window_ms) // SLOT_MS
        return range(first, until_ms // SLOT_MS + 1)

    def _in_lake(self, slots: frozenset[int]) -> DataFrame:
        return self._events_in(self.folder.files_with(slots), slots)

    def _events_in(self, files: list[Path], slots: range | frozenset[int]) -> DataFrame:
        """The events of some files whose time lies in some slots."""
        if not files or not slots:
            return self.spark.createDataFrame([], EVENT_SCHEMA)
        rows = self.spark.read.schema(EVENT_SCHEMA).parquet(*map(str, files))
        first_ms, end_ms = min(slots) * SLOT_MS, (max(slots) + 1) * SLOT_MS
        within = (sf.col("timestamp") >= _time(first_ms)) & (sf.col("timestamp") < _time(end_ms))
        if not isinstance(slots, range):
            within &= sf.floor(sf.unix_millis("timestamp") / SLOT_MS).isin(list(slots))
        return rows.where(within)


def _time(epoch_ms: int) -> Column:
    return sf.timestamp_millis(sf.lit(epoch_ms))


def _unknown_ids(rows: DataFrame) -> list[int]:
    """Schema ids to ask the registry for; the frequent ones where bad messages name very many."""
    unknown = rows.where(sf.col("bad_reason") == BadReason.UNKNOWN_SCHEMA_ID)
    counted = unknown.groupBy("schema_id").count().orderBy(sf.desc("count")).limit(_IDS_ASKED_FOR)
    return [row.schema_id for row in counted.collect()]


def _as_messages(rows: DataFrame) -> DataFrame:
    """Staged messages with the names the Kafka source gives them."""
    return rows.select(
        "key",
        "value",
        sf.col("kafka_partition").alias("partition"),
        sf.col("kafka_offset").alias("offset"),
        sf.col("kafka_timestamp").alias("timestamp"),
    )


def _newer(before_ms: dict[int, int], now_ms: dict[int, int]) -> dict[int, int]:
    partitions = sorted(before_ms.keys() | now_ms.keys())
    return {p: max(filter(None, (before_ms.get(p), now_ms.get(p)))) for p in partitions}


def _rows_and_late(files: list[Path]) -> tuple[int, int]:
    """How many rows files of events hold, and how many of them are late; read from their footers."""
    rows = late = 0
    for file in files:
        metadata = pq.read_metadata(file)
        column = metadata.schema.names.index("late_at")
        rows += metadata.num_rows
        for group in range(metadata.num_row_groups):
            statistics = metadata.row_group(group).column(column).statistics
            assert statistics is not None
            late += statistics.num_values
    return rows, late
