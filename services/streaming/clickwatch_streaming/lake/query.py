"""The event lake: valid events and closed windows as Parquet, bad messages to the dead-letter topic.

A streaming query without state in Spark hands over one batch a minute; each is made whole in staging,
sealed, and then published. Before the seal nothing of a batch is visible and a kill starts it anew;
after the seal it is never made again, only published, and every step of that can be taken twice.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog
from clickwatch_events import HotWindow
from clickwatch_events.avro import HotWindowCodec
from clickwatch_events.registry import Registry
from clickwatch_kafka import spark_options
from clickwatch_service import UserError
from clickwatch_service.pseudonyms import Pseudonyms
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from clickwatch_streaming.dead_letters.topic import DeadLetter, DeadLetterFile, DeadLetterTopic
from clickwatch_streaming.events.writer_schemas import WriterSchemas
from clickwatch_streaming.lake.batch import DEAD_LETTERS, BatchWriter, Rules
from clickwatch_streaming.lake.closed_windows import HotWindowTopic, hot_windows_in
from clickwatch_streaming.lake.folder import LakeFolder
from clickwatch_streaming.lake.record import BatchRecord
from clickwatch_streaming.settings import Settings

log = structlog.get_logger()


class DeadLetterSink(Protocol):
    """Where bad messages go; see `dead_letters.topic.DeadLetterTopic`."""

    def send(self, letters: Iterable[DeadLetter], next_offsets: Mapping[int, int]) -> int:
        """Send those not sent before; return how many."""
        ...


class HotWindowSink(Protocol):
    """Where closed windows are announced; see `closed_windows.HotWindowTopic`."""

    def send(self, windows: Iterable[HotWindow]) -> None:
        """Send them all."""
        ...


def _pass(step: str) -> None:
    """Let every step happen."""


@dataclass(frozen=True)
class Lake:
    """Takes batches of messages, in the order of their ids.

    Attributes:
        folder: where the files are.
        writer: makes a batch.
        dead_letters: takes bad messages.
        hot_windows: is told closed windows.
        query_id: returns the id of the checkpoint that batches come from.
        before: called with the name of each step before it is taken; a test ends the world there.
    """

    folder: LakeFolder
    writer: BatchWriter
    dead_letters: DeadLetterSink
    hot_windows: HotWindowSink
    query_id: Callable[[], str]
    before: Callable[[str], None] = _pass

    def take(self, messages: DataFrame, batch_id: int) -> None:
        """Bring a batch into the lake; taking it again changes nothing.

        Raises:
            UserError: the lake was written from another checkpoint.
        """
        with self.folder.locked():
            previous = self._previous(batch_id)
            if previous.batch_id >= batch_id:
                return
            record = self.folder.sealed_batch(batch_id)
            if record is None:
                self.before("write")
                record = self.writer.write(messages, previous)
                self.before("seal")
                self.folder.seal(record)
            self._finish(record)

    def _finish(self, record: BatchRecord) -> None:
        batch_id = record.batch_id
        self.before("send dead letters")
        sent = self.dead_letters.send(DeadLetterFile(self.folder.staged(batch_id) / DEAD_LETTERS), record.next_offsets)
        # Before the files move: one that has moved says that its windows are announced.
        self.before("send windows")
        self.hot_windows.send(hot_windows_in(self.folder.unpublished(batch_id, self.folder.window_stats)))
        self.before("publish")
        for file in self.folder.publish(batch_id):
            self.before(f"go on after {file.name}")
        self.before("complete")
        self.folder.complete(record)
        log.info(
            "lake batch completed",
            batch_id=batch_id,
            dead_letters_sent=sent,
            parked=record.parked,
            **record.counts.model_dump(),
        )

    def _previous(self, batch_id: int) -> BatchRecord:
        query_id = self.query_id()
        last = self.folder.last_batch()
        if last is None and batch_id == 0:
            return BatchRecord(batch_id=-1, query_id=query_id)
        if last is None or last.query_id != query_id or last.batch_id + 1 < batch_id:
            raise UserError(
                f"{self.folder.root} was not written from this checkpoint (batch {batch_id} of query {query_id}): "
                "restore the lake and the checkpoint that belong together, or remove both"
            )
        return last


def start(
    spark: SparkSession,
    settings: Settings,
    registry: Registry,
    *,
    alerts_schema_id: int,
    known: Mapping[int, str],
) -> StreamingQuery:
    """Start the query that fills the lake.

    `known` are writer schemas by id that need not be asked for; closed windows are framed with
    `alerts_schema_id`.

    Raises:
        UserError: the topic does not exist, or a server does not answer.
    """
    checkpoint = settings.checkpoints_dir / "lake"
    folder = LakeFolder(settings.lake_dir)
    folder.clear_leftovers()
    dead_letters = DeadLetterTopic(settings.kafka, settings.kafka_topic, settings.dead_letter_topic)
    writers = WriterSchemas(registry, spark, settings.registry_poll_interval)
    writers.remember(known)
    lake = Lake(
        folder,
        BatchWriter(spark, folder, writers, rules(settings), dead_letters.source_partitions()),
        dead_letters,
        HotWindowTopic(settings.kafka, settings.alerts_topic, HotWindowCodec(alerts_schema_id)),
        lambda: checkpoint_id(checkpoint),
    )
    messages = (
        spark.readStream.format("kafka")
        .options(**spark_options(settings.kafka))
        .option("subscribe", settings.kafka_topic)
        .option("startingOffsets", "earliest")
        .option("failOnDataLoss", "true")
        .option("includeHeaders", "true")  # a replayed dead letter says so there
        # The connector asks for its position after each poll; 500 records a poll is dear.
        .option("kafka.max.poll.records", "5000")
        .load()
    )
    return (
        messages.writeStream.queryName("lake")
        .foreachBatch(lake.take)
        .option("checkpointLocation", str(checkpoint))
        .trigger(processingTime=f"{settings.lake_interval.total_seconds() * 1000:.0f} milliseconds")
        .start()
    )


def waits_for_registry(settings: Settings) -> bool:
    """Whether the lake has put messages aside that only the registry can tell apart."""
    last = LakeFolder(settings.lake_dir).last_batch()
    return last is not None and last.parked > 0


def rules(settings: Settings) -> Rules:
    """The part of the settings that decides which message counts where."""
    return Rules(
        window=settings.window_duration,
        slide=settings.slide_duration,
        watermark=settings.watermark,
        max_future=settings.max_future,
        unknown_event_type=settings.unknown_event_type,
        pseudonyms=None if settings.user_id_key_file is None else Pseudonyms.from_file(settings.user_id_key_file),
    )


def checkpoint_id(checkpoint: Path) -> str:
    """The id Spark gave a checkpoint when it made it."""
    return str(json.loads((checkpoint / "metadata").read_text("utf-8"))["id"])
