"""Messages that are no events, sent to the dead-letter topic: each exactly once, whatever is killed.

A batch's dead letters and the batch's end offsets are committed in one Kafka transaction, the offsets
under the consumer group of the lake. After a kill the group says which messages have been dealt with,
so none is sent twice; what was sent without being committed is never seen by a `read_committed`
consumer. The group's lag is also how far the lake is behind, for any Kafka tool.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow.parquet as pq
from clickwatch_service import UserError
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

_WAIT_SECONDS = 60.0
_FULL_QUEUE_WAIT_SECONDS = 1.0
_MOVING_COORDINATOR = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


REPLAYS = "replays"
"""Header of a message sent again: how often it has been by now."""
REPLAYED_FROM = "replayed_from"
"""Header of a message sent again: partition:offset of the dead letter it was."""


class DeadLetter(NamedTuple):
    """A message that is no event, and why.

    Attributes:
        reason: see `decode.BadReason`.
        kafka_partition: where it was.
        kafka_offset: where it was.
        kafka_timestamp: when the broker or the producer stamped it.
        schema_id: the writer schema its header names, None without a header.
        key: its key, byte for byte.
        value: its value, byte for byte.
        replays: how often it was sent again as a dead letter.
        replayed_from: partition:offset of the dead letter it was.
        was_parked: it came with an earlier batch, which could not tell what it was.
    """

    reason: str
    kafka_partition: int
    kafka_offset: int
    kafka_timestamp: datetime
    schema_id: int | None
    key: bytes | None
    value: bytes | None
    replays: int = 0
    replayed_from: str | None = None
    was_parked: bool = False

    def headers(self, topic: str) -> list[tuple[str, str | bytes | None]]:
        """What the dead-letter topic says of it; `topic` is where it came from."""
        headers: list[tuple[str, str | bytes | None]] = [
            ("reason", self.reason),
            ("topic", topic),
            ("partition", str(self.kafka_partition)),
            ("offset", str(self.kafka_offset)),
            ("schema_id", "" if self.schema_id is None else str(self.schema_id)),
            ("timestamp", self.kafka_timestamp.isoformat(timespec="milliseconds")),
        ]
        if self.replays:
            headers += [(REPLAYS, str(self.replays)), (REPLAYED_FROM, self.replayed_from or "")]
        return headers


def dead_letters_in(file: Path) -> Iterator[DeadLetter]:
    """Read dead letters from a Parquet file if it exists, a few thousand in memory at a time."""
    if not file.exists():
        return
    with pq.ParquetFile(file) as parquet:
        for rows in parquet.iter_batches(batch_size=4096, columns=list(DeadLetter._fields)):
            for values in zip(*(rows[name].to_pylist() for name in DeadLetter._fields), strict=True):
                yield DeadLetter(*values)


def _is_moving_coordinator(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in _MOVING_COORDINATOR


class DeadLetterTopic:
    """The transactional producer of dead letters; one at a time for a topic, a newer one fences it."""

    def __init__(self, bootstrap_servers: str, source_topic: str, topic: str) -> None:
        """Send what `source_topic` should not have had to `topic`.

        Raises:
            UserError: the broker does not answer.
        """
        self._source_topic = source_topic
        self._topic = topic
        group = f"clickwatch-lake-{source_topic}"
        self._consumer = Consumer(
            {"bootstrap.servers": bootstrap_servers, "group.id": group, "enable.auto.commit": False, "log_level": 2}
        )
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "transactional.id": group,
                "transaction.timeout.ms": 600_000,
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.kbytes": 32_768,
                "message.max.bytes": 20_000_000,  # the topic's own limit is what counts
                "log_level": 2,
            }
        )
        try:
            # Also ends what a killed predecessor had begun, so that the group's offsets are final.
            self._producer.init_transactions(_WAIT_SECONDS)
        except KafkaException as error:
            self._consumer.close()
            raise UserError(f"Kafka at {bootstrap_servers} begins no transactions: {error.args[0].str()}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def source_partitions(self) -> int:
        """How many partitions the source topic has.

        Raises:
            UserError: it does not exist.
        """
        found = self._consumer.list_topics(self._source_topic, _WAIT_SECONDS).topics[self._source_topic]
        if found.error is not None:
            raise UserError(f"KAFKA_TOPIC={self._source_topic!r}: {found.error.str()}; create the topic first")
        return len(found.partitions)

    def send(self, letters: Iterable[DeadLetter], next_offsets: Mapping[int, int]) -> int:
        """Send those letters that have not been sent before; return how many those were.

        Args:
            letters: all of a batch, in any order.
            next_offsets: per source partition the first offset after the batch.

        Raises:
            KafkaException: the broker refused; nothing has been sent.
        """
        done = self._committed(next_offsets)
        if all(done[partition] >= offset for partition, offset in next_offsets.items()):
            return 0
        self._producer.begin_transaction()
        try:
            sent = 0
            for letter in letters:
                if letter.was_parked or letter.kafka_offset >= done[letter.kafka_partition]:
                    self._produce(letter)
                    sent += 1
            self._producer.send_offsets_to_transaction(
                [TopicPartition(self._source_topic, p, offset) for p, offset in next_offsets.items()],
                self._consumer.consumer_group_metadata(),
                _WAIT_SECONDS,
            )
            self._producer.commit_transaction()
        except BaseException:
            self._producer.abort_transaction(_WAIT_SECONDS)
            raise
        return sent

    def _committed(self, partitions: Iterable[int]) -> dict[int, int]:
        asked = [TopicPartition(self._source_topic, partition) for partition in partitions]
        # A broker that just started or moved the group's coordinator says so, and is asked again.
        found = Retrying(
            retry=retry_if_exception(_is_moving_coordinator),
            stop=stop_after_delay(_WAIT_SECONDS),
            wait=wait_exponential(multiplier=0.1, max=2),
            reraise=True,
        )(self._consumer.committed, asked, _WAIT_SECONDS)
        return {partition.partition: partition.offset for partition in found}

    def _produce(self, letter: DeadLetter) -> None:
        while True:
            try:
                self._producer.produce(
                    self._topic, letter.value, letter.key, headers=letter.headers(self._source_topic)
                )
            except BufferError:
                self._producer.poll(_FULL_QUEUE_WAIT_SECONDS)
            else:
                self._producer.poll(0)
                return
