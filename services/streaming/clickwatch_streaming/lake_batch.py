"""One batch of messages, made into files.

Spark reads Kafka once and writes every message decoded into staging; DuckDB does the rest from there
(`batch_tables.py`). Nothing here is visible to anyone: `lake.py` publishes what this module wrote.
"""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as sf

from clickwatch_streaming.batch_record import BatchRecord, Counts
from clickwatch_streaming.batch_summary import BatchSummary
from clickwatch_streaming.batch_tables import BatchTables
from clickwatch_streaming.decode import BadReason, decoded
from clickwatch_streaming.lake_folder import SLOT_MS, LakeFolder
from clickwatch_streaming.lateness import closed_until
from clickwatch_streaming.settings import UnknownEventType
from clickwatch_streaming.writer_schemas import WriterSchemas

DEAD_LETTERS = "dead_letters.parquet"
# Ids do not repeat: a dictionary of them is built only to be thrown away.
_STAGED = {"compression": "snappy", "parquet.enable.dictionary#event_id": "false"}
_MS = timedelta(milliseconds=1)


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
        spark: the session messages come from.
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
        (`LakeFolder.publication`) and the dead letters in file `dead_letters.parquet`.
        """
        batch_id = previous.batch_id + 1
        staging = self.folder.stage(batch_id)
        with BatchTables(staging / "scratch") as tables:
            summary = self._decode(messages, tables, staging)
            if summary.dead_letters:
                tables.write_dead_letters(staging / DEAD_LETTERS)
            newest_ms = _newer(previous.newest_ms, summary.newest_ms)
            heartbeat_ms = max(filter(None, (previous.heartbeat_ms, summary.heartbeat_ms)), default=None)
            closed_before_ms = self._closed_before(previous, summary)
            event_files: list[Path] = []
            windows, until_ms = 0, closed_before_ms
            if closed_before_ms is not None:
                event_files = self._write_events(tables, summary, previous, closed_before_ms, staging)
                until_ms = closed_until(
                    closed_before_ms,
                    previous.newest_ms,
                    newest_ms,
                    heartbeat_ms,
                    self.rules.watermark,
                    self.partitions,
                )
                windows = self._write_windows(tables, event_files, batch_id, closed_before_ms, until_ms, staging)
            counts = _counts(summary, _rows(event_files), tables.count_late(event_files), windows)
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

    def _decode(self, messages: DataFrame, tables: BatchTables, staging: Path) -> BatchSummary:
        first, again = staging / "decoded", staging / "decoded_again"
        schema = self._stage(messages, first).schema
        tables.set_decoded([first])
        summary = tables.summary()
        if BadReason.UNKNOWN_SCHEMA_ID not in summary.bad:
            return summary
        learnt = self.writers.learn(tables.unknown_ids())
        if not learnt:
            return summary
        rows = self.spark.read.schema(schema).parquet(str(first))
        is_readable = (sf.col("bad_reason") == BadReason.UNKNOWN_SCHEMA_ID) & sf.col("schema_id").isin(learnt)
        rows.where(~sf.coalesce(is_readable, sf.lit(False))).write.options(**_STAGED).parquet(str(again / "kept"))
        self._stage(_as_messages(rows.where(is_readable)), again / "read")
        tables.set_decoded([again / "kept", again / "read"])
        return tables.summary()

    def _stage(self, messages: DataFrame, folder: Path) -> DataFrame:
        rows = decoded(
            messages,
            self.writers.known,
            max_future=self.rules.max_future,
            unknown_event_type=self.rules.unknown_event_type,
        )
        # The bytes of good messages have done their work.
        is_bad = sf.col("bad_reason").isNotNull()
        slim = rows.withColumns({name: sf.when(is_bad, sf.col(name)) for name in ("key", "value")})
        slim.write.options(**_STAGED).parquet(str(folder))
        return slim

    def _closed_before(self, previous: BatchRecord, summary: BatchSummary) -> int | None:
        """Up to where earlier batches have closed windows.

        Before the first event that is as far back as no window of an event that may still come.
        """
        if previous.closed_until_ms is not None or summary.oldest_ms is None:
            return previous.closed_until_ms
        return summary.oldest_ms - self.rules.watermark // _MS

    def _write_events(
        self, tables: BatchTables, summary: BatchSummary, previous: BatchRecord, closed_before_ms: int, staging: Path
    ) -> list[Path]:
        if not summary.valid:
            return []
        tables.write_events(
            staging / "events",
            self.folder.files_with(summary.slots),
            summary.slots,
            previous.newest_ms,
            closed_before_ms,
            self.rules.watermark // _MS,
        )
        return self.folder.lay_out(previous.batch_id + 1, self.folder.events, staging / "events")

    def _write_windows(
        self,
        tables: BatchTables,
        event_files: list[Path],
        batch_id: int,
        after_ms: int,
        until_ms: int,
        staging: Path,
    ) -> int:
        """Write the windows that close with this batch; return how many there are."""
        if until_ms == after_ms:
            return 0
        length_ms = self.rules.window // _MS
        slots = range((after_ms - length_ms) // SLOT_MS, until_ms // SLOT_MS + 1)
        tables.write_windows(
            staging / "window_stats",
            self.folder.files_with(slots) + event_files,
            after_ms,
            until_ms,
            length_ms,
            self.rules.slide // _MS,
        )
        return _rows(self.folder.lay_out(batch_id, self.folder.window_stats, staging / "window_stats"))


def _counts(summary: BatchSummary, events: int, late: int, windows: int) -> Counts:
    return Counts(
        events=events,
        duplicates=summary.valid - events,
        late=late,
        dead_letters=summary.dead_letters,
        heartbeats=summary.heartbeats,
        windows=windows,
    )


def _rows(files: list[Path]) -> int:
    return sum(pq.read_metadata(file).num_rows for file in files)


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
    return {p: max(ms[p] for ms in (before_ms, now_ms) if p in ms) for p in partitions}
