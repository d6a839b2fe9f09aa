"""The producer: messages to Kafka, and which of them it has."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import structlog
from clickwatch_kafka import KafkaConnection, producer, refusal
from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as Delivered

from clickwatch_collector.delivery.message import Message

log = structlog.get_logger()

_POLL_SECONDS = 0.1

OnDone = Callable[[list[int]], None]
"""Is called once with the places of the messages that Kafka does not have."""


class Sender:
    """An idempotent producer with acks=all. Any thread may call it.

    A message that Kafka has not taken within the patience counts as not delivered. Kafka may have taken it all the
    same, where only its answer was lost; readers drop the second one by `event_id`.
    """

    def __init__(self, connection: KafkaConnection, patience: timedelta) -> None:
        """Make the producer and begin to listen to it.

        Raises:
            UserError: no client can be made of the connection.
        """
        self._connection = connection
        self._patience_ms = max(100, round(patience.total_seconds() * 1000))
        self._producer = self._new_producer()
        self._has_failed = threading.Event()
        self._stop = threading.Event()
        self._last_words: str | None = None
        self._thread = threading.Thread(target=self._listen, name="kafka", daemon=True)
        self._thread.start()

    def send(self, messages: Sequence[Message], on_done: OnDone) -> None:
        """Hand messages over; `on_done` is called in another thread once the fate of each is known."""
        batch = _Batch(len(messages), on_done)
        for place, message in enumerate(messages):
            self._produce(batch, place, message)

    def _produce(self, batch: "_Batch", place: int, message: Message) -> None:
        try:
            self._producer.produce(
                message.topic,
                message.value,
                message.key,
                headers=list(message.headers),
                on_delivery=partial(self._delivered, batch, place, message),
            )
        except BufferError as error:
            self._note(str(error))
            batch.settle(place, delivered=False)
        except KafkaException as error:
            self._failed(batch, place, message, error.args[0])

    def _delivered(self, batch: "_Batch", place: int, message: Message, error: KafkaError | None, _: Delivered) -> None:
        if error is None:
            batch.settle(place, delivered=True)
        else:
            self._failed(batch, place, message, error)

    def _failed(self, batch: "_Batch", place: int, message: Message, error: KafkaError) -> None:
        if error.code() == KafkaError.MSG_SIZE_TOO_LARGE and message.headers and message.value is not None:
            # Waiting would not help, and all that is behind it in the spool would wait too.
            self._produce(batch, place, message.without_value())
            return
        self._note(error.str())
        if error.fatal():
            self._has_failed.set()
        batch.settle(place, delivered=False)

    def flush(self, timeout_seconds: float) -> None:
        """Return once the fate of all messages is known, or after the timeout."""
        self._producer.flush(timeout_seconds)

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join()

    def _listen(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(_POLL_SECONDS)
            if self._has_failed.is_set():
                self._has_failed.clear()
                log.warning("producer_made_anew", reason=self._last_words)
                old, self._producer = self._producer, self._new_producer()
                old.purge()
                old.flush(self._patience_ms / 1000)

    def _new_producer(self) -> Producer:
        return producer(
            self._connection,
            {
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 2,
                "batch.size": 128 * 1024,
                "queue.buffering.max.messages": 200_000,
                "queue.buffering.max.kbytes": 131_072,
                "partitioner": "murmur2_random",  # as Java's, so that a key's partition is the same for all
                "message.timeout.ms": self._patience_ms,
                "message.max.bytes": 3_000_000,  # the topic's own limit is what counts
                "reconnect.backoff.max.ms": 1000,
                "allow.auto.create.topics": False,
            },
            on_error=self._hear,
        )

    def _hear(self, error: KafkaError) -> None:
        if error.fatal():
            self._has_failed.set()
        refused = refusal(self._connection, error)
        self._note(str(refused or error.str()))

    def _note(self, words: str) -> None:
        if words != self._last_words:
            self._last_words = words
            log.warning("kafka_failed", reason=words)


class _Batch:
    """Messages that were handed over together."""

    def __init__(self, count: int, on_done: OnDone) -> None:
        self._open = count
        self._on_done = on_done
        self._failed: list[int] = []
        self._lock = threading.Lock()

    def settle(self, place: int, delivered: bool) -> None:
        with self._lock:
            self._open -= 1
            if not delivered:
                self._failed.append(place)
            is_done = self._open == 0
        if is_done:
            self._on_done(sorted(self._failed))
