"""The lake through its front door: batches of messages in, files and dead letters out."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickwatch_events import Event, EventType, HotWindow
from clickwatch_events.avro import EventEncoder
from clickwatch_events.registry import NotRegistered, RegistryUnavailable
from clickwatch_events.schemas import EVENTS, schema_text
from clickwatch_service import UserError
from clickwatch_service.pseudonyms import Pseudonyms
from clickwatch_streaming.dead_letters.topic import DeadLetter
from clickwatch_streaming.events.writer_schemas import WriterSchemas
from clickwatch_streaming.lake.batch import BatchWriter, Rules
from clickwatch_streaming.lake.compaction import compact
from clickwatch_streaming.lake.folder import LakeFolder
from clickwatch_streaming.lake.query import Lake
from clickwatch_streaming.settings import UnknownEventType
from pyspark.sql import DataFrame, SparkSession

NOON_MS = int(datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp() * 1000)
MINUTE = 60_000
COLUMNS = "key binary, value binary, partition int, offset long, timestamp timestamp"
RULES = Rules(
    window=timedelta(minutes=10),
    slide=timedelta(minutes=5),
    watermark=timedelta(minutes=10),
    max_future=timedelta(minutes=5),
    unknown_event_type=UnknownEventType.KEEP,
)
V1, V2, LATER = 7, 8, 9
ENCODERS = {schema_id: EventEncoder(version, schema_id) for schema_id, version in ((V1, 1), (V2, 2), (LATER, 2))}


class Message(NamedTuple):
    """A record as the Kafka source gives it."""

    key: bytes | None
    value: bytes | None
    partition: int
    offset: int
    timestamp: datetime


class Log:
    """A topic of two partitions, filled by hand; `batch` is what was appended since the last one."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._next = [0, 0]
        self._taken = 0

    def append(self, value: bytes | None, partition: int = 0, key: bytes = b"u", at_ms: int = NOON_MS) -> None:
        arrived = datetime.fromtimestamp(at_ms / 1000, UTC)
        self.messages.append(Message(key, value, partition, self._next[partition], arrived))
        self._next[partition] += 1

    def event(self, number: int, minute: float, partition: int = 0, kind: str = "view", schema_id: int = V2) -> None:
        timestamp_ms = NOON_MS + int(minute * MINUTE)
        self.append(ENCODERS[schema_id].encode(event(number, timestamp_ms, kind)), partition, at_ms=timestamp_ms)

    def batch(self) -> list[Message]:
        taken, self._taken = self.messages[self._taken :], len(self.messages)
        return taken


class Sinks:
    """Topics that do what Kafka's transactions promise: one dead letter a message, windows at least once."""

    def __init__(self) -> None:
        self.letters: list[DeadLetter] = []
        self.windows: list[HotWindow] = []
        self._done: dict[int, int] = defaultdict(int)

    def send_letters(self, letters: Iterable[DeadLetter], next_offsets: Mapping[int, int]) -> int:
        if all(self._done[partition] >= offset for partition, offset in next_offsets.items()):
            return 0
        done = self._done
        new = [one for one in letters if one.was_parked or one.kafka_offset >= done[one.kafka_partition]]
        self.letters += new
        self._done.update(next_offsets)
        return len(new)


class DeadLetterRecorder(NamedTuple):
    sinks: Sinks

    def send(self, letters: Iterable[DeadLetter], next_offsets: Mapping[int, int]) -> int:
        return self.sinks.send_letters(letters, next_offsets)


class WindowRecorder(NamedTuple):
    sinks: Sinks

    def send(self, windows: Iterable[HotWindow]) -> None:
        self.sinks.windows += windows


class Schemas:
    """A registry whose ids can be added to."""

    def __init__(self, *ids: int) -> None:
        self.ids = set(ids)
        self.is_down = False

    def schema(self, schema_id: int) -> str:
        if self.is_down:
            raise RegistryUnavailable("down for a test")
        if schema_id not in self.ids:
            raise NotRegistered(f"no {schema_id}")
        return schema_text(EVENTS, 1 if schema_id == V1 else 2)


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


def event(number: int, timestamp_ms: int, kind: str = "view", product: str = "product_1") -> Event:
    return Event(
        event_id=f"8f14e45f-ceea-4672-9b55-{number:012d}",
        user_id="user_1",
        product_id=product,
        product_category="laptops",
        event_type=EventType(kind),
        timestamp_ms=timestamp_ms,
    )


class World:
    """A lake with its topics; `take` gives it what is new in the log."""

    def __init__(self, spark: SparkSession, root: Path) -> None:
        self.spark = spark
        self.folder = LakeFolder(root / "lake")
        self.log = Log()
        self.sinks = Sinks()
        self.schemas = Schemas(V1, V2)
        self.query_id = "query"
        self.batch_id = 0
        self.rules = RULES

    def lake(self, before: Callable[[str], None] = lambda step: None) -> Lake:
        """A new process on the same folders and topics."""
        folder = LakeFolder(self.folder.root)
        folder.clear_leftovers()
        writers = WriterSchemas(self.schemas, self.spark, timedelta(milliseconds=1))
        # What the service has learnt before it starts the lake.
        writers.remember({schema_id: schema_text(EVENTS, 1 if schema_id == V1 else 2) for schema_id in (V1, V2)})
        writer = BatchWriter(self.spark, folder, writers, self.rules, partitions=2)
        return Lake(
            folder, writer, DeadLetterRecorder(self.sinks), WindowRecorder(self.sinks), lambda: self.query_id, before
        )

    def messages(self, batch: list[Message]) -> DataFrame:
        return self.spark.createDataFrame(batch, COLUMNS)

    def take(self) -> None:
        self.lake().take(self.messages(self.log.batch()), self.batch_id)
        self.batch_id += 1

    def events(self) -> list[dict[str, object]]:
        return _rows(self.folder.events)

    def event_numbers(self) -> list[int]:
        return sorted(int(str(row["event_id"])[-12:]) for row in self.events())

    def windows(self) -> dict[tuple[str, int], tuple[object, ...]]:
        """(product, minute the window starts after noon) → counts; a second row for a window is an error."""
        windows = {}
        for row in _rows(self.folder.window_stats):
            start = row["window_start"]
            assert isinstance(start, datetime)
            key = (str(row["product_id"]), int(start.timestamp() * 1000 - NOON_MS) // MINUTE)
            assert key not in windows
            windows[key] = tuple(row[name] for name in ("views", "carts", "purchases", "total_events"))
        return windows


def _rows(table: Path) -> list[dict[str, object]]:
    return [row for file in sorted(table.glob("*/*.parquet")) for row in pq.ParquetFile(file).read().to_pylist()]


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> World:
    return World(spark, tmp_path)


def test_events_of_both_schema_versions_lie_under_their_utc_day(world: World) -> None:
    world.log.event(1, -721, schema_id=V1)
    world.log.event(2, 0)

    world.take()

    days = {path.parent.name for path in world.folder.events.glob("*/*.parquet")}
    assert days == {"event_date=2026-02-28", "event_date=2026-03-01"}
    assert sorted((row["schema_id"], row["kafka_offset"]) for row in world.events()) == [(V1, 0), (V2, 1)]


def test_a_duplicate_counts_once_in_its_batch_and_in_all_later_ones(world: World) -> None:
    world.log.event(1, 0)
    world.log.event(1, 0, partition=1)
    world.log.event(2, 1)
    world.take()
    world.log.event(1, 0)
    world.log.event(3, 30)
    world.log.event(3, 30)

    world.take()

    assert world.event_numbers() == [1, 2, 3]
    last = world.folder.last_batch()
    assert last is not None
    assert (last.counts.events, last.counts.duplicates) == (1, 2)
    assert (last.totals.events, last.totals.duplicates) == (3, 3)


def test_a_window_is_written_and_announced_once_when_every_partition_is_past_it(world: World) -> None:
    world.log.event(1, 1)
    world.log.event(2, 2, kind="purchase")
    world.log.event(3, 20, partition=0)
    world.log.event(4, 14, partition=1)
    world.take()
    assert set(world.windows()) == set()
    world.log.event(5, 21, partition=1)

    world.take()

    assert world.windows() == {("product_1", -5): (1, 0, 1, 2), ("product_1", 0): (1, 0, 1, 2)}
    announced = [(w.window_start_ms - NOON_MS, w.views, w.purchases, w.closed) for w in world.sinks.windows]
    assert sorted(announced) == [(-5 * MINUTE, 1, 1, True), (0, 1, 1, True)]


def test_a_partition_without_traffic_holds_windows_up_for_one_batch_only(world: World) -> None:
    world.log.event(1, 1, partition=1)
    world.log.event(2, 40)
    world.take()
    before = set(world.windows())
    world.log.event(3, 41)

    world.take()

    assert before == set()
    assert ("product_1", 0) in world.windows()


def test_a_heartbeat_closes_the_windows_of_a_quiet_shop(world: World) -> None:
    world.log.event(1, 1)
    world.take()
    world.log.append(None, key=b"clickwatch-heartbeat", at_ms=NOON_MS + 20 * MINUTE)

    world.take()

    assert set(world.windows()) == {("product_1", -5), ("product_1", 0)}
    assert world.sinks.letters == []


def test_a_late_event_stays_in_the_lake_and_out_of_windows(world: World) -> None:
    world.log.event(1, 0)
    world.log.event(2, 61)
    world.log.event(3, 1)
    world.log.event(4, 100, partition=1)
    world.log.event(5, 100)
    world.take()
    world.log.event(6, 50, partition=1)

    world.take()

    assert world.event_numbers() == [1, 2, 3, 4, 5, 6]
    assert world.windows()["product_1", 0] == (1, 0, 0, 1)
    assert world.windows()["product_1", -5] == (1, 0, 0, 1)
    assert ("product_1", 45) not in world.windows()
    last = world.folder.last_batch()
    assert last is not None
    assert last.totals.late == 2


def test_bad_messages_become_dead_letters_and_move_nothing(world: World) -> None:
    world.log.event(1, 0)
    world.log.append(b"poison", key=b"k")
    world.log.append(b"\0\0\0\1\0rest")
    world.log.append(ENCODERS[V2].encode(event(9, NOON_MS + 600 * MINUTE)))

    world.take()

    letters = {letter.kafka_offset: letter for letter in world.sinks.letters}
    assert {offset: letter.reason for offset, letter in letters.items()} == {
        1: "bad_framing",
        2: "unknown_schema_id",
        3: "future_timestamp",
    }
    assert (letters[1].key, letters[1].value, letters[1].schema_id) == (b"k", b"poison", None)
    assert (letters[2].schema_id, letters[3].schema_id) == (256, V2)
    assert world.event_numbers() == [1]
    assert world.windows() == {}


def test_a_schema_registered_while_running_is_read_from_the_next_message_on(world: World) -> None:
    world.log.event(1, 0, schema_id=LATER)
    world.take()
    world.schemas.ids.add(LATER)
    world.log.event(2, 1, schema_id=LATER)
    world.log.append(b"\0\0\0\1\0rest")

    world.take()

    assert world.event_numbers() == [2]
    assert [(letter.kafka_offset, letter.reason) for letter in world.sinks.letters] == [
        (0, "unknown_schema_id"),
        (2, "unknown_schema_id"),
    ]


def test_files_of_a_release_that_wrote_fewer_columns_are_read(world: World) -> None:
    day = world.folder.events / "event_date=2026-03-01"
    day.mkdir(parents=True)
    at = datetime.fromtimestamp(NOON_MS / 1000, UTC)
    old = {
        "timestamp": [at, at],
        "event_id": [event(number, NOON_MS).event_id for number in (1, 2)],
        "user_id": ["user_1"] * 2,
        "product_id": ["product_1"] * 2,
        "product_category": ["laptops"] * 2,
        "event_type": ["view", "purchase"],
        "late_at": pa.nulls(2, pa.timestamp("us", "UTC")),
    }
    pq.write_table(pa.table(old), day / "compacted-of-old.parquet")
    world.log.event(1, 0)
    world.log.event(3, 0, kind="add_to_cart")
    world.log.event(4, 60)
    world.log.event(5, 60, partition=1)

    world.take()
    list(compact(world.folder))

    assert world.event_numbers() == [1, 2, 3, 4, 5]
    assert world.windows()["product_1", 0] == (1, 1, 1, 3)
    offsets = {str(row["event_id"])[-1]: row["kafka_offset"] for row in world.events()}
    assert (offsets["1"], offsets["3"]) == (None, 1)


def test_while_the_registry_is_away_known_ids_go_on_and_unknown_ones_are_parked(world: World) -> None:
    world.schemas.is_down = True
    world.log.event(1, 0)
    world.log.event(2, 0, schema_id=LATER)
    world.log.append(b"\0\0\0\1\0rest", key=b"k")
    world.log.append(b"\0\xff\xff\xff\xffrest")
    world.take()
    world.log.event(3, 0, schema_id=V1)
    world.take()
    assert world.event_numbers() == [1, 3]
    last = world.folder.last_batch()
    assert last is not None
    assert (last.parked, last.next_offsets) == (2, {0: 5})
    # An id that no registry hands out needs no registry to be refused.
    assert [(letter.kafka_offset, letter.reason) for letter in world.sinks.letters] == [(3, "unknown_schema_id")]

    world.schemas.is_down = False
    world.schemas.ids.add(LATER)
    world.log.append(None, key=b"clickwatch-nudge")
    world.take()

    assert world.event_numbers() == [1, 2, 3]
    assert [(letter.kafka_offset, letter.reason, letter.key) for letter in world.sinks.letters[1:]] == [
        (2, "unknown_schema_id", b"k")
    ]
    last = world.folder.last_batch()
    assert last is not None
    assert (last.parked, last.next_offsets) == (0, {0: 6})


@pytest.mark.parametrize("step", ["seal", "send dead letters", "go on after", "complete"])
def test_parked_messages_survive_a_kill_before_any_step(world: World, step: str) -> None:
    def die(reached: str) -> None:
        if reached.startswith(step):
            raise Killed

    def take_after_a_kill() -> None:
        batch = world.messages(world.log.batch())
        with pytest.raises(Killed):
            world.lake(die).take(batch, world.batch_id)
        world.lake().take(batch, world.batch_id)
        world.batch_id += 1

    world.schemas.is_down = True
    world.log.event(1, 0)
    world.log.event(2, 0, schema_id=LATER)
    world.log.append(b"\0\0\0\1\0rest")
    take_after_a_kill()
    world.schemas.is_down = False
    world.schemas.ids.add(LATER)
    world.log.event(3, 0)

    take_after_a_kill()

    assert world.event_numbers() == [1, 2, 3]
    assert [letter.kafka_offset for letter in world.sinks.letters] == [2]


def test_a_replayed_message_that_is_refused_again_says_how_often_it_was_replayed(world: World) -> None:
    headers = [("trace", b"x"), ("replays", b"2"), ("replayed_from", b"0:17")]
    row = (b"k", b"poison", 0, 0, datetime(2026, 3, 1, 12, tzinfo=UTC), headers)
    schema = COLUMNS + ", headers array<struct<key: string, value: binary>>"

    world.lake().take(world.spark.createDataFrame([row], schema), 0)

    (letter,) = world.sinks.letters
    assert (letter.replays, letter.replayed_from) == (2, "0:17")
    assert dict(letter.headers("t"))["replays"] == "2"


def test_with_a_key_users_lie_in_the_lake_under_pseudonyms(world: World) -> None:
    pseudonyms = Pseudonyms(b"0123456789abcdef")
    world.rules = replace(RULES, pseudonyms=pseudonyms)
    world.log.event(1, 0, schema_id=V1)
    world.log.append(ENCODERS[V2].encode(event(2, NOON_MS)._replace(user_id="grüße 東京" * 30)))
    world.log.append(ENCODERS[V2].encode(event(3, NOON_MS)._replace(user_id=pseudonyms.of("user_1"))))

    world.take()

    users = {str(row["event_id"])[-1]: row["user_id"] for row in world.events()}
    assert users["1"] == users["3"] == pseudonyms.of("user_1")
    assert users["2"] == pseudonyms.of("grüße 東京" * 30)


def test_a_lake_of_another_checkpoint_is_refused(world: World) -> None:
    world.log.event(1, 0)
    world.take()
    world.query_id, world.batch_id = "another", 0

    with pytest.raises(UserError, match="was not written from this checkpoint"):
        world.take()


def test_after_an_outage_no_punctual_event_is_late_however_unevenly_partitions_went(world: World) -> None:
    # Five hours in one batch. Partition 0 has ten times the traffic and ends 40 minutes before partition 1.
    punctual: list[tuple[int, str]] = []
    number = 0
    for partition, step_ms, hours in ((0, 3_000, 4.33), (1, 30_000, 5.0)):
        for passed_ms in range(0, int(hours * 60 * MINUTE), step_ms):
            number += 1
            # Out of order by up to nine minutes, which is within the watermark.
            minute = (passed_ms - (number * 7919 % 540) * 1000) / MINUTE
            kind = ("view", "add_to_cart", "purchase")[number % 3]
            world.log.event(number, minute, partition, kind)
            punctual.append((int(minute * MINUTE), kind))
    world.take()
    world.log.append(None, key=b"clickwatch-heartbeat", at_ms=NOON_MS + 600 * MINUTE)

    world.take()

    assert world.windows() == windows_of(punctual)
    last = world.folder.last_batch()
    assert last is not None
    assert (last.totals.events, last.totals.late) == (number, 0)


def windows_of(events: list[tuple[int, str]]) -> dict[tuple[str, int], tuple[int, ...]]:
    """Ten-minute windows every five, counted one event at a time; event times in milliseconds after noon."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for time_ms, kind in events:
        for start in range(-60, 24 * 60, 5):
            if start * MINUTE <= time_ms < (start + 10) * MINUTE:
                counts[start][kind] += 1
    return {
        ("product_1", start): (kinds["view"], kinds["add_to_cart"], kinds["purchase"], kinds.total())
        for start, kinds in counts.items()
    }


STEPS = ["write", "seal", "send dead letters", "send windows", "publish", "go on after", "complete"]


@pytest.mark.parametrize("step", STEPS)
def test_a_batch_killed_before_any_step_comes_out_the_same(world: World, tmp_path: Path, step: str) -> None:
    fill(world.log)
    batch = world.log.batch()
    world.lake().take(world.messages(batch[:6]), 0)

    def die(reached: str) -> None:
        if reached.startswith(step):
            raise Killed

    for _ in range(2):
        with pytest.raises(Killed):
            world.lake(die).take(world.messages(batch[6:]), 1)
        assert_no_row_is_double(world)
    world.lake().take(world.messages(batch[6:]), 1)
    world.lake().take(world.messages(batch[6:]), 1)

    assert world.event_numbers() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert world.windows() == {
        ("product_1", -5): (2, 0, 0, 2),
        ("product_1", 0): (2, 1, 0, 3),
        ("product_1", 5): (0, 1, 1, 2),
        ("product_1", 10): (0, 0, 1, 1),
    }
    assert Counter(letter.kafka_offset for letter in world.sinks.letters) == {1: 1, 7: 1}
    assert {window.window_start_ms for window in world.sinks.windows} == {
        NOON_MS + minute * MINUTE for minute in (-5, 0, 5, 10)
    }
    assert list(world.folder.staging.iterdir()) == []


def fill(log: Log) -> None:
    """Two batches' worth: six messages that close nothing, then some that close four windows."""
    log.event(1, 1)
    log.event(2, 2, partition=1)
    log.append(b"poison")
    log.event(3, 8, kind="add_to_cart")
    log.event(1, 1)
    log.event(4, 12, partition=1, kind="purchase")
    log.event(2, 2)
    log.event(5, 40)
    log.event(6, 41, partition=1)
    log.event(7, 3)
    log.append(b"more poison")
    log.event(8, -720, partition=1)


def assert_no_row_is_double(world: World) -> None:
    numbers = world.event_numbers()
    assert len(numbers) == len(set(numbers))
    world.windows()
