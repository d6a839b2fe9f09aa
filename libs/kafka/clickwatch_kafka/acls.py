"""The rights that each service needs at a broker, and no more: printed, asked for at its start, and granted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaException
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType

from clickwatch_kafka.clients import admin
from clickwatch_kafka.refusals import KafkaRefused, KafkaUnreachable, refusal
from clickwatch_kafka.rights import Resource, Right
from clickwatch_kafka.settings.connection import KafkaConnection

_SECONDS = 30.0
_KINDS = {
    Resource.TOPIC: ResourceType.TOPIC,
    Resource.GROUP: ResourceType.GROUP,
    Resource.TRANSACTIONAL_ID: ResourceType.TRANSACTIONAL_ID,
}

_READERS = ("clickwatch-projector", "clickwatch-dead-letter-list")


@dataclass(frozen=True)
class Topics:
    """The names that a deployment gave the topics.

    Attributes:
        events: KAFKA_TOPIC.
        dead_letters: DLQ_TOPIC.
        alerts: ALERTS_TOPIC.
    """

    events: str = "clickstream-events"
    dead_letters: str = "clickstream-events-dlq"
    alerts: str = "flash-sale-alerts"


def simulator(topics: Topics) -> tuple[Right, ...]:
    """Return what the simulator needs."""
    return (Right(Resource.TOPIC, topics.events, ("WRITE", "DESCRIBE"), "sends events"),)


def collector(topics: Topics) -> tuple[Right, ...]:
    """Return what the collector needs."""
    return (
        Right(Resource.TOPIC, topics.events, ("WRITE", "DESCRIBE"), "sends events"),
        Right(Resource.TOPIC, topics.dead_letters, ("WRITE", "DESCRIBE"), "keeps what it refused"),
    )


def streaming(topics: Topics) -> tuple[Right, ...]:
    """Return what streaming needs with all its parts, replays included."""
    senders = (f"clickwatch-lake-{topics.events}", f"clickwatch-projector-{topics.alerts}")
    return (
        Right(Resource.TOPIC, topics.events, ("READ", "WRITE", "DESCRIBE"), "reads events, sends heartbeats, replays"),
        Right(Resource.TOPIC, topics.dead_letters, ("READ", "WRITE", "DESCRIBE"), "sends dead letters and reads them"),
        Right(Resource.TOPIC, topics.alerts, ("READ", "WRITE", "DESCRIBE"), "sends hot windows and follows them"),
        *(Right(Resource.GROUP, one, ("READ",), "keeps how far dead letters are sent") for one in senders),
        # librdkafka asks for the coordinator of a group that it only reads with.
        *(Right(Resource.GROUP, one, ("DESCRIBE",), "reads without keeping offsets") for one in _READERS),
        *(
            Right(Resource.TRANSACTIONAL_ID, one, ("WRITE", "DESCRIBE"), "sends each dead letter once")
            for one in senders
        ),
    )


def deployment(topics: Topics) -> tuple[Right, ...]:
    """Return what whoever creates the topics needs."""
    return tuple(Right(Resource.TOPIC, one, ("CREATE", "DESCRIBE"), "creates it") for one in _names(topics))


def _names(topics: Topics) -> tuple[str, str, str]:
    return topics.events, topics.dead_letters, topics.alerts


SERVICES: Mapping[str, Callable[[Topics], tuple[Right, ...]]] = {
    "simulator": simulator,
    "collector": collector,
    "streaming": streaming,
    "deployment": deployment,
}


def commands(principal: str, rights: Iterable[Right]) -> list[str]:
    """Return the rights as commands of Kafka's own tool."""
    return [
        f"kafka-acls.sh --bootstrap-server ADDRESS --command-config ADMIN --add --allow-principal '{principal}' "
        + " ".join(f"--operation {operation.title()}" for operation in right.operations)
        + f" --{right.resource} '{right.name}'"
        for right in rights
    ]


def apply(connection: KafkaConnection, principal: str, rights: Iterable[Right]) -> None:
    """Grant the rights; granting them again changes nothing.

    Args:
        connection: of somebody who may alter ACLs.
        principal: who gets them, such as `User:streaming`.
        rights: what he gets.

    Raises:
        KafkaRefused: the broker refuses.
        KafkaUnreachable: it does not answer.
    """
    bindings = [
        AclBinding(
            _KINDS[right.resource],
            right.name,
            ResourcePatternType.LITERAL,
            principal,
            "*",
            AclOperation[operation],
            AclPermissionType.ALLOW,
        )
        for right in rights
        for operation in right.operations
    ]
    client = admin(connection, {"log_level": 0})
    for result in client.create_acls(bindings, request_timeout=_SECONDS).values():
        try:
            result.result(_SECONDS + 5)
        except KafkaException as error:
            said = error.args[0]
            raise refusal(connection, said, "alter ACLs") or _failed(connection, said.str()) from error


def _failed(connection: KafkaConnection, said: str) -> KafkaRefused | KafkaUnreachable:
    return KafkaUnreachable(
        f"Kafka at {connection.bootstrap_servers} has not taken the ACLs ({said}): see that it answers and has an "
        "authorizer"
    )
