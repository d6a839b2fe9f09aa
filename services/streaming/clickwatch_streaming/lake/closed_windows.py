"""Closed windows, told to the topic of hot windows."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
from clickwatch_events import HotWindow
from clickwatch_events.avro import HotWindowCodec
from clickwatch_kafka import KafkaConnection, producer
from confluent_kafka import KafkaError, KafkaException, Message

_SEND_SECONDS = 60.0
_COLUMNS = ["product_id", "product_category", "window_start", "window_end", "views", "purchases"]


def hot_windows_in(files: Iterable[Path]) -> Iterator[HotWindow]:
    """Read closed windows from files of window_stats."""
    for file in files:
        with pq.ParquetFile(file) as parquet:
            for rows in parquet.iter_batches(batch_size=4096, columns=_COLUMNS):
                for row in rows.to_pylist():
                    yield HotWindow(
                        row["product_id"],
                        row["product_category"],
                        _epoch_ms(row["window_start"]),
                        _epoch_ms(row["window_end"]),
                        row["views"],
                        row["purchases"],
                        closed=True,
                    )


def window_key(product_id: str, window_start_ms: int) -> str:
    """The message key of a hot window: `product_7|2026-03-01T12:00:00Z`."""
    start = datetime.fromtimestamp(window_start_ms / 1000, UTC)
    return f"{product_id}|{start:%Y-%m-%dT%H:%M:%SZ}"


class HotWindowTopic:
    """Says on the topic of hot windows that windows are closed; at least once each.

    Not in the transaction of the dead letters: the alert path writes to the same topic, and an open
    transaction would hold its messages back from `read_committed` consumers.
    """

    def __init__(self, kafka: KafkaConnection, topic: str, codec: HotWindowCodec) -> None:
        """Write to `topic` with `codec`."""
        self._topic = topic
        self._codec = codec
        self._producer = producer(
            kafka,
            {
                "enable.idempotence": True,
                "linger.ms": 20,
                "compression.type": "lz4",
            },
        )

    def send(self, windows: Iterable[HotWindow]) -> None:
        """Send them, and return once the broker has them all.

        Raises:
            KafkaException: it did not take them.
        """
        failed: list[KafkaError] = []

        def delivered(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failed.append(error)

        for window in windows:
            key = window_key(window.product_id, window.window_start_ms)
            self._produce(self._codec.encode(window), key, delivered)
        unsent = self._producer.flush(_SEND_SECONDS)
        if failed or unsent:
            raise KafkaException(failed[0] if failed else KafkaError(KafkaError._TIMED_OUT))

    def _produce(self, value: bytes, key: str, delivered: Callable[[KafkaError | None, Message], None]) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=delivered)
            except BufferError:
                self._producer.poll(1)
            else:
                self._producer.poll(0)
                return


def _epoch_ms(time: datetime) -> int:
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
