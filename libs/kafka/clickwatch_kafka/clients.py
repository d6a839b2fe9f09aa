"""The only place that makes Kafka clients."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar
from weakref import ReferenceType, ref

from clickwatch_service import UserError
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient

from clickwatch_kafka.credentials import Credentials
from clickwatch_kafka.refusals import LOGIN_ERRORS, KafkaRefused, refusal
from clickwatch_kafka.settings.connection import KafkaConnection

OnError = Callable[[KafkaError], None]
Properties = Mapping[str, Any]
"""Of librdkafka: texts, numbers, and functions that it calls."""


class Refusals:
    """What a client was refused, as its callback hears it; look at `first` after each poll.

    Attributes:
        first: the first refusal; None while there is none.
        last_words: what the client said last, refusal or not, for messages.
    """

    def __init__(self, connection: KafkaConnection) -> None:
        """Hear what a client of `connection` is told."""
        self._connection = connection
        self.first: KafkaRefused | None = None
        self.last_words: str | None = None

    def hear(self, error: KafkaError) -> None:
        """Take note of an error; the `error_cb` of a client."""
        self.last_words = " ".join(error.str().split())
        self.first = self.first or refusal(self._connection, error)


class _Producer(Producer):
    """A producer that can be referred to weakly."""


class _Consumer(Consumer):
    """A consumer that can be referred to weakly."""


def producer(
    connection: KafkaConnection, properties: Properties | None = None, on_error: OnError | None = None
) -> Producer:
    """Return a producer.

    Args:
        connection: how to reach Kafka.
        properties: of librdkafka; they win over those of KAFKA_CLIENT_PROPERTIES.
        on_error: is called with what goes wrong with the connection, while the client is polled. `refusal` tells
            what waiting cannot mend.

    Raises:
        UserError: a secret's file cannot be read, or a property is none.
    """
    return _made(_Producer, connection, properties, on_error)


def consumer(
    connection: KafkaConnection, properties: Properties | None = None, on_error: OnError | None = None
) -> Consumer:
    """Return a consumer; see `producer`."""
    return _made(_Consumer, connection, properties, on_error)


def admin(
    connection: KafkaConnection, properties: Properties | None = None, on_error: OnError | None = None
) -> AdminClient:
    """Return a client for topics, groups and ACLs; see `producer`."""
    return _made(AdminClient, connection, properties, on_error)


C = TypeVar("C", Producer, Consumer, AdminClient)


def _made(kind: type[C], connection: KafkaConnection, properties: Properties | None, on_error: OnError | None) -> C:
    # Weakly, or it would keep itself alive by its own callback.
    made: list[ReferenceType[C]] = []
    credentials = Credentials(connection)

    def hear(error: KafkaError) -> None:
        if error.code() in LOGIN_ERRORS and made and credentials.have_changed():
            _log_in_anew(made[0](), *credentials.pair())
        elif on_error is not None:
            on_error(error)

    # Without a callback of its own the library prints.
    whole: dict[str, Any] = {"log_level": 2, **connection.librdkafka(), **(properties or {}), "error_cb": hear}
    try:
        client = kind(whole)
    except KafkaException as error:
        raise UserError(
            f"no client for Kafka at {connection.bootstrap_servers} can be made ({error.args[0].str()}): see "
            "KAFKA_CLIENT_PROPERTIES and the files that KAFKA_SSL_... name"
        ) from None
    made.append(ref(client))
    return client


def _log_in_anew(client: Producer | Consumer | AdminClient | None, username: str, password: str) -> None:
    # From a thread of its own: called from within a callback, the library's own call breaks the process.
    def tell() -> None:
        # The client may have been closed meanwhile.
        with suppress(RuntimeError, KafkaException):
            if client is not None:
                client.set_sasl_credentials(username, password)

    Thread(target=tell, name="kafka-log-in-anew", daemon=True).start()
