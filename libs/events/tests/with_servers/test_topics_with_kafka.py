"""Topics that somebody made, held against what the services want of them."""

import re
import uuid
from collections.abc import Mapping
from datetime import timedelta

from clickwatch_events.topic_wants import wants_of_topics
from clickwatch_events.topics import Topic, create_topics
from clickwatch_kafka import KafkaConnection
from clickwatch_kafka.topic_settings import require_settings
from clickwatch_service import UserError
from confluent_kafka.admin import AdminClient
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

COUNTED_AGAIN = timedelta(minutes=35)
GOOD: Mapping[str, Mapping[str, str]] = {
    "events": {"message.timestamp.type": "LogAppendTime"},
    "letters": {"retention.ms": "-1", "max.message.bytes": "2097152"},
    "alerts": {"cleanup.policy": "compact"},
}


def said_of(bootstrap: str, changes: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Make topics as they should be, but for some changes; return what is said of them, without their prefix."""
    prefix = uuid.uuid4().hex
    names = {name: f"{prefix}-{name}" for name in GOOD}
    create_topics(
        KafkaConnection.plain(bootstrap),
        tuple(Topic(names[one], 1, {**GOOD[one], **changes.get(one, {})}) for one in GOOD),
    )
    admin = AdminClient({"bootstrap.servers": bootstrap})
    _until_there(admin, set(names.values()))
    said: list[str] = []
    wants = wants_of_topics(names["events"], names["letters"], names["alerts"], COUNTED_AGAIN)
    try:
        require_settings(admin, wants, said.append)
    except UserError as error:
        said.append(f"refused: {error}")
    return [re.sub(f"{prefix}-", "", line) for line in said]


@retry(retry=retry_if_result(lambda there: not there), stop=stop_after_delay(60), wait=wait_fixed(0.1))
def _until_there(admin: AdminClient, names: set[str]) -> bool:
    return names <= admin.list_topics(timeout=10).topics.keys()


def test_topics_as_the_deployment_makes_them_will_do(kafka_bootstrap: str) -> None:
    assert said_of(kafka_bootstrap, {}) == []


def test_what_makes_figures_wrong_is_refused_all_at_once(kafka_bootstrap: str) -> None:
    changes = {
        "events": {"cleanup.policy": "compact", "retention.ms": "600000"},
        "letters": {"cleanup.policy": "compact,delete"},
    }

    (advice, refused) = said_of(kafka_bootstrap, changes)

    assert advice == (
        "topic events: retention.ms is 600000: after an outage that is longer, streaming stops with an error: "
        "set it to a day or more"
    )
    assert refused.startswith("refused: topic events: cleanup.policy is compact: events of one user replace each other")
    assert "topic events: retention.ms is 600000: events are deleted that are still counted" in refused
    assert "set it to at least 2100000" in refused
    assert "topic letters: cleanup.policy is compact,delete: dead letters of one user replace each other" in refused


def test_what_stops_nothing_is_said(kafka_bootstrap: str) -> None:
    changes = {
        "events": {"message.timestamp.type": "CreateTime"},
        "letters": {"retention.ms": "86400000", "max.message.bytes": "1048588"},
        "alerts": {"cleanup.policy": "delete"},
    }

    said = said_of(kafka_bootstrap, changes)

    assert [line.partition(": ")[2].partition(" is ")[0] for line in said] == [
        "message.timestamp.type",
        "retention.ms",
        "max.message.bytes",
        "cleanup.policy",
    ]
    assert not any(line.startswith("refused") for line in said)


def test_a_topic_that_is_not_there_is_passed_over(kafka_bootstrap: str) -> None:
    said: list[str] = []

    require_settings(
        AdminClient({"bootstrap.servers": kafka_bootstrap}),
        wants_of_topics("not-there", "not-there", "not-there", COUNTED_AGAIN),
        said.append,
    )

    assert len(said) == 1
    assert "topic not-there: its settings cannot be looked at" in said[0]
