"""How far a query has come, from its checkpoint, and how much it has still to read."""

import json
import shutil
from pathlib import Path

from clickwatch_kafka import KafkaConnection, consumer
from confluent_kafka import TopicPartition


def unread_messages(checkpoint: Path, kafka: KafkaConnection, topic: str) -> int:
    """Messages in `topic` past what the query has committed; all there are, without a checkpoint.

    Raises:
        KafkaException: the broker does not answer.
    """
    committed = committed_offsets(checkpoint, topic)
    reader = consumer(kafka, {"group.id": "clickwatch-backlog", "log_level": 0})
    try:
        unread = 0
        for partition in reader.list_topics(topic, timeout=10).topics[topic].partitions:
            first, end = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            unread += end - max(first, committed.get(partition, 0))
    finally:
        reader.close()
    return unread


def committed_offsets(checkpoint: Path, topic: str) -> dict[int, int]:
    """Next offset per partition after the last batch the query has committed; none before the first.

    Spark's logs: `commits/N` stands for a committed batch, `offsets/N` holds where it ended, one line
    for each source after two of its own.
    """
    batches = _committed_batches(checkpoint)
    if not batches:
        return {}
    lines = (checkpoint / "offsets" / str(max(batches))).read_text("utf-8").splitlines()
    offsets = json.loads(lines[2])
    return {int(partition): offset for partition, offset in offsets.get(topic, {}).items()}


def committed_watermark_ms(checkpoint: Path) -> int | None:
    """The watermark after the last batch the query has committed; None before the first.

    Spark's log: after a line of its own `commits/N` holds the watermark of the batch after.
    """
    batches = _committed_batches(checkpoint)
    if not batches:
        return None
    line = (checkpoint / "commits" / str(max(batches))).read_text("utf-8").splitlines()[1]
    return int(json.loads(line)["nextBatchWatermarkMs"])


def discard_unless_committed(checkpoint: Path) -> None:
    """Remove a checkpoint whose first batch was never committed.

    Killed in its first batch, Real-Time Mode leaves state but no offsets, and Spark begins no batch 0
    where there is state. Nothing is lost: the topic is read from its start again.
    """
    if not _committed_batches(checkpoint):
        shutil.rmtree(checkpoint, ignore_errors=True)


def _committed_batches(checkpoint: Path) -> list[int]:
    return [int(file.name) for file in (checkpoint / "commits").glob("*") if file.name.isdigit()]
