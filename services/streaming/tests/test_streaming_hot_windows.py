"""The alert query on a real broker: one plan, one checkpoint, two ways of running it."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from clickwatch_events import Event, EventType, HotWindow
from clickwatch_events.avro import EventEncoder, HotWindowCodec
from clickwatch_events.schemas import EVENTS, schema_text
from clickwatch_events.shop_event import ShopEvent, ShopEventEncoder, ShopEventType
from clickwatch_streaming.alerts.backlog import unread_messages
from clickwatch_streaming.alerts.query import AlertQuery, first_offsets
from clickwatch_streaming.settings import Settings
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyspark.sql import SparkSession
from pyspark.sql.streaming.query import StreamingQuery

WRITERS = {1: schema_text(EVENTS, 1), 2: schema_text(EVENTS, 2), 4: schema_text(EVENTS, 3)}
ENCODERS = (EventEncoder(1, 1), EventEncoder(2, 2))
CODEC = HotWindowCodec(3)
# In the middle of a slide of windows, a little ago: all events lie in the same two windows.
SLIDE_SECONDS = 300
NOW = int(datetime.now(UTC).timestamp())
START = NOW - NOW % SLIDE_SECONDS - SLIDE_SECONDS
WINDOWS = {(START - SLIDE_SECONDS) * 1000, START * 1000}
PATIENCE = timedelta(seconds=120)


@dataclass(frozen=True)
class Shop:
    """Topics of a test's own, and the settings that name them."""

    settings: Settings

    def send(self, messages: Iterable[bytes | None]) -> None:
        producer = Producer({"bootstrap.servers": self.settings.kafka_bootstrap_servers})
        for number, message in enumerate(messages):
            producer.produce(self.settings.kafka_topic, message, f"user_{number}")
        assert producer.flush(60) == 0

    def newest_timestamp_ms(self) -> int:
        """Kafka's timestamp of the last of all messages sent."""
        consumer = Consumer({"bootstrap.servers": self.settings.kafka_bootstrap_servers, "group.id": "test"})
        newest = 0
        try:
            for partition in range(2):
                _, end = consumer.get_watermark_offsets(TopicPartition(self.settings.kafka_topic, partition))
                consumer.assign([TopicPartition(self.settings.kafka_topic, partition, end - 1)])
                message = consumer.poll(PATIENCE.total_seconds())
                assert message is not None
                assert message.error() is None
                newest = max(newest, message.timestamp()[1])
        finally:
            consumer.close()
        return newest

    def hot_windows_until(self, product: str, views: int, purchases: int) -> list[HotWindow]:
        """What the query has sent, once both windows of a product have come to some counts."""
        consumer = Consumer({"bootstrap.servers": self.settings.kafka_bootstrap_servers, "group.id": "test"})
        consumer.assign([TopicPartition(self.settings.alerts_topic, 0, 0)])
        seen: list[HotWindow] = []
        deadline = datetime.now(UTC) + PATIENCE
        try:
            while datetime.now(UTC) < deadline:
                message = consumer.poll(1.0)
                if message is None or message.error():
                    continue
                value, key = message.value(), message.key()
                assert value is not None
                assert key is not None
                window = CODEC.decode(value)
                start = datetime.fromtimestamp(window.window_start_ms / 1000, UTC)
                assert key.decode() == f"{window.product_id}|{start:%Y-%m-%dT%H:%M:%SZ}"
                seen.append(window)
                reached = {w.window_start_ms for w in seen if w[0] == product and w[4:6] == (views, purchases)}
                if reached == WINDOWS:
                    return seen
        finally:
            consumer.close()
        raise AssertionError(f"{product} did not come to {views} views and {purchases} purchases: {seen[-4:]}")


@pytest.fixture
def shop(kafka_bootstrap: str, spark_jars_dir: Path, tmp_path: Path) -> Shop:
    name = f"shop-{uuid.uuid4().hex}"
    topics = [NewTopic(name, 2, config={"message.timestamp.type": "LogAppendTime"}), NewTopic(f"{name}-alerts", 1)]
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    for made in admin.create_topics(topics).values():
        made.result(10)
    settings = Settings(
        kafka_bootstrap_servers=kafka_bootstrap,
        kafka_topic=name,
        alerts_topic=f"{name}-alerts",
        data_dir=tmp_path,
        spark_jars_dir=spark_jars_dir,
        checkpoint_interval=timedelta(seconds=5),
    )
    return Shop(settings)


def events(product: str, views: int, purchases: int = 0) -> list[bytes]:
    kinds = [EventType.VIEW] * views + [EventType.PURCHASE] * purchases
    return [
        ENCODERS[number % 2].encode(
            Event(str(uuid.uuid4()), "user_1", product, "laptops", kind, START * 1000 + number, "s", 100, "EUR")
        )
        for number, kind in enumerate(kinds)
    ]


def shop_events(product: str, count: int, kind: ShopEventType, is_bot: bool) -> list[bytes]:
    """Events of version 3."""
    encode = ShopEventEncoder(4).encode
    return [
        encode(ShopEvent(str(uuid.uuid4()), "user_1", product, "laptops", kind, START * 1000 + number, is_bot=is_bot))
        for number in range(count)
    ]


def wait_for_commit(query: StreamingQuery, checkpoint: Path, batch: int) -> None:
    """Return once a batch is committed; the query's end is waited for a second at a time."""
    deadline = datetime.now(UTC) + PATIENCE
    while not (checkpoint / "commits" / str(batch)).exists():
        assert datetime.now(UTC) < deadline
        assert not query.awaitTermination(1), query.exception()


def test_both_ways_of_running_go_on_from_one_checkpoint(spark: SparkSession, shop: Shop) -> None:
    settings = shop.settings
    alerts = AlertQuery(spark, settings, 3)
    first = events("product_7", 60, 1)
    # Neither bots nor types that this release does not know count.
    others = [
        *shop_events("product_7", 50, ShopEventType.VIEW, is_bot=True),
        *shop_events("product_7", 3, ShopEventType.PURCHASE, is_bot=True),
        *shop_events("product_7", 5, ShopEventType.REFUND, is_bot=False),
    ]
    twice = [*first, *others, *first[:20], b"poison", None, b"\0\0\0\0\x63body"]

    # Micro-batches bring the counts to 60, and none is sent: 100 have to be exceeded.
    shop.send([*twice, *events("product_1", 61), *shop_events("product_1", 40, ShopEventType.VIEW, is_bot=False)])
    alerts.drain(WRITERS).awaitTermination()
    assert unread_messages(alerts.checkpoint, settings.kafka, settings.kafka_topic) == 0
    assert {w.product_id for w in shop.hot_windows_until("product_1", 101, 0)} == {"product_1"}

    # Real-Time Mode goes on from 60, knows the duplicates of before, and sends each change.
    running = alerts.follow_in_real_time(WRITERS)
    shop.send([*first[:30], *events("product_7", 45, 2)])
    seen = shop.hot_windows_until("product_7", 105, 3)
    views = [w.views for w in seen if w.product_id == "product_7" and w.window_start_ms == START * 1000]
    assert set(range(101, 106)) <= set(views)
    assert views == sorted(views)
    committed = max(int(file.name) for file in (alerts.checkpoint / "commits").glob("[0-9]*"))
    wait_for_commit(running, alerts.checkpoint, committed + 1)
    shop.send(events("product_7", 5))
    shop.hot_windows_until("product_7", 110, 3)
    running.stop()

    # Micro-batches go on from what Real-Time Mode committed, and count what it had not committed again.
    shop.send(events("product_7", 1))
    alerts.drain(WRITERS).awaitTermination()
    seen = shop.hot_windows_until("product_7", 111, 3)
    # The 111th view was the last of all messages.
    last = {w.newest_kafka_timestamp_ms for w in seen if w.product_id == "product_7" and w.views == 111}
    assert last == {shop.newest_timestamp_ms()}


def test_what_was_not_committed_is_read_again_with_a_schema_learnt_meanwhile(spark: SparkSession, shop: Shop) -> None:
    never = {"checkpoint_interval": timedelta(hours=1)}
    alerts = AlertQuery(spark, shop.settings.model_copy(update=never), 3)
    shop.send([*events("product_1", 240), *events("product_7", 104)])
    running = alerts.follow_in_real_time({1: WRITERS[1]})
    # Every other event is of the schema that is not known yet.
    shop.hot_windows_until("product_1", 120, 0)
    running.stop()

    alerts.drain(WRITERS).awaitTermination()

    assert shop.hot_windows_until("product_1", 240, 0)
    assert shop.hot_windows_until("product_7", 104, 0)


def test_what_is_open_is_counted_again_where_an_earlier_release_kept_another_state(
    spark: SparkSession, shop: Shop
) -> None:
    alerts = AlertQuery(spark, shop.settings, 3)
    shop.send(events("product_7", 104))
    alerts.drain(WRITERS).awaitTermination()
    alerts.checkpoint.rename(alerts.checkpoint.with_name("alerts"))
    shop.send(events("product_7", 1))

    assert first_offsets(shop.settings) == {
        "startingTimestamp": str(START * 1000 + 103 - (10 + 2 * 10 + 5) * 60_000),
        "startingOffsetsByTimestampStrategy": "latest",
    }
    alerts.drain(WRITERS).awaitTermination()
    assert shop.hot_windows_until("product_7", 105, 0)
