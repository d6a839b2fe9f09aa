"""The public doors of a pipeline: its topics, its tables, its files."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
from clickwatch_events.avro import HotWindowCodec
from clickwatch_events.event import HotWindow
from clickwatch_kafka import KafkaConnection, admin, consumer
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from psycopg.rows import TupleRow

from clickwatch_ledger.ledger import Key, Ledger


@dataclass(frozen=True)
class Pipeline:
    """One pipeline: look at what it made.

    Attributes:
        bootstrap: the broker's address.
        database_url: the database with its tables.
        data: DATA_DIR of its services.
        topic: of events; the others' names follow from it.
    """

    bootstrap: str
    database_url: str
    data: Path
    topic: str

    @property
    def dead_letters_topic(self) -> str:
        """The topic of what cannot be decoded or trusted."""
        return f"{self.topic}-dlq"

    @property
    def alerts_topic(self) -> str:
        """The topic of hot windows."""
        return f"{self.topic}-alerts"

    @property
    def topics(self) -> Mapping[str, str]:
        """The variables that tell services of the topics."""
        return {"KAFKA_TOPIC": self.topic, "ALERTS_TOPIC": self.alerts_topic}

    def query(self, text: str) -> list[TupleRow]:
        """Return the rows of a query."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(text.encode()).fetchall()

    def alerts(self, *statuses: str) -> dict[Key, tuple[int, int]]:
        """Return views and purchases of each alert of one of the statuses."""
        rows = self.query("SELECT product_id, window_start, views, purchases, status FROM flash_sale_alerts")
        return {(product, start): (views, buys) for product, start, views, buys, status in rows if status in statuses}

    def last_alert_change(self) -> datetime | None:
        """Return when an alert last changed."""
        ((changed,),) = self.query("SELECT max(updated_at) FROM flash_sale_alerts")
        assert changed is None or isinstance(changed, datetime)
        return changed

    def lake_rows(self, table: str) -> int:
        """Return how many rows a table of the lake has; none where it has no file yet."""
        if not any((self.data / "lake" / table).glob("*/*.parquet")):
            return 0
        ((rows,),) = self.lake(f"SELECT count(*) FROM {table}")  # noqa: S608  # a name of our own
        return int(rows)

    def lake_batch(self) -> int:
        """Return the number of the lake's last batch; -1 before the first."""
        batches = (self.data / "lake" / "_batches").glob("*.json")
        return max((int(file.stem) for file in batches), default=-1)

    def lake(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query over the lake's `events` and `window_stats` and the daily logs' `log`."""
        with duckdb.connect() as connection:
            for table in ("events", "window_stats"):
                files = f"{self.data}/lake/{table}/*/*.parquet"
                if any((self.data / "lake" / table).glob("*/*.parquet")):
                    connection.read_parquet(files).create_view(table)
            if any((self.data / "logs").glob("*.jsonl")):
                connection.execute(_LOG.format(files=f"{self.data}/logs/*.jsonl"))
            return connection.execute(sql).fetchall()

    def closed_windows(self) -> list[HotWindow]:
        """Return what the alerts topic says of closed windows, message by message."""
        codec = HotWindowCodec(schema_id=0)
        windows = (codec.decode(value) for one in self.messages(self.alerts_topic) if (value := one.value()))
        return [window for window in windows if window.closed]

    def dead_letters(self) -> tuple[Counter[str], int]:
        """Return how many there are by reason, and of how many different messages."""
        reasons: Counter[str] = Counter()
        origins = set()
        for message in self.messages(self.dead_letters_topic):
            headers: dict[str, bytes] = dict(message.headers() or [])  # type: ignore[arg-type]  # bytes, as they come
            reasons[headers["reason"].decode()] += 1
            origins.add((headers["partition"], headers["offset"]))
        return reasons, len(origins)

    def report(self, day: str) -> dict[str, Any]:
        """Return the batch layer's report of a day (JSON of known form, hence Any)."""
        report: dict[str, Any] = json.loads((self.data / "reports" / f"summary_{day}.json").read_bytes())
        return report

    def end_offset(self, topic: str) -> int:
        """Return how many messages the topic's partitions hold, transaction markers included."""
        consumer = self._consumer()
        try:
            ends = [
                consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
                for partition in self._partitions(topic)
            ]
            return sum(end for _, end in ends)
        finally:
            consumer.close()

    def visible(self) -> tuple[object, ...]:
        """Return what tells that a run is through, cheaply, as `when_through` expects it."""
        return (
            self.alerts("confirmed"),
            self.alerts("active"),
            self.lake_rows("events"),
            self.lake_rows("window_stats"),
            self.end_offset(self.dead_letters_topic) > 0,
        )

    def messages(self, topic: str) -> list[Message]:
        """Return the committed messages of a topic, one partition after the other."""
        consumer = self._consumer()
        messages: list[Message] = []
        try:
            for partition in self._partitions(topic):
                consumer.assign([TopicPartition(topic, partition, 0)])
                while True:
                    message = consumer.poll(60)
                    assert message is not None, f"the broker does not answer about {topic}"
                    error = message.error()
                    if error is not None:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        break
                    messages.append(message)
        finally:
            consumer.close()
        return messages

    def _consumer(self) -> Consumer:
        return consumer(
            KafkaConnection.plain(self.bootstrap),
            {
                "group.id": "ledger",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            },
        )

    def _partitions(self, topic: str) -> list[int]:
        return list(
            admin(KafkaConnection.plain(self.bootstrap)).list_topics(topic, timeout=10).topics[topic].partitions
        )


def when_through(ledger: Ledger) -> tuple[object, ...]:
    """Return what `Pipeline.visible` returns once all that the ledger tells of has come through."""
    return ledger.alerts(closed=True), ledger.alerts(closed=False), ledger.events, len(ledger.closed), True


# Broken lines do not parse, lack a product, or have no time.
_LOG = """
CREATE VIEW log AS
SELECT DISTINCT event_id, user_id, product_id, product_category, event_type, session_id, price_minor, currency,
    epoch_ms(try_cast(timestamp AS timestamptz)) AS at_ms
FROM read_json('{files}', format = 'newline_delimited', ignore_errors = true,
    columns = {{event_id: 'varchar', user_id: 'varchar', product_id: 'varchar', product_category: 'varchar',
                event_type: 'varchar', timestamp: 'varchar', session_id: 'varchar', price_minor: 'bigint',
                currency: 'varchar'}})
WHERE product_id IS NOT NULL AND at_ms IS NOT NULL
"""
