"""Dead letters on a real Kafka: each bad message once, whatever the sender dies of."""

import json
import os
import random
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clickwatch_kafka import KafkaConnection
from clickwatch_service import UserError
from clickwatch_streaming.__main__ import app
from clickwatch_streaming.dead_letters.stored import stored_letters
from clickwatch_streaming.dead_letters.topic import DeadLetter, DeadLetterTopic
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from streaming_dead_letters import counts_by_reason
from typer.testing import CliRunner

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

    with DeadLetterTopic(KafkaConnection.plain(kafka_bootstrap), *topics) as topic:
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


def test_a_letter_that_is_too_large_for_its_topic_goes_without_its_value(kafka_bootstrap: str) -> None:
    source, small = f"events-{uuid.uuid4().hex}", f"small-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    made = admin.create_topics([NewTopic(source, 1), NewTopic(small, 1, config={"max.message.bytes": "200000"})])
    for future in made.values():
        future.result()
    sizes = [10, 300_000, 10, 25_000_000]  # the last is more than the producer sends at all
    batch = [
        DeadLetter("bad_framing", 0, n, ARRIVED, None, b"key", random.Random(n).randbytes(size))  # so it is not packed
        for n, size in enumerate(sizes)
    ]

    with DeadLetterTopic(KafkaConnection.plain(kafka_bootstrap), source, small) as topic:
        assert topic.send(batch, {0: 4}) == 4

    messages = read(kafka_bootstrap, small, 4)
    assert [len(message.value() or b"") for message in messages] == [10, 0, 10, 0]
    assert [dict(message.headers() or []).get("detail") for message in messages] == [
        None,
        b"value of 300000 bytes left out, larger than the topic takes; it stands where it came from",
        None,
        b"value of 25000000 bytes left out, larger than the topic takes; it stands where it came from",
    ]


def test_a_batch_taken_again_sends_nothing(kafka_bootstrap: str, topics: tuple[str, str]) -> None:
    batch, ends = letters(0, 1, 4) + letters(1, 2), {0: 5, 1: 3}

    for expected in (3, 0):
        with DeadLetterTopic(KafkaConnection.plain(kafka_bootstrap), *topics) as topic:
            assert topic.send(batch, ends) == expected

    read(kafka_bootstrap, topics[1], 3)
    assert counts_by_reason(kafka_bootstrap, topics[1]) == {"bad_framing": 3}


DIES_IN_A_TRANSACTION = """
import os, signal, sys
from datetime import UTC, datetime
from clickwatch_kafka import KafkaConnection
from clickwatch_streaming.dead_letters.topic import DeadLetter, DeadLetterTopic

class Letters:
    def __iter__(self):
        for offset in (0, 1):
            yield DeadLetter("bad_framing", 0, offset, datetime(2026, 3, 1, tzinfo=UTC), None, b"key", b"value")
        topic._producer.flush(30)
        os.kill(os.getpid(), signal.SIGKILL)

topic = DeadLetterTopic(KafkaConnection.plain(sys.argv[1]), *sys.argv[2:])
topic.send(Letters(), {0: 2})
"""


def test_what_a_killed_sender_had_not_committed_is_sent_once(kafka_bootstrap: str, topics: tuple[str, str]) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", DIES_IN_A_TRANSACTION, kafka_bootstrap, *topics],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with DeadLetterTopic(KafkaConnection.plain(kafka_bootstrap), *topics) as topic:
        assert topic.send(letters(0, 0, 1), {0: 2}) == 2

    found = read(kafka_bootstrap, topics[1], 2)

    assert min(offset for message in found if (offset := message.offset()) is not None) >= 2


def test_a_missing_topic_is_named(kafka_bootstrap: str) -> None:
    with (
        DeadLetterTopic(KafkaConnection.plain(kafka_bootstrap), "no-such-topic", "no-such-dlq") as topic,
        pytest.raises(UserError, match="no-such-topic"),
    ):
        topic.source_partitions()


def test_the_commands_count_show_export_and_replay(
    kafka_bootstrap: str, topics: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap),
        ("KAFKA_TOPIC", topics[0]),
        ("SCHEMA_REGISTRY_URL", "http://127.0.0.1:1"),
        ("DATA_DIR", str(tmp_path)),
    ):
        monkeypatch.setenv(name, value)
    with DeadLetterTopic(KafkaConnection.plain(kafka_bootstrap), *topics) as topic:
        topic.send([*letters(0, 3), DeadLetter("empty_value", 1, 4, ARRIVED, None, None, None)], {0: 4, 1: 5})

    def dlq(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["dlq", *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert [line.split()[:3] for line in dlq("list", "--by", "day").splitlines()] == [
        ["1", "bad_framing", "2026-03-01"],
        ["1", "empty_value", "2026-03-01"],
        ["2", "in", topics[1]],
    ]
    shown = dlq("show", "0:0")
    assert f"{topics[0]} partition 0 offset 3" in shown
    assert "76 61 6c 75 65" in shown
    dlq("export", "--to", str(tmp_path / "letters.jsonl"))
    exported = [json.loads(line) for line in (tmp_path / "letters.jsonl").read_text().splitlines()]
    assert [(one["offset"], one["value_base64"]) for one in exported] == [(3, "dmFsdWU="), (4, None)]
    assert dlq("export", "--at", "0:0", "--format", "binary") == "value"
    assert dlq("replay").split()[:4] == ["0", "sent", "to", topics[0]]
    assert dlq("replay", "--at", "0:0", "--force").split()[0] == "1"

    (sent,) = read(kafka_bootstrap, topics[0], 1)
    assert (sent.key(), sent.value()) == (b"key", b"value")
    assert dict(sent.headers() or []) == {"replayed_from": b"0:0", "replays": b"1"}


def test_a_letter_of_another_program_is_listed_whatever_its_headers_say(
    kafka_bootstrap: str, topics: tuple[str, str]
) -> None:
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    headers: list[tuple[str, str | bytes | None]] = [
        ("replayed_from", "see ticket 7"),
        ("replays", "two"),
        ("offset", b"\xff"),
        ("timestamp", None),
    ]
    producer.produce(topics[1], b"value", headers=headers)
    producer.flush()

    (letter,) = stored_letters(KafkaConnection.plain(kafka_bootstrap), topics[1])

    assert (letter.reason, letter.replays, letter.replayed_from) == ("unexplained", 0, None)
    assert (letter.offset, letter.value) == (-1, b"value")
