"""One batch of messages, made into files.

Spark reads Kafka once and writes every message decoded into staging; DuckDB does the rest from there
(`tables.py`). Nothing here is visible to anyone: `query.py` publishes what this module wrote.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pyarrow.parquet as pq
from clickwatch_service.pseudonyms import Pseudonyms
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf

from clickwatch_streaming.dead_letters.topic import REPLAYED_FROM, REPLAYS
from clickwatch_streaming.events.decode import CARRIED, BadReason, decoded
from clickwatch_streaming.events.user_ids import pseudonym
from clickwatch_streaming.events.writer_schemas import HIGHEST_ID, WriterSchemas
from clickwatch_streaming.lake.folder import SLOT_MS, LakeFolder
from clickwatch_streaming.lake.lateness import closed_until
from clickwatch_streaming.lake.record import BatchRecord, Counts, SchemaUse
from clickwatch_streaming.lake.summary import BatchSummary
from clickwatch_streaming.lake.tables import BatchTables
from clickwatch_streaming.settings import UnknownEventType

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
        pseudonyms: what users are called in the lake; None: as they are in the events.
    """

    window: timedelta
    slide: timedelta
    watermark: timedelta
    max_future: timedelta
    unknown_event_type: UnknownEventType
    pseudonyms: Pseudonyms | None = None


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
            # A name of its own: on a cluster tasks may outlive the driver that they wrote for.
            attempt = staging / f"decoding-{uuid4().hex}"
            summary = self._decode(messages, self.folder.parked(previous.batch_id), tables, attempt)
            if summary.parked:
                tables.write_parked(self.folder.staged_parked(batch_id))
            if summary.dead_letters:
                tables.write_dead_letters(staging / DEAD_LETTERS)
                tables.write_dead_letter_events(staging / "dead_letter_events")
                self.folder.lay_out(batch_id, self.folder.dead_letters, staging / "dead_letter_events")
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
            schemas = _used(previous.schemas, tables.schema_use())
        return BatchRecord(
            batch_id=batch_id,
            query_id=previous.query_id,
            next_offsets=_newer(previous.next_offsets, summary.next_offsets),
            newest_ms=newest_ms,
            heartbeat_ms=heartbeat_ms,
            closed_until_ms=until_ms,
            parked=summary.parked,
            counts=counts,
            totals=previous.totals + counts,
            reasons=_added(previous.reasons, summary.reasons),
            schemas=schemas,
        )

    def _decode(self, messages: DataFrame, parked: Path, tables: BatchTables, attempt: Path) -> BatchSummary:
        """Decode a batch, and with it what earlier ones had parked; look up the schemas they name."""
        folders = [attempt / "decoded"]
        schema = self._stage(_with_origin(messages), folders[0]).schema
        if parked.exists():
            folders.append(attempt / "unparked")
            self._stage(self.spark.read.parquet(str(parked)), folders[1])
        tables.set_decoded(folders)
        summary = tables.summary()
        if BadReason.UNKNOWN_SCHEMA_ID not in summary.bad:
            return summary
        answers = self.writers.learn(tables.unknown_ids())
        if answers.complete and not answers.learnt:
            return summary
        rows = self.spark.read.schema(schema).parquet(*(str(folder) for folder in folders))
        reason, schema_id = sf.col("bad_reason"), sf.col("schema_id")
        is_unknown = sf.coalesce(reason == BadReason.UNKNOWN_SCHEMA_ID, sf.lit(False))
        is_readable = is_unknown & schema_id.isin(answers.learnt)
        kept = rows.where(~is_readable)
        if not answers.complete:
            is_open = is_unknown & (schema_id <= HIGHEST_ID) & ~schema_id.isin(answers.missing)
            kept = kept.withColumn("bad_reason", sf.when(is_open, BadReason.PARKED).otherwise(reason))
        again = attempt / "decoded_again"
        kept.write.options(**_STAGED).parquet(str(again / "kept"))
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
        if self.rules.pseudonyms is not None:
            rows = rows.withColumn("user_id", pseudonym(sf.col("user_id"), self.rules.pseudonyms))
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


def _added(before: Mapping[str, int], now: Mapping[str, int]) -> dict[str, int]:
    return {reason: before.get(reason, 0) + now.get(reason, 0) for reason in sorted(before.keys() | now.keys())}


def _used(before: Mapping[int, SchemaUse], now: Mapping[int, SchemaUse]) -> dict[int, SchemaUse]:
    none = SchemaUse(messages=0, last_ms=0)
    pairs = {one: (before.get(one, none), now.get(one, none)) for one in sorted(before.keys() | now.keys())}
    return {
        one: SchemaUse(messages=old.messages + new.messages, last_ms=max(old.last_ms, new.last_ms))
        for one, (old, new) in pairs.items()
    }


def _rows(files: list[Path]) -> int:
    return sum(pq.read_metadata(file).num_rows for file in files)


def _with_origin(messages: DataFrame) -> DataFrame:
    """Messages with what their headers say of an earlier life as a dead letter (columns CARRIED)."""
    if "headers" in messages.columns:
        replays, replayed_from = (_header(name) for name in (REPLAYS, REPLAYED_FROM))
    else:
        replays = replayed_from = sf.lit(None).cast("string")
    return messages.withColumns(
        {
            "replays": sf.coalesce(replays.try_cast("int"), sf.lit(0)),
            "replayed_from": replayed_from,
            "was_parked": sf.lit(False),
        }
    )


def _header(name: str) -> Column:
    named = sf.filter("headers", lambda header: header["key"] == name)
    return sf.get(named, sf.lit(0))["value"].cast("string")


def _as_messages(rows: DataFrame) -> DataFrame:
    """Staged messages with the names the Kafka source gives them."""
    return rows.select(
        "key",
        "value",
        sf.col("kafka_partition").alias("partition"),
        sf.col("kafka_offset").alias("offset"),
        sf.col("kafka_timestamp").alias("timestamp"),
        *CARRIED,
    )


def _newer(before: dict[int, int], now: dict[int, int]) -> dict[int, int]:
    partitions = sorted(before.keys() | now.keys())
    return {p: max(found[p] for found in (before, now) if p in found) for p in partitions}
