"""The lake's transactions on a broker that is killed under them and comes back."""

import threading
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

import pytest
from clickwatch_kafka import KafkaConnection
from clickwatch_servers.java import find_java
from clickwatch_servers.kafka import kafka_jars, start_kafka, wait_for_kafka
from clickwatch_servers.ports import HOST, free_port
from clickwatch_service import UserError
from clickwatch_streaming.dead_letters import topic as dead_letters
from clickwatch_streaming.dead_letters.stored import stored_letters
from clickwatch_streaming.dead_letters.topic import DeadLetter, DeadLetterTopic
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

NEXT_BATCH_SECONDS = 60
"""After the broker answers again."""


def _batch(number: int) -> list[DeadLetter]:
    arrived = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
    return [DeadLetter("bad_framing", 0, 2 * number + n, arrived, None, b"key", b"value") for n in range(2)]


def _wait_until_visible(bootstrap: str, letters: int) -> None:
    Retrying(retry=retry_if_result(lambda found: found < letters), stop=stop_after_delay(30), wait=wait_fixed(0.1))(
        lambda: len(list(stored_letters(KafkaConnection.plain(bootstrap), "events-dlq")))
    )


def test_a_sender_whose_broker_is_killed_goes_on_within_a_minute_of_its_return_and_sends_each_letter_once(
    tmp_path: Path,
) -> None:
    java, port = find_java(21), free_port()
    jars, bootstrap = kafka_jars(java), f"{HOST}:{port}"
    kafka = start_kafka(tmp_path / "kafka", port, java, jars, tmp_path / "kafka.log")
    try:
        wait_for_kafka(kafka, port)
        admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        for made in admin.create_topics([NewTopic("events", 1), NewTopic("events-dlq", 1)]).values():
            made.result(20)
        with DeadLetterTopic(KafkaConnection.plain(bootstrap), "events", "events-dlq") as topic:
            sent = topic.send(_batch(0), {0: 2})
            # The broker answers a commit a moment before its markers are written, and killed in that moment
            # it may undo the transaction.
            _wait_until_visible(bootstrap, sent)
            kafka.kill()
            # Asked for while nobody answers, as the lake does.
            second = threading.Thread(target=topic.send, args=(_batch(1), {0: 4}))
            second.start()
            kafka = start_kafka(tmp_path / "kafka", port, java, jars, tmp_path / "kafka.log")
            wait_for_kafka(kafka, port)
            back = monotonic()
            second.join(NEXT_BATCH_SECONDS)
            took = monotonic() - back
            sent += topic.send(_batch(2), {0: 6})

        found = sorted(letter.offset for letter in stored_letters(KafkaConnection.plain(bootstrap), "events-dlq"))
    finally:
        kafka.kill()

    assert took < NEXT_BATCH_SECONDS
    assert sent == 4
    assert found == [0, 1, 2, 3, 4, 5]


def test_a_broker_that_stays_away_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "PATIENCE_SECONDS", 1)
    monkeypatch.setattr(dead_letters, "_CALL_SECONDS", 0.5)

    with pytest.raises(UserError, match=rf"Kafka at {HOST}:1 has taken no dead letters for 1 s .*see that it answers"):
        DeadLetterTopic(KafkaConnection.plain(f"{HOST}:1"), "events", "events-dlq")


def test_letters_that_can_be_read_but_once_are_refused(kafka_bootstrap: str) -> None:
    with (
        DeadLetterTopic(KafkaConnection.plain(kafka_bootstrap), "some", "some-dlq") as topic,
        pytest.raises(TypeError, match="iterator"),
    ):
        topic.send(iter(_batch(0)), {0: 2})
