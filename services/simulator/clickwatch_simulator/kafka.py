"""The event topic."""

from time import monotonic

from clickwatch_events import Event
from clickwatch_events.avro import EventEncoder
from clickwatch_events.registry import NotRegistered, Registry, RegistryUnavailable
from clickwatch_events.schemas import EVENTS
from clickwatch_kafka import KafkaRefused, Reach, producer, refusal, require_rights
from clickwatch_kafka.acls import Topics
from clickwatch_kafka.acls import simulator as needed_rights
from clickwatch_service import UserError
from confluent_kafka import KafkaError, Message
from structlog import get_logger
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from clickwatch_simulator.poison import Poison
from clickwatch_simulator.scenarios import Item
from clickwatch_simulator.settings import Settings

_LINGER_MS = 5
_BATCH_BYTES = 128 * 1024
log = get_logger()


class _NotYet(Exception):
    """The broker or the topic is not there yet."""


def encoders(settings: Settings) -> dict[int, EventEncoder]:
    """Return an encoder for each schema version, with its id in the registry.

    Raises:
        UserError: the registry does not answer in time or does not know the schemas.
    """
    registry = Registry(settings.registry)
    try:
        registry.wait(settings.wait_timeout.total_seconds(), say=lambda line: log.info(line))
        return {version: EventEncoder(version, registry.id_of(EVENTS, version)) for version in (1, 2)}
    except (RegistryUnavailable, NotRegistered) as error:
        raise UserError(str(error)) from None


class EventTopic:
    """Sends events and counts what the broker acknowledges."""

    def __init__(self, settings: Settings, encoders: dict[int, EventEncoder]) -> None:
        """Connect.

        Raises:
            UserError: the broker or the topic is not there within WAIT_TIMEOUT, or refuses us.
        """
        self._settings = settings
        self._topic = settings.kafka_topic
        self._encode_v1, self._encode_v2 = encoders[1].encode, encoders[2].encode
        self._keys: dict[str, bytes] = {}
        self._first_failure: str | None = None
        self._refused: KafkaRefused | None = None
        self.records = 0
        self.failed = 0
        self._producer = producer(
            settings.kafka,
            {
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": _LINGER_MS,
                "batch.size": _BATCH_BYTES,
                "batch.num.messages": 10_000,
                "queue.buffering.max.messages": 200_000,
                "partitioner": "murmur2_random",  # as Java's, so that a key's partition is the same for all
                "message.timeout.ms": round(settings.delivery_timeout.total_seconds() * 1000),
                "allow.auto.create.topics": False,
                # Only failures call back: a call for each success would cost as much as encoding it.
                "delivery.report.only.error": True,
                "on_delivery": self._on_failure,
                "log_level": 2,
            },
            self._on_error,
        )
        self._wait()

    @property
    def acknowledged(self) -> int:
        """Messages the broker has for certain; final after `flush`."""
        return self.records - self.failed - len(self._producer)

    @property
    def waiting(self) -> int:
        """Messages that are neither acknowledged nor failed yet."""
        return len(self._producer)

    def send(self, items: list[Item]) -> None:
        """Hand items to the producer; waits while its queue is full.

        Raises:
            UserError: earlier messages were not acknowledged.
        """
        produce, topic = self._producer.produce, self._topic
        encode_v1, encode_v2, keys = self._encode_v1, self._encode_v2, self._keys
        for item in items:
            key = keys.get(item[1]) or self._remember_key(item[1])
            if not isinstance(item, Event):
                value = item.value if isinstance(item, Poison) else encode_v2(item.event)
            elif item[6] is None and item[7] is None and item[8] is None:
                value = encode_v1(item)
            else:
                value = encode_v2(item)
            try:
                produce(topic, value, key)
            except BufferError:
                self._produce_when_there_is_room(value, key)
        self.records += len(items)
        self._producer.poll(0)
        if self.failed:
            self.flush()
        if self._refused is not None:
            raise self._refused

    def flush(self) -> None:
        """Return once every message is acknowledged or has failed.

        Raises:
            UserError: some were not acknowledged within DELIVERY_TIMEOUT.
        """
        left = self._flushed(self._settings.delivery_timeout.total_seconds() + 5)
        if self._refused is not None and (self.failed or left):
            raise self._refused
        if self.failed or left:
            raise UserError(
                f"{self.failed + left} of {self.records} messages for topic {self._topic} were not acknowledged by "
                f"{self._settings.kafka_bootstrap_servers} ({self._first_failure or 'timed out'}): "
                "see to the broker and run again"
            )

    def _flushed(self, limit_seconds: float) -> int:
        """Return how many messages are left, after the limit or once the broker has refused them."""
        end = monotonic() + limit_seconds
        while True:
            left = self._producer.flush(min(1.0, limit_seconds))
            if not left or self._refused is not None or monotonic() >= end:
                return left

    def _produce_when_there_is_room(self, value: bytes | None, key: bytes) -> None:
        while True:
            self._producer.poll(0.05)
            try:
                self._producer.produce(self._topic, value, key)
            except BufferError:
                continue
            return

    def _remember_key(self, user_id: str) -> bytes:
        if len(self._keys) > 1_000_000:
            self._keys.clear()
        return self._keys.setdefault(user_id, user_id.encode())

    def _on_failure(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed += 1
            self._first_failure = self._first_failure or error.str()
            self._note_refusal(error)

    def _on_error(self, error: KafkaError) -> None:
        log.warning("kafka_unreachable", broker=self._settings.kafka_bootstrap_servers, error=error.str())
        self._note_refusal(error)

    def _note_refusal(self, error: KafkaError) -> None:
        self._refused = self._refused or refusal(self._settings.kafka, error, f"write to topic {self._topic}")

    def _wait(self) -> None:
        """Return once the topic is there."""
        settings = self._settings
        limit = settings.wait_timeout.total_seconds()
        reach = Reach(settings.kafka)

        def tell(state: RetryCallState) -> None:
            error = state.outcome and state.outcome.exception()
            log.info("waiting for Kafka", reason=str(error), waited_seconds=round(state.seconds_since_start or 0))

        try:
            for attempt in Retrying(
                retry=retry_if_exception_type(_NotYet),
                stop=stop_after_delay(limit),
                wait=wait_exponential(multiplier=0.2, max=2),
                before_sleep=tell,
                reraise=True,
            ):
                with attempt:
                    self._look_for_topic(reach)
        except _NotYet as error:
            raise UserError(f"{error}, waited {limit:.0f} s (WAIT_TIMEOUT)") from None

    def _look_for_topic(self, reach: Reach) -> None:
        broker = self._settings.kafka_bootstrap_servers
        metadata = reach.metadata(min(5.0, self._settings.wait_timeout.total_seconds()))
        if metadata is None:
            raise _NotYet(
                f"no Kafka broker answers at {broker} ({reach.last_words}): start it or set KAFKA_BOOTSTRAP_SERVERS"
            )
        if self._topic not in metadata.topics:
            reach.require_visible(self._topic)
            raise _NotYet(f"topic {self._topic} at {broker}: is not there: create it or set KAFKA_TOPIC")
        require_rights(self._settings.kafka, needed_rights(Topics(events=self._topic)))
