"""The collector as a program, and the topics it fills."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from clickwatch_collector.keys import add_key
from clickwatch_events.registry import Registry
from clickwatch_events.shop_event import ShopEvent, ShopEventDecoder
from clickwatch_servers import Command, Process
from clickwatch_servers.ports import HOST, free_port
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

PATIENCE_SECONDS = 120.0
PARTITIONS = 2


@dataclass
class Collector:
    """A collector, running or not.

    Attributes:
        url: where it listens.
        key: of shop `shoes`, for servers.
        page_key: of the same shop, for pages of any origin.
        folder: its DATA_DIR.
        topic: where its events go.
    """

    url: str
    key: str
    page_key: str
    folder: Path
    topic: str
    bootstrap: str
    registry_url: str
    command: Command = field(repr=False)
    process: Process | None = field(repr=False, default=None)

    def start(self) -> None:
        """Start it, and return once it answers."""
        self.process = Process(self.command)
        self.process.wait_until(self._answers, PATIENCE_SECONDS)

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()

    def stop(self) -> None:
        """SIGTERM, and the end."""
        if self.process is not None:
            self.process.stop()

    def post(self, path: str, content: Any, key: str | None = None, **options: Any) -> httpx2.Response:
        """Send JSON, or bytes as they are."""
        body = {"content": content} if isinstance(content, bytes) else {"json": content}
        headers = {"authorization": f"Bearer {key or self.key}", **options.pop("headers", {})}
        return httpx2.post(f"{self.url}{path}", headers=headers, timeout=PATIENCE_SECONDS, **body, **options)

    def get(self, path: str, **options: Any) -> httpx2.Response:
        """Ask."""
        return httpx2.get(f"{self.url}{path}", timeout=PATIENCE_SECONDS, **options)

    def events(self) -> list[ShopEvent]:
        """All events of the topic, in each partition's order."""
        decoder = ShopEventDecoder(Registry(self.registry_url))
        return [decoder.decode(message.value() or b"") for message in messages(self.bootstrap, self.topic)]

    def dead_letters(self) -> list[Message]:
        """All of the topic of dead letters."""
        return messages(self.bootstrap, f"{self.topic}-dlq")

    def _answers(self) -> bool:
        try:
            return self.get("/health").status_code in (200, 503)
        except httpx2.HTTPError:
            return False


def make_topics(bootstrap: str, *names: str, **config: str) -> None:
    """Create topics; `config` is what differs from the broker's defaults, with `_` for a point."""
    changed = {name.replace("_", "."): value for name, value in config.items()}
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics([NewTopic(name, PARTITIONS, config=changed) for name in names]).values():
        made.result(60)


def messages(bootstrap: str, topic: str) -> list[Message]:
    """Return all that the topic holds."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)])
    found: list[Message] = []
    ended: set[int | None] = set()
    while len(ended) < PARTITIONS:
        for message in consumer.consume(10_000, 1.0):
            error = message.error()
            if error is None:
                found.append(message)
            elif error.code() == KafkaError._PARTITION_EOF:
                ended.add(message.partition())
    consumer.close()
    return found


@contextmanager
def running_collector(
    bootstrap: str, registry_url: str, folder: Path, topic: str, **variables: str
) -> Iterator[Collector]:
    """A collector in front of topics of its own, ready."""
    keys_file = folder / "collector" / "keys.toml"
    key, page_key = add_key(keys_file, "shoes", []), add_key(keys_file, "shoes", ["*"])
    port = free_port()
    environment = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "KAFKA_TOPIC": topic,
        "SCHEMA_REGISTRY_URL": registry_url,
        "COLLECTOR_PORT": str(port),
        "COLLECTOR_RATE": "1000000",
        "DATA_DIR": str(folder),
        **variables,
    }
    argv = (sys.executable, "-m", "clickwatch_collector", "run")
    command = Command("collector", argv, folder / "collector.log", environment)
    url = f"http://{HOST}:{port}"
    collector = Collector(url, key, page_key, folder, topic, bootstrap, registry_url, command)
    try:
        collector.start()
        yield collector
    finally:
        collector.stop()
