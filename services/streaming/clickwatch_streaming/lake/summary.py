"""What a batch holds, in numbers: counts, times and offsets."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from clickwatch_streaming.events.decode import NO_FAULT, BadReason


class MessageGroup(NamedTuple):
    """Messages of one Kafka partition that are bad for one reason, or good and of one time slot.

    Attributes:
        kafka_partition: the partition.
        bad_reason: see `events.decode.BadReason`; None for events.
        slot: the time slot of events (`timestamp_ms // SLOT_MS`).
        messages: how many there are.
        last_offset: the highest offset of them.
        oldest_ms: the oldest event time.
        newest_ms: the newest event time.
        newest_kafka_ms: the newest Kafka timestamp.
    """

    kafka_partition: int
    bad_reason: str | None
    slot: int | None
    messages: int
    last_offset: int
    oldest_ms: int | None
    newest_ms: int | None
    newest_kafka_ms: int


@dataclass(frozen=True)
class BatchSummary:
    """A batch in numbers.

    Attributes:
        valid: messages that are events, duplicates among them.
        bad: reason → messages, heartbeats among them.
        next_offsets: per Kafka partition the first offset after the batch.
        oldest_ms: the oldest time of an event.
        newest_ms: per Kafka partition the newest time of an event; only partitions that have one.
        heartbeat_ms: Kafka timestamp of the newest heartbeat.
        slots: time slots that events lie in.
    """

    valid: int
    bad: dict[str, int]
    next_offsets: dict[int, int]
    oldest_ms: int | None
    newest_ms: dict[int, int]
    heartbeat_ms: int | None
    slots: frozenset[int]

    @property
    def heartbeats(self) -> int:
        """Messages that only move the time."""
        return self.bad.get(BadReason.HEARTBEAT, 0)

    @property
    def reasons(self) -> dict[str, int]:
        """Messages that are no event by a fault of theirs, by that fault."""
        return {reason: count for reason, count in self.bad.items() if reason not in NO_FAULT}

    @property
    def dead_letters(self) -> int:
        """Messages that are no event by a fault of theirs."""
        return sum(self.reasons.values())

    @property
    def parked(self) -> int:
        """Messages that cannot be told to be events or not before the registry answers."""
        return self.bad.get(BadReason.PARKED, 0)


def batch_summary(groups: Iterable[MessageGroup]) -> BatchSummary:
    """Return the summary of all groups of a batch."""
    good, bad, heartbeats_ms = [], dict[str, int](), []
    next_offsets: dict[int, int] = {}
    newest_ms: dict[int, int] = {}
    for group in groups:
        partition = group.kafka_partition
        next_offsets[partition] = max(next_offsets.get(partition, 0), group.last_offset + 1)
        if group.bad_reason is not None:
            bad[group.bad_reason] = bad.get(group.bad_reason, 0) + group.messages
            if group.bad_reason == BadReason.HEARTBEAT:
                heartbeats_ms.append(group.newest_kafka_ms)
        else:
            good.append(group)
            assert group.newest_ms is not None
            newest_ms[partition] = max(newest_ms.get(partition, group.newest_ms), group.newest_ms)
    return BatchSummary(
        valid=sum(group.messages for group in good),
        bad=bad,
        next_offsets=next_offsets,
        oldest_ms=min((group.oldest_ms for group in good if group.oldest_ms is not None), default=None),
        newest_ms=newest_ms,
        heartbeat_ms=max(heartbeats_ms, default=None),
        slots=frozenset(group.slot for group in good if group.slot is not None),
    )
