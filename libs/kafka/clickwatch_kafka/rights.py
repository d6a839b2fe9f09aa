"""What a service must be allowed to do at a broker, as values: to be asked for at a start, printed, and granted."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclOperation

from clickwatch_kafka.clients import admin
from clickwatch_kafka.refusals import KafkaRefused, refusal
from clickwatch_kafka.settings.connection import KafkaConnection

_SECONDS = 10.0


class Resource(StrEnum):
    """What a right is for, in the words of Kafka's ACLs."""

    TOPIC = "topic"
    GROUP = "group"
    TRANSACTIONAL_ID = "transactional-id"


@dataclass(frozen=True)
class Right:
    """What may be done with something.

    Attributes:
        resource: its kind.
        name: its name.
        operations: READ, WRITE, DESCRIBE, …, as AclOperation has them.
        why: what for.
    """

    resource: Resource
    name: str
    operations: tuple[str, ...]
    why: str


def require_rights(connection: KafkaConnection, rights: Sequence[Right]) -> None:
    """Return if the broker lets us do all of it.

    A transactional id cannot be asked for: it is refused when it is used. What a broker does not tell counts
    as allowed, and so does what a broker that does not answer just now would say: use brings it to light.

    Raises:
        KafkaRefused: it does not; the message names who, what and which right.
    """
    missing = missing_rights(connection, rights)
    if missing:
        raise KafkaRefused(_message(connection, missing))


def missing_rights(connection: KafkaConnection, rights: Sequence[Right]) -> list[tuple[Right, tuple[str, ...]]]:
    """Return the rights that we lack, each with the operations that are missing."""
    client = admin(connection, {"log_level": 0})
    found = []
    for right in rights:
        allowed = _allowed(client, connection, right)
        lacking = tuple(one for one in right.operations if allowed is not None and one not in allowed)
        if lacking:
            found.append((right, lacking))
    return found


def _allowed(client: AdminClient, connection: KafkaConnection, right: Right) -> frozenset[str] | None:
    """Return the operations that we may do; None where the broker does not tell."""
    try:
        if right.resource is Resource.TOPIC:
            asked = client.describe_topics(
                TopicCollection([right.name]), include_authorized_operations=True, request_timeout=_SECONDS
            )
        elif right.resource is Resource.GROUP:
            asked = client.describe_consumer_groups(
                [right.name], include_authorized_operations=True, request_timeout=_SECONDS
            )
        else:
            return None
        operations = asked[right.name].result(_SECONDS + 5).authorized_operations
    except KafkaException as error:
        return frozenset() if refusal(connection, error.args[0]) is not None else None
    if not operations:
        return None
    names = {operation.name for operation in operations}
    return frozenset(AclOperation.__members__) if "ALL" in names else frozenset(names)


def _message(connection: KafkaConnection, missing: list[tuple[Right, tuple[str, ...]]]) -> str:
    who = f"user {connection.login!r}" if connection.login else "this client"
    what = ", ".join(f"{'+'.join(lacking)} on {right.resource} {right.name}" for right, lacking in missing)
    return (
        f"Kafka at {connection.bootstrap_servers} does not let {who} do what is needed: {what}: grant it by ACLs "
        "(python -m clickwatch_kafka acls prints them)"
    )
