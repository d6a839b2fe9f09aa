"""What a batch holds, in one small pass: counts, times and offsets."""

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as sf

from clickwatch_streaming.decode import BadReason
from clickwatch_streaming.lake_folder import SLOT_MS


@dataclass(frozen=True)
class BatchSummary:
    """A batch in numbers.

    Attributes:
        valid: messages that are events, duplicates among them.
        bad: reason → messages, heartbeats among them.
        next_offsets: per Kafka partition the first offset after the batch.
        newest_ms: per Kafka partition the newest time of an event; only partitions that have one.
        heartbeat_ms: Kafka timestamp of the newest heartbeat.
        slots: time slots (`timestamp_ms // SLOT_MS`) that events lie in.
    """

    valid: int
    bad: dict[str, int]
    next_offsets: dict[int, int]
    newest_ms: dict[int, int]
    heartbeat_ms: int | None
    slots: frozenset[int]

    @property
    def heartbeats(self) -> int:
        """Messages that only move the time."""
        return self.bad.get(BadReason.HEARTBEAT, 0)

    @property
    def dead_letters(self) -> int:
        """Messages that are neither events nor heartbeats."""
        return sum(self.bad.values()) - self.heartbeats


def batch_summary(messages: DataFrame) -> BatchSummary:
    """Return the summary of decoded messages (columns: see `decode.decoded`)."""
    is_good = sf.col("bad_reason").isNull()
    slot = sf.when(is_good, sf.floor(sf.unix_millis("timestamp") / SLOT_MS).cast("long"))
    groups = messages.groupBy("kafka_partition", "bad_reason", slot.alias("slot")).agg(
        sf.count(sf.lit(1)).alias("messages"),
        sf.max("kafka_offset").alias("last_offset"),
        sf.max(sf.unix_millis("timestamp")).alias("newest_ms"),
        sf.max(sf.unix_millis("kafka_timestamp")).alias("newest_kafka_ms"),
    )
    return _summary(groups.collect())


def _summary(groups: Iterable[Row]) -> BatchSummary:
    bad: dict[str, int] = {}
    next_offsets: dict[int, int] = {}
    newest_ms: dict[int, int] = {}
    heartbeats_ms: list[int] = []
    slots: set[int] = set()
    valid = 0
    for group in groups:
        partition = group.kafka_partition
        next_offsets[partition] = max(next_offsets.get(partition, 0), group.last_offset + 1)
        if group.bad_reason is None:
            valid += group.messages
            newest_ms[partition] = max(newest_ms.get(partition, group.newest_ms), group.newest_ms)
            slots.add(group.slot)
        else:
            bad[group.bad_reason] = bad.get(group.bad_reason, 0) + group.messages
        if group.bad_reason == BadReason.HEARTBEAT:
            heartbeats_ms.append(group.newest_kafka_ms)
    return BatchSummary(valid, bad, next_offsets, newest_ms, max(heartbeats_ms, default=None), frozenset(slots))
