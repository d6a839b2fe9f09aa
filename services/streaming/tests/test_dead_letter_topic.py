"""Dead letters on a real Kafka: each bad message once, whatever the sender dies of."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from clickwatch_service import UserError
from clickwatch_streaming.dead_letter_list import counts_by_reason
from clickwatch_streaming.dead_letters import DeadLetter, DeadLetterTopic
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

ARRIVED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def letters(partition: int, *offsets: int) -> list[DeadLetter]:
    return [DeadLetter("bad_framing", partition, offset, ARRIVED, None, b"key", b"value") for offset in offsets]


@pytest.fixture
def topics(kafka_bootstrap: str) -> Iterator[tuple[str, str]]:
    name = f"events-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    created = admin.create_topics([NewTopic(name, 2), NewTopic(f"{name}-dlq", 1)])
    for future in created.values():
        future.result()
    yield name, f"{name}-dlq"
    admin.delete_topics([name, f"{name}-dlq"])


def read(bootstrap: str, topic: str, expected: int) -> list[Message]:
    """What a `read_committed` consumer finds."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "test", "isolation.level": "read_committed"}
        | {"enable.partition.eof": True, "enable.auto.commit": False, "log_level": 0}
    )
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    found: list[Message] = []
    while (message := consumer.poll(60)) is not None:
        error = message.error()
        if error is None:
            found.append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            break
    consumer.close()
    assert len(found) == expected
    return found


def test_a_dead_letter_says_why_and_where_it_was_and_keeps_its_bytes(
    kafka_bootstrap: str, topics: tuple[str, str]
) -> None:
    letter = DeadLetter("undecodable_body", 1, 41, ARRIVED, 7, b"\0key", b"\0\xff")

    with DeadLetterTopic(kafka_bootstrap, *topics) as topic:
        assert topic.send([letter], {0: 0, 1: 42}) == 1

    (message,) = read(kafka_bootstrap, topics[1], 1)
    assert (message.key(), message.value()) == (b"\0key", b"\0\xff")
    assert dict(message.headers() or []) == {
        "reason": b"undecodable_body",
        "topic": topics[0].encode(),
        "partition": b"1",
        "offset": b"41",
        "schema_id": b"7",
        "timestamp": b"2026-03-01T12:00:00.000+00:00",
    }


def test_a_batch_taken_again_sends_nothing(kafka_bootstrap: str, topics: tuple[str, str]) -> None:
    batch, ends = letters(0, 1, 4) + letters(1, 2), {0: 5, 1: 3}

    for expected in (3, 0):
        with DeadLetterTopic(kafka_bootstrap, *topics) as topic:
            assert topic.send(batch, ends) == expected

    read(kafka_bootstrap, topics[1], 3)
    assert counts_by_reason(kafka_bootstrap, topics[1]) == {"bad_framing": 3}


DIES_IN_A_TRANSACTION = """
import os, signal, sys
from datetime import UTC, datetime
from clickwatch_streaming.dead_letters import DeadLetter, DeadLetterTopic

def letters():
    for offset in (0, 1):
        yield DeadLetter("bad_framing", 0, offset, datetime(2026, 3, 1, tzinfo=UTC), None, b"key", b"value")
    topic._producer.flush(30)
    os.kill(os.getpid(), signal.SIGKILL)

topic = DeadLetterTopic(*sys.argv[1:])
topic.send(letters(), {0: 2})
"""


def test_what_a_killed_sender_had_not_committed_is_sent_once(kafka_bootstrap: str, topics: tuple[str, str]) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", DIES_IN_A_TRANSACTION, kafka_bootstrap, *topics],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with DeadLetterTopic(kafka_bootstrap, *topics) as topic:
        assert topic.send(letters(0, 0, 1), {0: 2}) == 2

    found = read(kafka_bootstrap, topics[1], 2)

    assert min(offset for message in found if (offset := message.offset()) is not None) >= 2


def test_a_missing_topic_is_named(kafka_bootstrap: str) -> None:
    with (
        DeadLetterTopic(kafka_bootstrap, "no-such-topic", "no-such-dlq") as topic,
        pytest.raises(UserError, match="no-such-topic"),
    ):
        topic.source_partitions()
