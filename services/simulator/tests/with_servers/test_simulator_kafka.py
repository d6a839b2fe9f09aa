"""The event topic, with a real Kafka and a real registry (fixtures of clickwatch_servers)."""

import json
import os
import subprocess
import sys
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from clickwatch_events import BadFrame, Event
from clickwatch_events.avro import BadMessage, EventDecoder, EventEncoder
from clickwatch_events.registry import NotRegistered, Registry
from clickwatch_events.schemas import EVENTS
from clickwatch_servers.java import find_java
from clickwatch_servers.kafka import kafka_jars, start_kafka, wait_for_kafka
from clickwatch_servers.ports import HOST, free_port
from clickwatch_service import UserError
from clickwatch_simulator.kafka import EventTopic
from clickwatch_simulator.scenarios import Item
from clickwatch_simulator.settings import Settings
from clickwatch_simulator.shoppers import Shop, Shoppers
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

pytest_plugins = ["clickwatch_servers.fixtures"]

ENCODERS = {version: EventEncoder(version, version) for version in (1, 2)}


def make_topic(bootstrap: str, name: str, partitions: int) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics([NewTopic(name, partitions)]).values():
        made.result()


def messages(bootstrap: str, topic: str, partitions: int) -> list[Message]:
    """Return all that the topic holds."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    found: list[Message] = []
    ended: set[int] = set()
    while len(ended) < partitions:
        for message in consumer.consume(10_000, 1.0):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                place = message.partition()
                assert place is not None
                ended.add(place)
    consumer.close()
    return found


def simulator(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    python_path = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-m", "clickwatch_simulator", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": python_path, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def some_events(count: int) -> list[Item]:
    for block in Shoppers(Shop(seed=1, start_ms=1_748_736_000_000, rate=10)).blocks():
        return [*block.events[:count]]
    raise AssertionError("no traffic")


def test_the_topic_holds_what_the_ledger_says_in_both_versions_and_user_by_user(
    tmp_path: Path, kafka_bootstrap: str, schema_registry_url: str
) -> None:
    registry = Registry(schema_registry_url)
    registry.register(EVENTS)
    make_topic(kafka_bootstrap, "ledger-test", 3)

    done = simulator(
        *("stream", "--fast", "--events", "40000", "--rate", "4", "--seed", "3", "--ledger", str(tmp_path / "l.json")),
        *("--duplicates", "0.02", "--late", "0.02", "--out-of-order", "0.02", "--future", "0.002", "--poison", "0.01"),
        KAFKA_BOOTSTRAP_SERVERS=kafka_bootstrap,
        SCHEMA_REGISTRY_URL=schema_registry_url,
        KAFKA_TOPIC="ledger-test",
        DATA_DIR=str(tmp_path),
    )

    assert done.returncode == 0, done.stderr
    ledger: dict[str, Any] = json.loads((tmp_path / "l.json").read_text())
    found = messages(kafka_bootstrap, "ledger-test", 3)
    assert ledger["kafka"] == {"records": len(found), "acknowledged": len(found)}
    decoder = EventDecoder(registry)
    events: dict[str, Event] = {}
    duplicates, bad, partitions = 0, Counter[str](), dict[bytes, set[int | None]]()
    for message in found:
        value, key = message.value(), message.key()
        assert key is not None
        partitions.setdefault(bytes(key), set()).add(message.partition())
        try:
            event = decoder.decode(bytes(value or b""))
        except (BadFrame, BadMessage, NotRegistered) as error:
            bad["empty_value" if not value else type(error).__name__] += 1
            continue
        assert key == event.user_id.encode()
        duplicates += event.event_id in events
        events[event.event_id] = event
    valid = [event for event in events.values() if event.timestamp_ms < 2_500_000_000_000]
    assert duplicates == ledger["duplicates"]
    assert len(events) - len(valid) == ledger["future"]
    assert Counter(event.event_type.value for event in valid) == ledger["by_type"]
    assert sum(event.session_id is None for event in valid) == ledger["by_schema_version"]["1"]
    assert bad == {
        "empty_value": ledger["dead_letters"]["empty_value"],
        "BadFrame": ledger["dead_letters"]["bad_framing"],
        "BadMessage": ledger["dead_letters"]["undecodable_body"],
        "NotRegistered": ledger["dead_letters"]["unknown_schema_id"],
    }
    assert all(len(places) == 1 for places in partitions.values())


def test_rows_that_break_a_limit_reach_the_topic_as_they_are_and_neither_log_nor_counts(
    tmp_path: Path, kafka_bootstrap: str, schema_registry_url: str
) -> None:
    """The speed layer sets them aside as dead letters; what no message can say is set aside by the import alone."""
    registry = Registry(schema_registry_url)
    registry.register(EVENTS)
    make_topic(kafka_bootstrap, "refused-test", 2)
    sound = {"product_category": "toys", "event_type": "view", "timestamp": "2025-06-01T10:00:00Z"}
    rows = [{**sound, "user_id": f"u{number}", "product_id": "a\0b"} for number in range(150)]
    rows += [{**sound, "user_id": "good", "product_id": "p", "timestamp": "2025-06-01T10:00:01Z"}]
    rows += [{**sound, "user_id": "", "product_id": "p"}, {**sound, "user_id": "u", "product_id": "x" * 300_000}]
    rows += [{**sound, "user_id": "u", "product_id": "p", "timestamp": "2999-01-01T00:00:00Z"}]
    file = tmp_path / "shop.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))

    done = simulator(
        *("replay", str(file), "--speed", "max", "--start-time", "-2m", "--ledger", str(tmp_path / "l.json")),
        KAFKA_BOOTSTRAP_SERVERS=kafka_bootstrap,
        SCHEMA_REGISTRY_URL=schema_registry_url,
        KAFKA_TOPIC="refused-test",
        DATA_DIR=str(tmp_path),
    )

    assert done.returncode == 1
    assert "99.4% was set aside, more than --max-bad=0.1" in done.stderr
    ledger: dict[str, Any] = json.loads((tmp_path / "l.json").read_text())
    decoder = EventDecoder(registry)
    sent = Counter(
        decoder.decode(bytes(message.value() or b"")).product_id
        for message in messages(kafka_bootstrap, "refused-test", 2)
    )
    assert sent == {"a\0b": 150, "p": 2}
    assert ledger["dead_letters"] == {"invalid_field": 151}
    assert ledger["kafka"] == {"records": 152, "acknowledged": 152}
    assert ledger["events"] == 1
    assert ledger["import"]["sent_refused"] == 151
    (log,) = (tmp_path / "logs").iterdir()
    assert log.read_bytes().count(b"\n") == 1


def test_a_topic_that_is_not_there_is_waited_for_and_then_named(kafka_bootstrap: str) -> None:
    settings = Settings(
        kafka_bootstrap_servers=kafka_bootstrap, kafka_topic="no-such-topic", wait_timeout=timedelta(seconds=1)
    )

    with pytest.raises(UserError, match=r"topic no-such-topic at .*: create it or set KAFKA_TOPIC, waited 1 s"):
        EventTopic(settings, ENCODERS)


def test_a_broker_that_is_not_there_is_waited_for_and_then_named() -> None:
    settings = Settings(kafka_bootstrap_servers=f"{HOST}:{free_port()}", wait_timeout=timedelta(seconds=1))

    with pytest.raises(UserError, match=r"no Kafka broker answers at .*: start it or set KAFKA_BOOTSTRAP_SERVERS"):
        EventTopic(settings, ENCODERS)


def test_messages_that_a_dying_broker_does_not_acknowledge_are_an_error_with_their_number(tmp_path: Path) -> None:
    java, port = find_java(21), free_port()
    kafka = start_kafka(tmp_path / "kafka", port, java, kafka_jars(java), tmp_path / "kafka.log")
    try:
        wait_for_kafka(kafka, port)
        make_topic(f"{HOST}:{port}", "events", 1)
        topic = EventTopic(
            Settings(
                kafka_bootstrap_servers=f"{HOST}:{port}", kafka_topic="events", delivery_timeout=timedelta(seconds=3)
            ),
            ENCODERS,
        )
        topic.send(some_events(100))
        topic.flush()
    finally:
        kafka.kill()

    topic.send(some_events(40))

    with pytest.raises(UserError, match=r"40 of 140 messages for topic events were not acknowledged"):
        topic.flush()
    assert topic.acknowledged == 100
