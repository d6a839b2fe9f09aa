"""The topics of clickwatch, as whoever deploys it makes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from clickwatch_kafka import KafkaConnection, admin, refusal
from clickwatch_service import UserError
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic

EVENTS = "clickstream-events"
ALERTS = "flash-sale-alerts"


@dataclass(frozen=True)
class Topic:
    """One topic.

    Attributes:
        name: its name.
        partitions: how many.
        config: what differs from the broker's defaults.
    """

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)


TOPICS = (
    # The broker's own clock stamps events, so "in the future" does not depend on the producer's.
    Topic(EVENTS, 2, {"message.timestamp.type": "LogAppendTime"}),
    # A dead letter is its message with headers on top, so it may be larger than any message (1 MiB).
    Topic(f"{EVENTS}-dlq", 1, {"retention.ms": "-1", "max.message.bytes": "2097152"}),
    Topic(ALERTS, 1, {"cleanup.policy": "compact"}),
)


def create_topics(kafka: KafkaConnection, topics: tuple[Topic, ...] = TOPICS) -> None:
    """Create the topics that are not there yet.

    Raises:
        UserError: the broker refuses one.
    """
    client = admin(kafka, {"log_level": 0})
    made = client.create_topics([NewTopic(one.name, one.partitions, config=dict(one.config)) for one in topics])
    for name, result in made.items():
        try:
            result.result(30)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                refused = refusal(kafka, error.args[0], f"create topic {name}")
                if refused is not None:
                    raise refused from error
                raise UserError(
                    f"topic {name} cannot be created at {kafka.bootstrap_servers}: {error.args[0].str()}"
                ) from error
