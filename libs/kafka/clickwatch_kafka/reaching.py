"""Whether Kafka lets us in, asked at a start: an answer, or an end within the limit."""

from collections.abc import Callable, Iterable
from time import monotonic

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_delay, wait_exponential

from clickwatch_kafka.clients import Refusals, admin
from clickwatch_kafka.diagnosis import diagnosis
from clickwatch_kafka.refusals import KafkaUnreachable, refusal
from clickwatch_kafka.settings.connection import KafkaConnection

PATIENCE_SECONDS = 8.0
"""How long a refusal must last to be one: a broker that starts may refuse for a moment."""


class Reach:
    """Asks a broker what is there, and tells an outage from a refusal."""

    def __init__(self, connection: KafkaConnection, patience_seconds: float = PATIENCE_SECONDS) -> None:
        """Ask the Kafka of `connection`, and take a refusal for one that lasts for `patience_seconds`.

        Raises:
            UserError: no client can be made of it.
        """
        self._connection = connection
        self._refusals = Refusals(connection)
        self._admin: AdminClient = admin(
            connection, {"log_level": 0, "socket.timeout.ms": 5000}, on_error=self._refusals.hear
        )
        self._patience_seconds = patience_seconds
        self._silent_since: float | None = None

    def metadata(self, timeout_seconds: float = 2) -> ClusterMetadata | None:
        """Return what the broker tells of itself and its topics, or None while it does not answer.

        Raises:
            KafkaRefused: it has refused us for as long as that may pass by itself.
        """
        try:
            found = self._admin.list_topics(timeout=timeout_seconds)
        except KafkaException as error:
            self._refusals.hear(error.args[0])
            self._admin.poll(0)
            self._raise_if_refused()
            return None
        self._refusals.first = self._silent_since = None
        return found

    def require_visible(self, topic: str) -> None:
        """Return unless the broker hides the topic from us.

        Raises:
            KafkaRefused: it does.
        """
        try:
            error = self._admin.list_topics(topic, timeout=5).topics[topic].error
        except KafkaException:
            return
        refused = refusal(self._connection, error, f"describe topic {topic}") if error is not None else None
        if refused is not None:
            raise refused

    @property
    def last_words(self) -> str:
        """What stood against it last."""
        return self._refusals.last_words or "no answer"

    def _raise_if_refused(self) -> None:
        self._silent_since = self._silent_since or monotonic()
        if monotonic() - self._silent_since < self._patience_seconds:
            return
        # A listener that is not what we take it for mostly leaves without a word, so it is looked at.
        refused = diagnosis(self._connection) or self._refusals.first
        if refused is not None:
            raise refused


def require_kafka(
    connection: KafkaConnection,
    topics: Iterable[str] = (),
    timeout_seconds: float = 60,
    say: Callable[[str], None] | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> ClusterMetadata:
    """Return what the broker tells of itself once it lets us in and the topics are there.

    Args:
        connection: how to reach it.
        topics: what must be there.
        timeout_seconds: how long to wait for a broker that does not answer, or topics that are not there. A
            refusal ends the wait after `patience_seconds`.
        say: is called with a line each time that it waits.
        patience_seconds: how long a refusal must last to be one.

    Raises:
        KafkaRefused: it refuses us, or hides a topic from us.
        KafkaUnreachable: it did not answer in time, or lacks a topic.
    """
    reach, wanted = Reach(connection, patience_seconds), list(topics)
    why = ""

    def look() -> ClusterMetadata | None:
        nonlocal why
        found = reach.metadata()
        missing = [topic for topic in wanted if found is not None and topic not in found.topics]
        for topic in missing:
            reach.require_visible(topic)
        if found is not None and not missing:
            return found
        why = (
            f"has no topic {', '.join(missing)} that we may see" if missing else f"does not answer ({reach.last_words})"
        )
        return None

    def tell(state: RetryCallState) -> None:
        if say is not None:
            say(f"Kafka at {connection.bootstrap_servers} {why}")

    found: ClusterMetadata | None = Retrying(
        retry=retry_if_result(lambda seen: seen is None),
        stop=stop_after_delay(timeout_seconds),
        wait=wait_exponential(multiplier=0.2, max=2),
        before_sleep=tell,
        retry_error_callback=lambda _: None,
    )(look)
    if found is None:
        raise KafkaUnreachable(
            f"Kafka at {connection.bootstrap_servers} {why}, waited {timeout_seconds:.0f} s: "
            "start it, see KAFKA_BOOTSTRAP_SERVERS, or create the topic and let this service describe it"
        )
    return found
