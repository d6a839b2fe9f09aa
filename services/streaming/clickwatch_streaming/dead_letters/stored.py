"""What lies in the dead-letter topic, and which of it somebody means."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from clickwatch_kafka import KafkaConnection, consumer, refusal
from clickwatch_service import UserError
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Message, TopicPartition

from clickwatch_streaming.dead_letters.topic import DETAIL, REPLAYED_FROM, REPLAYS

_WAIT_SECONDS = 10.0
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Position(NamedTuple):
    """A place in the dead-letter topic, written `partition:offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        """Return it as `parse_position` reads it."""
        return f"{self.partition}:{self.offset}"


def parse_position(text: str) -> Position:
    """Return the position that text such as `0:41` names.

    Raises:
        UserError: it names none.
    """
    position = _position(text)
    if position is None:
        raise UserError(f"{text!r} is no dead letter: say partition:offset, such as 0:41 (`dlq export` tells them)")
    return position


class StoredLetter(NamedTuple):
    """A dead letter as the topic holds it.

    Attributes:
        position: where in the dead-letter topic.
        reason: see `events.decode.BadReason`.
        topic: the topic it came from.
        partition: where it was there.
        offset: where it was there.
        arrived: when it came there (its Kafka timestamp).
        schema_id: the writer schema its header names, as text; empty without a header.
        replays: how often it had been replayed before it was refused this time.
        replayed_from: the dead letter of the time before.
        key: its key, byte for byte.
        value: its value, byte for byte.
        detail: what the reason says more; empty where it says all.
    """

    position: Position
    reason: str
    topic: str
    partition: int
    offset: int
    arrived: datetime
    schema_id: str
    replays: int
    replayed_from: Position | None
    key: bytes | None
    value: bytes | None
    detail: str = ""


@dataclass(frozen=True)
class Selection:
    """Which dead letters are meant; without anything said, all.

    Attributes:
        reasons: only these.
        since: only those that came to their topic then or later.
        until: only those that came before then.
        positions: only these.
    """

    reasons: frozenset[str] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    positions: frozenset[Position] = frozenset()

    def has(self, letter: StoredLetter) -> bool:
        """Whether a dead letter is meant."""
        return (
            (not self.reasons or letter.reason in self.reasons)
            and (self.since is None or letter.arrived >= self.since)
            and (self.until is None or letter.arrived < self.until)
            and (not self.positions or letter.position in self.positions)
        )


@dataclass
class Tally:
    """How many dead letters of a kind there are, and from when to when they came."""

    count: int = 0
    oldest: datetime = field(default=datetime.max.replace(tzinfo=UTC))
    newest: datetime = _NO_TIME

    def add(self, arrived: datetime) -> None:
        """Count one more."""
        self.count += 1
        self.oldest, self.newest = min(self.oldest, arrived), max(self.newest, arrived)


def tallies(letters: Iterable[StoredLetter], bucket: str = "") -> dict[tuple[str, str], Tally]:
    """Count dead letters by stretch of time and reason.

    `bucket` is a format of `strftime` that names the stretch a time lies in, such as `%Y-%m-%d`.
    """
    found: dict[tuple[str, str], Tally] = {}
    for letter in letters:
        found.setdefault((letter.arrived.strftime(bucket), letter.reason), Tally()).add(letter.arrived)
    return dict(sorted(found.items(), key=lambda entry: (entry[0][0], -entry[1].count, entry[0][1])))


def stored_letters(
    kafka: KafkaConnection, topic: str, selection: Selection = Selection()
) -> Iterator[StoredLetter]:  # frozen, so it may be a default
    """Yield the dead letters of committed transactions, as many as there are now.

    Raises:
        UserError: the broker does not answer, or the topic does not exist.
    """
    try:
        with _consumer(kafka) as reader:
            found = reader.list_topics(topic, _WAIT_SECONDS).topics[topic]
            if found.error is not None:
                raise UserError(f"DLQ_TOPIC={topic!r}: {found.error.str()}; create the topic first")
            wanted = {position.partition for position in selection.positions} or set(found.partitions)
            partitions = sorted(wanted & set(found.partitions))
            reader.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
            for message in _messages(reader, len(partitions)):
                letter = _letter(message)
                if selection.has(letter):
                    yield letter
    except KafkaException as error:
        refused = refusal(kafka, error.args[0], f"read topic {topic}")
        if refused is not None:
            raise refused from None
        raise UserError(f"Kafka at {kafka.bootstrap_servers} does not answer: {error.args[0].str()}") from None


@contextmanager
def _consumer(kafka: KafkaConnection) -> Iterator[Consumer]:
    made = consumer(
        kafka,
        {
            "group.id": "clickwatch-dead-letter-list",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "log_level": 0,
        },
    )
    try:
        yield made
    finally:
        made.close()


def _messages(consumer: Consumer, partitions: int) -> Iterator[Message]:
    # A partition that is written to meanwhile ends more than once.
    ended: set[int | None] = set()
    while len(ended) < partitions:
        # One at a time: `consume` of many would wait out its time for more after the last.
        message = consumer.poll(_WAIT_SECONDS)
        if message is None:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        error = message.error()
        if error is None:
            yield message
        elif error.code() == KafkaError._PARTITION_EOF:
            ended.add(message.partition())
        else:
            raise KafkaException(error)


def _letter(message: Message) -> StoredLetter:
    headers = {
        name: value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        for name, value in dict(message.headers() or []).items()
    }
    partition, offset = message.partition(), message.offset()
    assert partition is not None
    assert offset is not None
    key, value = message.key(), message.value()
    return StoredLetter(
        position=Position(partition, offset),
        reason=headers.get("reason", "unexplained"),
        topic=headers.get("topic", ""),
        partition=_number(headers.get("partition", "")),
        offset=_number(headers.get("offset", "")),
        arrived=_time(headers.get("timestamp", "")),
        schema_id=headers.get("schema_id", ""),
        replays=max(0, _number(headers.get(REPLAYS, "0"))),
        replayed_from=_position(headers.get(REPLAYED_FROM, "")),
        key=key.encode() if isinstance(key, str) else key,
        value=value.encode() if isinstance(value, str) else value,
        detail=headers.get(DETAIL, ""),
    )


def _position(text: str) -> Position | None:
    partition, _, offset = text.partition(":")
    return Position(int(partition), int(offset)) if partition.isdecimal() and offset.isdecimal() else None


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        return _NO_TIME
