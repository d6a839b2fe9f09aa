"""What the service asks the broker itself; events and hints go through Spark."""

import threading
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple

import structlog
from clickwatch_kafka import KafkaConnection, Reach, consumer, producer, refusal
from clickwatch_service import UserError
from confluent_kafka import (
    OFFSET_BEGINNING,
    KafkaError,
    Message,
    TopicPartition,
)

from clickwatch_streaming.waiting import waited_for

log = structlog.get_logger()

HEARTBEAT_KEY = b"clickwatch-heartbeat"
NUDGE_KEY = b"clickwatch-nudge"
"""Key of an empty message that only makes the lake take its next batch."""


class Record(NamedTuple):
    """A record of a topic, as far as the projector needs it."""

    partition: int
    offset: int
    value: bytes | None
    key: bytes | None = None
    timestamp_ms: int = 0
    headers: Mapping[str, bytes] = {}


def wait_for_topics(
    kafka: KafkaConnection, topics: Iterable[str], limit: timedelta, stop: threading.Event
) -> dict[str, int]:
    """How many partitions each topic has, once the broker answers and all are there.

    Raises:
        UserError: they are not there after `limit`; it says which, or that no broker answers.
        KafkaRefused: the broker does not let us in, or hides one of them from us.
    """
    reach = Reach(kafka)
    missing = "no broker answers"
    found: dict[str, int] = {}

    def look() -> bool:
        nonlocal missing, found
        metadata = reach.metadata()
        if metadata is None:
            missing = "no broker answers"
            return False
        known = metadata.topics
        for topic in topics:
            if topic not in known:
                reach.require_visible(topic)
        found = {topic: len(known[topic].partitions) for topic in topics if topic in known}
        missing = "topic missing: " + ", ".join(topic for topic in topics if topic not in known)
        return all(topic in found for topic in topics)

    def say() -> None:
        log.info("waiting for Kafka", address=kafka.bootstrap_servers, reason=missing)

    if not waited_for(look, limit, stop, say) and not stop.is_set():
        raise UserError(
            f"KAFKA_BOOTSTRAP_SERVERS={kafka.bootstrap_servers!r}: {missing} (waited {limit.total_seconds():.0f} s); "
            "start the broker and create the topics, or set WAIT_TIMEOUT"
        )
    return found


class Heartbeat:
    """Tells the lake query how late it is where no shopper does: an empty message with a key of its own."""

    def __init__(self, kafka: KafkaConnection, topic: str) -> None:
        """Send to `topic`."""
        self._topic = topic
        self._producer = producer(kafka)

    def beat(self) -> None:
        """Send one; the broker's time on it is what counts. One that is lost is made up for by the next."""
        self._send(HEARTBEAT_KEY)

    def nudge(self) -> None:
        """Send an empty message that closes no window, so that the lake query has a reason for a batch."""
        self._send(NUDGE_KEY)

    def _send(self, key: bytes) -> None:
        self._producer.produce(self._topic, None, key)
        self._producer.poll(0)

    def close(self) -> None:
        """Send what is waiting, for a second at most."""
        self._producer.flush(1)


class TopicReader:
    """Reads a topic's partitions from given offsets; commits nothing to the broker."""

    def __init__(self, kafka: KafkaConnection, topic: str, next_offsets: Mapping[int, int]) -> None:
        """Read `topic` from `next_offsets` on."""
        self._kafka = kafka
        self._topic = topic
        self._consumer = consumer(
            kafka,
            {
                "group.id": "clickwatch-projector",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
                "log_level": 2,
            },
        )
        self._consumer.assign(
            [TopicPartition(topic, p, offset or OFFSET_BEGINNING) for p, offset in next_offsets.items()]
        )

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()

    def read(self, most: int, idle: timedelta, linger: timedelta) -> list[Record]:
        """Up to `most` records: those that arrive within `linger` of the first, none after `idle`.

        Raises:
            UserError: the offset is not in the topic any more.
        KafkaRefused: we may not read it.
            KafkaException: another failure that does not pass by itself.
        """
        first = self._consumer.poll(idle.total_seconds())
        if first is None:
            return []
        messages = [first, *self._consumer.consume(most - 1, linger.total_seconds())]
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                partition, offset = message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                records.append(_record(message, partition, offset))
            elif error.code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
                raise UserError(
                    f"topic {self._topic} does not hold the offset that table stream_offsets names ({error.str()}): "
                    "it was made anew or cut; delete its rows from stream_offsets to read it from its start"
                )
            elif (refused := refusal(self._kafka, error, f"read topic {self._topic}")) is not None:
                raise refused
            elif not error.retriable() and error.code() != KafkaError._ALL_BROKERS_DOWN:
                log.warning("alerts topic not read", reason=error.str())
        return records


def _record(message: Message, partition: int, offset: int) -> Record:
    # The library's types allow text where it hands out bytes.
    key, value = message.key(), message.value()
    return Record(
        partition,
        offset,
        value.encode() if isinstance(value, str) else value,
        key.encode() if isinstance(key, str) else key,
        message.timestamp()[1],
        {name: content for name, content in dict(message.headers() or []).items() if isinstance(content, bytes)},
    )
