"""Messages that are no events, sent to the dead-letter topic: each exactly once, whatever is killed.

A batch's dead letters and the batch's end offsets are committed in one Kafka transaction, the offsets
under the consumer group of the lake. After a kill the group says which messages have been dealt with,
so none is sent twice; what was sent without being committed is never seen by a `read_committed`
consumer. The group's lag is also how far the lake is behind, for any Kafka tool.

A producer that has lived through a broker's hard kill may hang in `send_offsets_to_transaction`: librdkafka
looks for the group's coordinator, keeps a time limit for that which it never looks at, and asks again only
when a connection opens or closes, some ten minutes later. So each call has a limit here, and after any
failure the producer is left behind and made anew with the same transactional id, which ends what the old
one had begun.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

import pyarrow.parquet as pq
import structlog
from clickwatch_kafka import KafkaConnection, KafkaRefused, consumer, producer, refusal
from clickwatch_service import UserError
from clickwatch_service.limits import TookTooLong, within
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_exponential,
)

log = structlog.get_logger()

PATIENCE_SECONDS = 120.0
"""How long a batch's dead letters are tried to be sent; a broker that was killed is back in a fraction of that."""
TRANSACTION_SECONDS = 300
"""How long a transaction may stay open; a million dead letters were seen to take 15 s."""
_CALL_SECONDS = 10.0
_FULL_QUEUE_WAIT_SECONDS = 1.0
_MOVING_COORDINATOR = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)
_T = TypeVar("_T")

DETAIL = "detail"
"""Header that says more than the reason, where there is more: the field and its rule, or a store's words."""
REPLAYS = "replays"
"""Header of a message sent again: how often it has been by now."""
REPLAYED_FROM = "replayed_from"
"""Header of a message sent again: partition:offset of the dead letter it was."""


class DeadLetter(NamedTuple):
    """A message that is no event, and why.

    Attributes:
        reason: see `events.decode.BadReason`.
        kafka_partition: where it was.
        kafka_offset: where it was.
        kafka_timestamp: when the broker or the producer stamped it.
        schema_id: the writer schema its header names, None without a header.
        key: its key, byte for byte.
        value: its value, byte for byte.
        replays: how often it was sent again as a dead letter.
        replayed_from: partition:offset of the dead letter it was.
        was_parked: it came with an earlier batch, which could not tell what it was.
        detail: what the reason says more, such as `product_id: control_character`.
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
    detail: str | None = None

    def without_value(self) -> "DeadLetter":
        """The same letter for a topic that does not take messages of this size; the original says the rest."""
        size = len(self.value or b"")
        words = f"value of {size} bytes left out, larger than the topic takes; it stands where it came from"
        return self._replace(value=None, detail=words if self.detail is None else f"{self.detail}; {words}")

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
        if self.detail is not None:
            headers.append((DETAIL, self.detail))
        if self.replays:
            headers += [(REPLAYS, str(self.replays)), (REPLAYED_FROM, self.replayed_from or "")]
        return headers


class DeadLetterFile:
    """Dead letters in a Parquet file, none where it does not exist; can be read again and again."""

    def __init__(self, file: Path) -> None:
        """Read `file`."""
        self._file = file

    def __iter__(self) -> Iterator[DeadLetter]:
        """Yield them in the file's order, a few thousand in memory at a time."""
        if not self._file.exists():
            return
        with pq.ParquetFile(self._file) as parquet:
            # A batch that an earlier release sealed has no column for what was added since.
            names = [name for name in DeadLetter._fields if name in parquet.schema_arrow.names]
            for rows in parquet.iter_batches(batch_size=4096, columns=names):
                for row in rows.to_pylist():
                    yield DeadLetter(**row)


class DeadLetterTopic:
    """The transactional producer of dead letters; one at a time for a topic, a newer one fences it."""

    def __init__(self, kafka: KafkaConnection, source_topic: str, topic: str, sender: str = "lake") -> None:
        """Send what `source_topic` should not have had to `topic`; `sender` is who reads it.

        Raises:
            UserError: the broker does not answer.
        """
        self._kafka = kafka
        self._source_topic = source_topic
        self._topic = topic
        self._group = f"clickwatch-{sender}-{source_topic}"
        self._producer: Producer | None = None
        self._too_large: set[tuple[int, int]] = set()
        self._consumer = self._new_consumer()
        try:
            self._producer = self._patiently(self._new_producer)
        except UserError:
            self._consumer.close()
            raise

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
        found = self._consumer.list_topics(self._source_topic, _CALL_SECONDS).topics[self._source_topic]
        if found.error is not None:
            raise UserError(f"KAFKA_TOPIC={self._source_topic!r}: {found.error.str()}; create the topic first")
        return len(found.partitions)

    def send(self, letters: Iterable[DeadLetter], next_offsets: Mapping[int, int]) -> int:
        """Send those letters that have not been sent before; return how many those were.

        Args:
            letters: all of a batch, in any order; read anew for each attempt, so no iterator.
            next_offsets: per source partition the first offset after the batch.

        Raises:
            UserError: the broker took none within PATIENCE_SECONDS; nothing has been sent.
        """
        if isinstance(letters, Iterator):
            raise TypeError("an iterator has nothing left for a second attempt")
        return self._patiently(lambda: self._attempt(letters, next_offsets))

    def _patiently(self, attempt: Callable[[], _T]) -> _T:
        """What an attempt returns; where it fails it is made again, with a new producer and a new consumer."""

        def leave_behind(state: RetryCallState) -> None:
            self._producer = None
            # It looks for the group's coordinator by the same code as the producer, and may not find it again either.
            old, self._consumer = self._consumer, self._new_consumer()
            with suppress(TookTooLong):
                within(_CALL_SECONDS, "leaving the broker", old.close)
            error = state.outcome.exception() if state.outcome else None
            log.warning("dead letters wait for Kafka", reason=str(error))

        try:
            return Retrying(
                retry=retry_if_exception(self._may_pass),
                stop=stop_after_delay(PATIENCE_SECONDS),
                wait=wait_exponential(multiplier=0.1, max=2),
                before_sleep=leave_behind,
                reraise=True,
            )(attempt)
        except (KafkaException, TookTooLong) as error:
            refused = self._refusal(error)
            if refused is not None:
                raise refused from error
            raise UserError(
                f"Kafka at {self._kafka.bootstrap_servers} has taken no dead letters for {PATIENCE_SECONDS:g} s "
                f"({error}): see that it answers and allows transactions"
            ) from error

    def _may_pass(self, error: BaseException) -> bool:
        return isinstance(error, (KafkaException, TookTooLong)) and self._refusal(error) is None

    def _refusal(self, error: BaseException) -> KafkaRefused | None:
        if not isinstance(error, KafkaException):
            return None
        asked = f"write dead letters to {self._topic} by group and transactional id {self._group}"
        return refusal(self._kafka, error.args[0], asked)

    def _attempt(self, letters: Iterable[DeadLetter], next_offsets: Mapping[int, int]) -> int:
        producer = self._producer = self._producer or self._new_producer()
        done = self._committed(next_offsets)
        if all(done[partition] >= offset for partition, offset in next_offsets.items()):
            return 0
        producer.begin_transaction()
        sent = 0
        for letter in letters:
            if letter.was_parked or letter.kafka_offset >= done[letter.kafka_partition]:
                self._produce(producer, letter)
                sent += 1
        offsets = [TopicPartition(self._source_topic, p, offset) for p, offset in next_offsets.items()]
        group = self._consumer.consumer_group_metadata()
        _in_time("sending offsets", lambda: producer.send_offsets_to_transaction(offsets, group, _CALL_SECONDS))
        _in_time("committing", lambda: producer.commit_transaction(_CALL_SECONDS))
        return sent

    def _new_consumer(self, isolation_level: str = "read_committed") -> Consumer:
        return consumer(
            self._kafka,
            {
                "group.id": self._group,
                "enable.auto.commit": False,
                "isolation.level": isolation_level,
                "log_level": 2,
            },
        )

    def _new_producer(self) -> Producer:
        made = producer(
            self._kafka,
            {
                "transactional.id": self._group,
                "transaction.timeout.ms": TRANSACTION_SECONDS * 1000,
                "linger.ms": 20,
                "compression.type": "lz4",
                "queue.buffering.max.kbytes": 32_768,
                "message.max.bytes": 20_000_000,  # the topic's own limit is what counts
                # A letter that is too large fails with the batch it is in; small ones do not share one with it.
                "batch.size": 100_000,
                "log_level": 2,
            },
        )
        # Also ends what a predecessor had begun, killed or left behind, so that the group's offsets are final.
        _in_time("beginning transactions", lambda: made.init_transactions(_CALL_SECONDS))
        return made

    def _committed(self, partitions: Iterable[int]) -> dict[int, int]:
        asked = [TopicPartition(self._source_topic, partition) for partition in partitions]
        try:
            found = self._offsets(self._consumer, asked)
        except KafkaException as error:
            if error.args[0].code() != KafkaError._TIMED_OUT:
                raise
            # A broker that was killed in the instant after a commit can keep calling these offsets unstable
            # until the next transaction of this producer ends. Asked for as they are, they are never too new,
            # so no letter is left out. One may be sent twice where the service was killed in that instant too.
            with closing(self._new_consumer("read_uncommitted")) as consumer:
                found = self._offsets(consumer, asked)
            log.warning("offsets_taken_as_they_are", offsets=[partition.offset for partition in found])
        return {partition.partition: partition.offset for partition in found}

    def _offsets(self, consumer: Consumer, asked: list[TopicPartition]) -> list[TopicPartition]:
        # A broker that just started or moved the group's coordinator says so, and is asked again.
        ask = Retrying(
            retry=retry_if_exception(_is_moving_coordinator),
            stop=stop_after_delay(_CALL_SECONDS),
            wait=wait_exponential(multiplier=0.1, max=2),
            reraise=True,
        ).wraps(lambda: consumer.committed(asked, _CALL_SECONDS))
        return within(3 * _CALL_SECONDS, "reading the group's offsets", ask)

    def _produce(self, producer: Producer, letter: DeadLetter) -> None:
        position = (letter.kafka_partition, letter.kafka_offset)

        def note(error: KafkaError | None, message: Message) -> None:
            # The transaction fails with it; the next attempt leaves the value out.
            if error is not None and error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                self._too_large.add(position)

        full_until = monotonic() + _CALL_SECONDS
        while True:
            try:
                sent = letter.without_value() if position in self._too_large else letter
                headers = sent.headers(self._source_topic)
                producer.produce(self._topic, sent.value, sent.key, headers=headers, on_delivery=note)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.MSG_SIZE_TOO_LARGE or position in self._too_large:
                    raise
                self._too_large.add(position)
            except BufferError:
                if monotonic() > full_until:
                    raise TookTooLong(f"the broker took nothing for {_CALL_SECONDS:g} s") from None
                producer.poll(_FULL_QUEUE_WAIT_SECONDS)
            else:
                producer.poll(0)
                return


def _is_moving_coordinator(error: BaseException) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in _MOVING_COORDINATOR


def _in_time(what: str, call: Callable[[], _T]) -> _T:
    # The library's own limit goes first where it holds; its error says more.
    return within(_CALL_SECONDS + 1, what, call)
