"""Bad messages of ten kinds among many events: each refused for its reason, and the mended ones back, once.

The ledger is what this file sends and why; nothing of it is asked of the code under test.
CLICKWATCH_PROOF_EVENTS sets the size: a million events have 10,000 bad messages.
"""

import os
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import pytest
from clickwatch_events import Event, EventType, HotWindow, to_line
from clickwatch_events.avro import EventEncoder
from clickwatch_events.registry import NotRegistered
from clickwatch_events.schemas import EVENTS, schema_text
from clickwatch_kafka import KafkaConnection
from clickwatch_streaming.dead_letters.replay import Judge, ReplayProducer, ReplayReport, refused_again, replay
from clickwatch_streaming.dead_letters.stored import StoredLetter, stored_letters
from clickwatch_streaming.dead_letters.topic import DeadLetterTopic
from clickwatch_streaming.events.writer_schemas import WriterSchemas
from clickwatch_streaming.lake.batch import BatchWriter, Rules
from clickwatch_streaming.lake.folder import LakeFolder
from clickwatch_streaming.lake.query import Lake, checkpoint_id
from clickwatch_streaming.settings import UnknownEventType
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyspark.sql import SparkSession
from streaming_dead_letters import counts_by_reason
from streaming_later_schema import LaterEncoder, later_schema

SENT = int(os.environ.get("CLICKWATCH_PROOF_EVENTS", "100000"))
BETWEEN_BAD_ONES = 100
V1, V2, LATER, NEVER = 7, 8, 9, 77_777
MINUTE_MS = 60_000
# A while ago, in the middle of nothing: two hours of traffic that ended an hour before now.
START_MS = (int(datetime.now(UTC).timestamp() * 1000) // MINUTE_MS - 180) * MINUTE_MS
LENGTH_MS = 120 * MINUTE_MS
RULES = Rules(
    window=timedelta(minutes=10),
    slide=timedelta(minutes=5),
    watermark=timedelta(minutes=10),
    max_future=timedelta(minutes=5),
    unknown_event_type=UnknownEventType.KEEP,
)
TYPES = (EventType.VIEW, EventType.VIEW, EventType.ADD_TO_CART, EventType.PURCHASE)
REASONS = (
    "empty_value",
    "empty_value",
    "bad_framing",
    "bad_framing",
    "bad_framing",
    "unknown_schema_id",
    "unknown_schema_id",
    "undecodable_body",
    "undecodable_body",
    "future_timestamp",
)
"""Of the ten kinds, in the order in which `bad_value` makes them."""
MENDED = {6: "unknown_schema_id", 9: "future_timestamp"}
"""The kinds that are events once the schema is registered and the clock has passed."""


class Sending(NamedTuple):
    """A message, and the event it is or would be."""

    event: Event
    value: bytes | None
    bad_kind: int | None
    timestamp_ms: int


class Schemas:
    """A registry whose ids can be added to."""

    def __init__(self) -> None:
        self.texts = {V1: schema_text(EVENTS, 1), V2: schema_text(EVENTS, 2)}

    def schema(self, schema_id: int) -> str:
        if schema_id not in self.texts:
            raise NotRegistered(f"no {schema_id}")
        return self.texts[schema_id]


class NobodyListens:
    """A sink for closed windows."""

    def send(self, windows: Iterable[HotWindow]) -> None:
        for _ in windows:
            pass


ENCODERS = (EventEncoder(1, V1), EventEncoder(2, V2))
LATER_ENCODER = LaterEncoder(LATER)


def event(number: int, marker: int) -> Event:
    timestamp_ms = START_MS + number * LENGTH_MS // SENT
    event_id = f"8f14e45f-ceea-4672-{marker:04d}-{number:012d}"
    return Event(
        event_id,
        f"user_{number % 997}",
        f"product_{number % 53}",
        "laptops",
        TYPES[number % 4],
        timestamp_ms,
        f"s-{number % 991}",
        3579,
        "EUR",
    )


def bad_value(kind: int, made_of: Event) -> bytes | None:
    sound = ENCODERS[1].encode(made_of)
    return (
        b"",
        None,
        b"\x07" + sound[1:],
        sound[:3],
        to_line(made_of).rstrip(),
        b"\0" + NEVER.to_bytes(4, "big") + sound[5:],
        LATER_ENCODER.encode(made_of),
        sound[: 5 + len(sound) // 3],
        sound[:5] + b"\xff" * 40,
        sound,
    )[kind]


def traffic() -> Iterator[Sending]:
    for number in range(SENT):
        good = event(number, 1)
        yield Sending(good, ENCODERS[number % 2].encode(good), None, good.timestamp_ms)
        if number % BETWEEN_BAD_ONES == BETWEEN_BAD_ONES // 2:
            kind = number // BETWEEN_BAD_ONES % len(REASONS)
            made_of = event(number, 2)
            # The last kind is an event of a clock that runs an hour ahead of the broker's.
            arrived_ms = made_of.timestamp_ms - (60 * MINUTE_MS if kind == 9 else 0)
            yield Sending(made_of, bad_value(kind, made_of), kind, arrived_ms)


class World:
    """A topic, a lake and a registry; `drain` brings the lake up to the topic's end."""

    def __init__(self, spark: SparkSession, bootstrap: str, folder: Path) -> None:
        self.spark, self.bootstrap, self.folder = spark, bootstrap, folder
        self.topic = f"proof-{uuid.uuid4().hex}"
        self.dead_letters_topic = f"{self.topic}-dlq"
        self.schemas = Schemas()
        self.lake_folder = LakeFolder(folder / "lake")
        topics = [NewTopic(self.topic, 2, config={"message.timestamp.type": "CreateTime"})]
        admin = AdminClient({"bootstrap.servers": bootstrap})
        made = admin.create_topics([*topics, NewTopic(self.dead_letters_topic, 1)])
        for result in made.values():
            result.result(30)

    def send(self) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 50, "compression.type": "lz4"})
        for number, sending in enumerate(traffic()):
            while True:
                try:
                    producer.produce(
                        self.topic, sending.value, sending.event.user_id, number % 2, timestamp=sending.timestamp_ms
                    )
                except BufferError:
                    producer.poll(0.1)
                else:
                    break
        assert producer.flush(120) == 0

    def drain(self) -> None:
        checkpoint = self.folder / "checkpoint"
        with DeadLetterTopic(
            KafkaConnection.plain(self.bootstrap), self.topic, self.dead_letters_topic
        ) as dead_letters:
            writers = WriterSchemas(self.schemas, self.spark, timedelta(seconds=5))
            writers.remember({V1: self.schemas.texts[V1], V2: self.schemas.texts[V2]})
            writer = BatchWriter(self.spark, self.lake_folder, writers, RULES, partitions=2)
            lake = Lake(self.lake_folder, writer, dead_letters, NobodyListens(), lambda: checkpoint_id(checkpoint))
            messages = (
                self.spark.readStream.format("kafka")
                .option("kafka.bootstrap.servers", self.bootstrap)
                .option("subscribe", self.topic)
                .option("startingOffsets", "earliest")
                .option("includeHeaders", "true")
                .load()
            )
            query = (
                messages.writeStream.foreachBatch(lake.take)
                .option("checkpointLocation", str(checkpoint))
                .trigger(availableNow=True)
                .start()
            )
            query.awaitTermination()

    def letters(self) -> list[StoredLetter]:
        return list(stored_letters(KafkaConnection.plain(self.bootstrap), self.dead_letters_topic))

    def replay(self, *, most: int | None = None, dry_run: bool = False, force: bool = False) -> ReplayReport:
        """Replay all dead letters; with `most`, die after so many."""
        producer = ReplayProducer(KafkaConnection.plain(self.bootstrap))
        judge = Judge(self.schemas, RULES.max_future, RULES.unknown_event_type)
        letters = self.letters()
        failed_before = refused_again(letters)
        chosen = [one for one in letters if not force or one.reason == "bad_framing"][: 1 if force else None]

        def send(some: list[StoredLetter]) -> None:
            if most is not None:
                producer.send(list(islice(some, most)))
                raise KeyboardInterrupt
            if not dry_run:
                producer.send(some)

        return replay(
            chosen,
            send,
            judge,
            self.lake_folder.events,
            failed_before=frozenset() if force else failed_before,
            force=force,
        )

    def lake_ids(self) -> list[str]:
        files = sorted(self.lake_folder.events.glob("*/*.parquet"))
        return [str(one) for file in files for one in pq.ParquetFile(file).read(["event_id"])["event_id"].to_pylist()]

    def windows(self) -> dict[tuple[str, int], tuple[int, ...]]:
        rows = [
            row
            for file in sorted(self.lake_folder.window_stats.glob("*/*.parquet"))
            for row in pq.ParquetFile(file).read().to_pylist()
        ]
        found: dict[tuple[str, int], tuple[int, ...]] = {
            (row["product_id"], int(row["window_start"].timestamp() * 1000)): (
                row["views"],
                row["carts"],
                row["purchases"],
                row["total_events"],
            )
            for row in rows
        }
        assert len(found) == len(rows)
        return found


@pytest.fixture
def world(spark: SparkSession, kafka_bootstrap: str, tmp_path: Path) -> World:
    return World(spark, kafka_bootstrap, tmp_path)


def closed_windows(until_ms: int) -> dict[tuple[str, int], tuple[int, ...]]:
    """What the good events come to, counted one at a time."""
    counts: dict[tuple[str, int], Counter[EventType]] = defaultdict(Counter)
    for number in range(SENT):
        one = event(number, 1)
        newest = one.timestamp_ms - one.timestamp_ms % (5 * MINUTE_MS)
        for start in (newest, newest - 5 * MINUTE_MS):
            counts[one.product_id, start][one.event_type] += 1
    return {
        key: (kinds[EventType.VIEW], kinds[EventType.ADD_TO_CART], kinds[EventType.PURCHASE], kinds.total())
        for key, kinds in counts.items()
        if key[1] + 10 * MINUTE_MS <= until_ms
    }


def test_bad_messages_of_ten_kinds_are_refused_and_the_mended_ones_come_back_once(world: World) -> None:
    bad = [sending for sending in traffic() if sending.bad_kind is not None]
    assert len(bad) == SENT // BETWEEN_BAD_ONES
    reasons = Counter(REASONS[one.bad_kind] for one in bad if one.bad_kind is not None)
    good_ids = {event(number, 1).event_id for number in range(SENT)}
    mended = [one for one in bad if one.bad_kind in MENDED]
    mended_ids = {one.event.event_id for one in mended}
    mended_reasons = Counter(MENDED[one.bad_kind] for one in mended if one.bad_kind is not None)

    world.send()
    world.drain()

    assert counts_by_reason(world.bootstrap, world.dead_letters_topic) == reasons
    letters = world.letters()
    assert len({(one.partition, one.offset) for one in letters}) == len(letters) == len(bad)
    assert Counter((one.reason, one.value) for one in letters) == Counter(
        (REASONS[one.bad_kind], one.value) for one in bad if one.bad_kind is not None
    )
    ids = world.lake_ids()
    assert len(ids) == SENT
    assert set(ids) == good_ids
    last = world.lake_folder.last_batch()
    assert last is not None
    assert last.closed_until_ms is not None
    windows = closed_windows(last.closed_until_ms)
    assert len(windows) > 1000
    assert world.windows() == windows

    # The clock has passed, the schema has not been registered yet.
    assert world.replay(dry_run=True).sent == {"future_timestamp": mended_reasons["future_timestamp"]}
    world.schemas.texts[LATER] = later_schema()
    dry = world.replay(dry_run=True)
    assert dry.sent == mended_reasons
    assert dry.refused == reasons - mended_reasons

    with pytest.raises(KeyboardInterrupt):
        world.replay(most=7)
    assert world.replay().sent == mended_reasons
    world.drain()

    ids = world.lake_ids()
    assert len(ids) == SENT + len(mended)
    assert set(ids) == good_ids | mended_ids
    assert world.windows() == windows
    assert counts_by_reason(world.bootstrap, world.dead_letters_topic) == reasons
    after = world.replay()
    assert (after.sent, after.in_lake) == ({}, mended_reasons)

    # One that is refused again is a dead letter once more, says so, and is not chosen again.
    assert world.replay(force=True).sent == {"bad_framing": 1}
    world.drain()
    again = [one for one in world.letters() if one.replays]
    assert [(one.reason, one.replays) for one in again] == [("bad_framing", 1)]
    assert world.replay().failed_before == {"bad_framing": 2}
    assert counts_by_reason(world.bootstrap, world.dead_letters_topic) == reasons + Counter(bad_framing=1)
