"""Which message becomes which event, and why another becomes none."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest
from clickwatch_events import Event, EventType
from clickwatch_events.avro import EventEncoder
from clickwatch_events.limits import fault_of_quantity
from clickwatch_events.schemas import EVENTS, schema_text
from clickwatch_events.shop_event import ShopEvent, ShopEventEncoder, ShopEventType, fault_of_shop_event
from clickwatch_streaming.dead_letters.replay import Judge
from clickwatch_streaming.events.decode import BadReason, decoded, good_events
from clickwatch_streaming.settings import UnknownEventType
from pyspark.sql import Row, SparkSession

WRITERS = {7: schema_text(EVENTS, 1), 300: schema_text(EVENTS, 2), 301: schema_text(EVENTS, 3)}
ARRIVED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EVENT = Event(
    event_id="8f14e45f-ceea-4672-9b55-000000000001",
    user_id="user_1",
    product_id="product_7",
    product_category="laptops",
    event_type=EventType.PURCHASE,
    timestamp_ms=int(ARRIVED.timestamp() * 1000) - 1500,
    session_id="s-1",
    price_minor=3579,
    currency="EUR",
)
V1 = EventEncoder(1, 7).encode(EVENT)
V2 = EventEncoder(2, 300).encode(EVENT)
COLUMNS = "key binary, value binary, topic string, partition int, offset long, timestamp timestamp"


class Message(NamedTuple):
    """A record as the Kafka source gives it."""

    key: bytes | None
    value: bytes | None
    topic: str = "clickstream-events"
    partition: int = 0
    offset: int = 0
    timestamp: datetime = ARRIVED


def decode_one(
    spark: SparkSession,
    value: bytes | None,
    key: bytes | None = b"user_1",
    unknown_event_type: UnknownEventType = UnknownEventType.KEEP,
) -> Row:
    messages = spark.createDataFrame([Message(key, value)], COLUMNS)
    rows = decoded(
        messages,
        WRITERS,
        max_future=timedelta(minutes=5),
        unknown_event_type=unknown_event_type,
    ).collect()
    return rows[0]


def in_the_future(seconds: float) -> bytes:
    ahead = int((ARRIVED.timestamp() + seconds) * 1000)
    return EventEncoder(2, 300).encode(EVENT._replace(timestamp_ms=ahead))


def before_1970() -> bytes:
    """Year 1969: the last field of version 1 is the time, six bytes as written here."""
    return V1[:-6] + b"\x01"


def test_each_message_is_read_with_the_schema_it_was_written_with(spark: SparkSession) -> None:
    messages = spark.createDataFrame([Message(b"u", V1, offset=1), Message(b"u", V2)], COLUMNS)

    rows = good_events(decoded(messages, WRITERS, max_future=timedelta(minutes=5))).collect()

    old, new = sorted(rows, key=lambda row: row.schema_id)
    assert (old.schema_id, old.session_id, old.price_minor, old.currency) == (7, None, None, None)
    assert (new.schema_id, new.session_id, new.price_minor, new.currency) == (
        300,
        "s-1",
        3579,
        "EUR",
    )
    for row in (old, new):
        assert row.event_id == EVENT.event_id
        assert (row.user_id, row.product_id) == ("user_1", "product_7")
        assert (row.product_category, row.event_type) == ("laptops", "purchase")
        assert row.timestamp.astimezone(UTC) == ARRIVED - timedelta(seconds=1.5)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, BadReason.EMPTY_VALUE),
        (b"", BadReason.EMPTY_VALUE),
        (b"\0\0\0", BadReason.BAD_FRAMING),
        (b'{"event_id": "x"}', BadReason.BAD_FRAMING),
        (b"\x01" + V1[1:], BadReason.BAD_FRAMING),
        (b"\0\0\0\xff\xff" + V1[5:], BadReason.UNKNOWN_SCHEMA_ID),
        (b"\0\xff\xff\xff\xff" + V1[5:], BadReason.UNKNOWN_SCHEMA_ID),
        (V1[:5], BadReason.UNDECODABLE_BODY),
        (V1[:-3], BadReason.UNDECODABLE_BODY),
        (V1[:5] + b"\xff" * 20, BadReason.UNDECODABLE_BODY),
        (in_the_future(301), BadReason.FUTURE_TIMESTAMP),
        (before_1970(), BadReason.INVALID_FIELD),
    ],
)
def test_a_bad_message_says_why(spark: SparkSession, value: bytes | None, reason: str) -> None:
    assert decode_one(spark, value).bad_reason == reason


def test_an_event_five_minutes_ahead_is_good(spark: SparkSession) -> None:
    assert decode_one(spark, in_the_future(300)).bad_reason is None


def test_a_heartbeat_is_told_apart_by_its_key(spark: SparkSession) -> None:
    assert decode_one(spark, None, key=b"clickwatch-heartbeat").bad_reason == BadReason.HEARTBEAT
    assert decode_one(spark, V1, key=b"clickwatch-heartbeat").bad_reason is None


def test_the_id_of_a_framed_message_is_kept_also_where_it_is_bad(spark: SparkSession) -> None:
    assert decode_one(spark, b"\0\0\0\xff\xff" + V1[5:]).schema_id == 0xFFFF
    assert decode_one(spark, V1[:-3]).schema_id == 7
    assert decode_one(spark, b"\0\0").schema_id is None


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (UnknownEventType.KEEP, None),
        (UnknownEventType.REJECT, BadReason.UNKNOWN_EVENT_TYPE),
    ],
)
def test_an_unknown_event_type_follows_the_policy(
    spark: SparkSession, policy: UnknownEventType, reason: str | None
) -> None:
    value = EventEncoder(2, 300).encode(EVENT._replace(event_type=EventType.UNKNOWN))

    assert decode_one(spark, value, unknown_event_type=policy).bad_reason == reason


QUANTITIES = [
    (None, 10**15 - 1),
    (1, 10**15 - 1),
    (2, 10**15 - 1),
    (1_000_000, 999_999_999),
    (1_000_000, 10**9),
    (1_000_000, None),
    (1_000_001, None),
    (0, 5),
    (-3, None),
]


def test_each_door_gives_one_verdict_on_what_all_pieces_cost(spark: SparkSession) -> None:
    now_ms = EVENT.timestamp_ms
    tried = [
        ShopEvent(
            f"id {n}", "user_1", "product_7", "laptops", ShopEventType.REFUND, now_ms, None, price, "EUR"
        )._replace(quantity=quantity)
        for n, (quantity, price) in enumerate(QUANTITIES)
    ]
    values = [ShopEventEncoder(301).encode(event) for event in tried]
    messages = spark.createDataFrame([Message(b"u", value, offset=n) for n, value in enumerate(values)], COLUMNS)

    rows = decoded(messages, WRITERS, max_future=timedelta(minutes=5)).collect()

    expected = [fault_of_shop_event(event, now_ms) for event in tried]
    found = {row.kafka_offset: row.bad_detail for row in rows}
    assert [found[n] for n in range(len(tried))] == [one and f"{one.field}: {one.rule}" for one in expected]
    assert [one is None for one in expected] == [True, True, False, True, False, True, False, False, False]
    assert [fault_of_quantity(event.quantity, event.price_minor) for event in tried] == expected
    assert {(row.event_type, row.quantity) for row in rows if row.kafka_offset == 1} == {("refund", 1)}
    judge = Judge(Schemas(), timedelta(minutes=5), UnknownEventType.KEEP, lambda: float(now_ms))
    judged = [judge.event_or_reason(value) for value in values]
    assert [one is BadReason.INVALID_FIELD for one in judged] == [one is not None for one in expected]


class Schemas:
    """The schemas of the messages."""

    def schema(self, schema_id: int) -> str:
        return WRITERS[schema_id]
