"""Dead letters sent to their topic once more, after what was wrong has been put right.

A letter is sent with its bytes and key as they were, to the partition it was in; the broker's clock
stamps it anew, so an event that was of the future may be of the past now. Its event is counted once
however often it is sent, because the lake and the alerts drop duplicates by `event_id`. A letter that
this release would refuse again is not sent, and one that was refused again after a replay is not
chosen again by itself, so nothing goes round in circles.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import duckdb
from clickwatch_events import BadFrame, Event, EventType, HotWindow
from clickwatch_events.avro import BadMessage, EventDecoder, HotWindowDecoder
from clickwatch_events.limits import fault_of, fault_of_quantity
from clickwatch_events.registry import NotRegistered, RegistryUnavailable
from clickwatch_events.schemas import ALERTS
from clickwatch_kafka import KafkaConnection, producer
from clickwatch_service import UserError
from confluent_kafka import KafkaError, KafkaException, Message

from clickwatch_streaming.dead_letters.stored import Position, StoredLetter
from clickwatch_streaming.dead_letters.topic import REPLAYED_FROM, REPLAYS
from clickwatch_streaming.events.decode import BadReason
from clickwatch_streaming.events.window_records import BadRecord, read_record
from clickwatch_streaming.events.writer_schemas import HIGHEST_ID, SchemaSource
from clickwatch_streaming.kafka import Record
from clickwatch_streaming.settings import UnknownEventType

_LETTERS_AT_A_TIME = 1000
_SEND_SECONDS = 120
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Remembering:
    """A source of schemas that is asked once for each id, also for those it does not have."""

    def __init__(self, source: SchemaSource) -> None:
        self._source = source
        self._missing: set[int] = set()

    def schema(self, schema_id: int) -> str:
        if schema_id > HIGHEST_ID or schema_id in self._missing:
            raise NotRegistered(f"no schema has id {schema_id}")
        try:
            return self._source.schema(schema_id)
        except NotRegistered:
            self._missing.add(schema_id)
            raise


class Judge:
    """Says whether this release would take a message of either topic now."""

    def __init__(
        self,
        schemas: SchemaSource,
        max_future: timedelta,
        unknown_event_type: UnknownEventType,
        now_ms: Callable[[], float] = lambda: time.time() * 1000,
        alerts_topic: str = ALERTS,
    ) -> None:
        """Judge by the rules of `events.decode.decoded`, with the Kafka time that `now_ms` tells."""
        self._decoder = EventDecoder(_Remembering(schemas))
        self._window_decoder = HotWindowDecoder(_Remembering(schemas))
        self._alerts_topic = alerts_topic
        self._max_future_ms = max_future / timedelta(milliseconds=1)
        self._unknown_event_type = unknown_event_type
        self._now_ms = now_ms

    def verdict(self, topic: str, value: bytes | None) -> Event | HotWindow | BadReason:
        """Return what a message says to whoever reads its topic, or why it says nothing.

        Raises:
            UserError: the registry does not answer.
        """
        return self.window_or_reason(value) if topic == self._alerts_topic else self.event_or_reason(value)

    def window_or_reason(self, value: bytes | None) -> HotWindow | BadReason:
        """Return the hot window in a message, or why there is none; whether a table takes it, only that can tell.

        Raises:
            UserError: the registry does not answer.
        """
        if not value:
            return BadReason.EMPTY_VALUE
        try:
            read = read_record(Record(0, 0, value), self._window_decoder)
        except RegistryUnavailable as error:
            raise UserError(f"nothing more is replayed: {error}") from error
        if isinstance(read, BadRecord):
            return read.reason
        assert read.window is not None
        return read.window

    def event_or_reason(self, value: bytes | None) -> Event | BadReason:
        """Return the event in a message, or why there is none.

        Raises:
            UserError: the registry does not answer.
        """
        if not value:
            return BadReason.EMPTY_VALUE
        try:
            event, quantity = self._decoder.decode_with_quantity(value)
        except BadFrame:
            return BadReason.BAD_FRAMING
        except BadMessage:
            return BadReason.UNDECODABLE_BODY
        except RegistryUnavailable as error:
            raise UserError(f"nothing more is replayed: {error}") from error
        except LookupError:
            return BadReason.UNKNOWN_SCHEMA_ID
        if event.timestamp_ms > self._now_ms() + self._max_future_ms:
            return BadReason.FUTURE_TIMESTAMP
        if fault_of(event) is not None or fault_of_quantity(quantity, event.price_minor) is not None:
            return BadReason.INVALID_FIELD
        if event.event_type is EventType.UNKNOWN and self._unknown_event_type is UnknownEventType.REJECT:
            return BadReason.UNKNOWN_EVENT_TYPE
        return event


@dataclass
class ReplayReport:
    """What became of the chosen dead letters, counted by the reason they bear.

    Attributes:
        sent: sent to their topic; with a dry run, what would be.
        in_lake: left out, because the lake has the event.
        refused: left out, because this release would refuse them again, by the reason it has now.
        failed_before: left out, because they were refused again after an earlier replay.
        topics: where those sent went.
    """

    sent: Counter[str] = field(default_factory=Counter)
    in_lake: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed_before: Counter[str] = field(default_factory=Counter)
    topics: set[str] = field(default_factory=set)


def refused_again(letters: Iterable[StoredLetter]) -> frozenset[Position]:
    """Return the dead letters that were replayed and refused again, those of the first time and of the second."""
    found: set[Position] = set()
    for letter in letters:
        if letter.replayed_from is not None:
            found.update((letter.position, letter.replayed_from))
    return frozenset(found)


def replay(
    letters: Iterable[StoredLetter],
    send: Callable[[list[StoredLetter]], None],
    judge: Judge,
    lake_events: Path,
    *,
    failed_before: frozenset[Position] = frozenset(),
    force: bool = False,
) -> ReplayReport:
    """Send those letters whose message is an event by now, and say what became of each.

    Args:
        letters: the chosen ones.
        send: sends some; returns once the broker has them.
        judge: tells which are events.
        lake_events: folder `lake/events`; events it has are not sent. It may be missing.
        failed_before: letters to leave out.
        force: send whatever is chosen, looking at nothing.
    """
    report = ReplayReport()
    for some in _chunks(letters):
        taken: list[StoredLetter] = []
        events: dict[Position, Event] = {}
        for letter in some:
            if force:
                taken.append(letter)
                continue
            if letter.position in failed_before:
                report.failed_before[letter.reason] += 1
                continue
            verdict = judge.verdict(letter.topic, letter.value)
            if isinstance(verdict, BadReason):
                report.refused[str(verdict)] += 1
                continue
            taken.append(letter)
            if isinstance(verdict, Event):
                events[letter.position] = verdict
        known = _in_lake(lake_events, events.values())
        new: list[StoredLetter] = []
        for letter in taken:
            event = events.get(letter.position)
            if event is not None and event.event_id in known:
                report.in_lake[letter.reason] += 1
            else:
                new.append(letter)
        send(new)
        report.sent.update(one.reason for one in new)
        report.topics.update(one.topic for one in new)
    return report


def _chunks(letters: Iterable[StoredLetter]) -> Iterator[list[StoredLetter]]:
    iterator = iter(letters)
    while some := list(islice(iterator, _LETTERS_AT_A_TIME)):
        yield some


def _in_lake(lake_events: Path, events: Iterable[Event]) -> set[str]:
    """Return the ids of those events that the lake has."""
    by_day: dict[str, list[str]] = {}
    for event in events:
        day = (_EPOCH + timedelta(milliseconds=event.timestamp_ms)).strftime("%Y-%m-%d")
        by_day.setdefault(day, []).append(event.event_id)
    found: set[str] = set()
    with duckdb.connect() as database:
        for day, ids in by_day.items():
            files = [str(file) for file in sorted((lake_events / f"event_date={day}").glob("*.parquet"))]
            if files:
                table = database.read_parquet(files, union_by_name=True, hive_partitioning=False)
                table.create_view("lake_events", replace=True)
                rows = database.execute(
                    "SELECT event_id FROM lake_events WHERE list_contains($ids, event_id)", {"ids": ids}
                )
                found.update(event_id for (event_id,) in rows.fetchall())
    return found


class ReplayProducer:
    """Sends dead letters to the topic they came from."""

    def __init__(self, kafka: KafkaConnection) -> None:
        """Send by the broker that `kafka` reaches."""
        self._producer = producer(
            kafka,
            {
                "enable.idempotence": True,
                "linger.ms": 20,
                "compression.type": "lz4",
                "message.max.bytes": 20_000_000,  # the topic's own limit is what counts
                "delivery.timeout.ms": _SEND_SECONDS * 1000,
                "log_level": 2,
            },
        )

    def send(self, letters: list[StoredLetter]) -> None:
        """Send some letters, and return once the broker has them.

        Raises:
            UserError: the broker did not take one; a replay of the same choice sends the rest.
        """
        failed: list[KafkaError] = []

        def note(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failed.append(error)

        for letter in letters:
            self._produce(letter, note)
        left = self._producer.flush(_SEND_SECONDS)
        if left or failed:
            reason = failed[0].str() if failed else "it does not answer"
            raise UserError(
                f"the broker did not take {left or len(failed)} of {len(letters)} dead letters ({reason}): "
                "replay the same choice again, no event counts twice"
            )

    def _produce(self, letter: StoredLetter, note: Callable[[KafkaError | None, Message], None]) -> None:
        headers: list[tuple[str, str | bytes | None]] = [
            (REPLAYED_FROM, str(letter.position)),
            (REPLAYS, str(letter.replays + 1)),
        ]
        while True:
            try:
                self._producer.produce(
                    letter.topic, letter.value, letter.key, letter.partition, headers=headers, on_delivery=note
                )
            except BufferError:
                self._producer.poll(1)
            except KafkaException as error:
                raise UserError(f"dead letter {letter.position} cannot be sent: {error.args[0].str()}") from None
            else:
                self._producer.poll(0)
                return
