"""The collector's acknowledged events a second, beside a bare handler of the same server that only answers.

Starts a Kafka, a registry and the collector, and sends from a process of its own. The bare handler reads the body
and answers: what it cannot do, no collector on this server can.
"""

import argparse
import asyncio
import itertools
import json
import multiprocessing
import os
import shlex
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from clickwatch_events.registry import Registry
from clickwatch_events.schemas import EVENTS
from clickwatch_events.topics import create_topics
from clickwatch_jars.java import find_java
from clickwatch_kafka import KafkaConnection
from clickwatch_servers import Command, Process, start_kafka, start_registry
from clickwatch_servers.kafka import kafka_jars, wait_for_kafka
from clickwatch_servers.ports import HOST, accepts_connections, free_port
from clickwatch_servers.registry import registry_program, registry_url, wait_for_registry

BARE = """
import asyncio, sys
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

class Bare:
    async def __rsgi__(self, scope, wire):
        async for _ in wire:
            pass
        wire.response_bytes(200, [("content-type", "application/json")], b"{}")

asyncio.run(Server(Bare(), "127.0.0.1", int(sys.argv[1]), interface=Interfaces.RSGI, http=HTTPModes.http1,
                   websockets=False, backlog=1024, backpressure=1024).serve())
"""


class Load(NamedTuple):
    """What was answered with 200 in how many seconds, and how long each request took."""

    requests: int
    seconds: float
    latencies: list[float]

    def line(self, name: str, events: int) -> str:
        """Say it."""
        p50, p99 = (1000 * quantile(self.latencies, share) for share in (0.5, 0.99))
        rate = self.requests / self.seconds
        return (
            f"{name:<28} {rate * events:>9,.0f} events/s {rate:>8,.0f} requests/s  p50 {p50:.1f} ms  p99 {p99:.1f} ms"
        )


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed (nearest rank)."""
    return sorted(values)[max(1, -int(-len(values) * share // 1)) - 1]


def body(events: int, number: int) -> bytes:
    """Return a list of events that nobody has sent before."""
    now, first = datetime.now(UTC).isoformat(), uuid.uuid4().hex
    return json.dumps(
        [
            {
                "event_id": f"{first}-{number}-{place}",
                "event_type": "view",
                "timestamp": now,
                "user_id": f"user_{(number * 7 + place) % 1000}",
                "product_id": f"product_{place % 100}",
                "product_category": "laptops",
                "session_id": f"session_{number % 100}",
                "price_minor": 3579,
                "currency": "EUR",
            }
            for place in range(events)
        ]
    ).encode()


async def client(url: str, key: str, bodies: list[bytes], deadline: float, pause: float) -> list[float]:
    """Send over one connection, one request after the other; return how long each took."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    latencies = []
    for content in itertools.cycle(bodies):
        began = time.perf_counter()
        if began > deadline:
            break
        head = f"POST /v1/events?key={key} HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {len(content)}\r\n\r\n"
        writer.write(head.encode() + content)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(answer.partition("content-length:")[2].partition("\r\n")[0]))
        if " 200 " not in answer[:20]:
            raise SystemExit(f"answered {answer[:200]}")
        latencies.append(time.perf_counter() - began)
        if pause:
            await asyncio.sleep(max(0.0, began + pause - time.perf_counter()))
    writer.close()
    return latencies


def send(url: str, key: str, events: int, connections: int, seconds: float, rate: float) -> tuple[float, list[float]]:
    """Send for so long, at most `rate` requests a second where it is not 0."""

    async def run() -> tuple[float, list[float]]:
        # Bodies are made before, so that the clock is the collector's. Ids come back, which costs the same.
        bodies = [[body(events, 1000 * one + number) for number in range(200)] for one in range(connections)]
        began = time.perf_counter()
        deadline, pause = began + seconds, connections / rate if rate else 0.0
        found = await asyncio.gather(*(client(url, key, some, deadline, pause) for some in bodies))
        return time.perf_counter() - began, [one for some in found for one in some]

    return asyncio.run(run())


def load(url: str, key: str, events: int, connections: int, seconds: float, rate: float = 0) -> Load:
    """Send from a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        took, latencies = pool.apply(send, (url, key, events, connections, seconds, rate))
    return Load(len(latencies), took, latencies)


def collector_command() -> tuple[str, ...]:
    """How the collector is started: as COLLECTOR_COMMAND says, or from CLICKWATCH_DIST."""
    words = shlex.split(os.environ.get("COLLECTOR_COMMAND", ""))
    pex = Path(os.environ.get("CLICKWATCH_DIST", "dist")) / "collector.pex"
    packed = pex / "__main__.py"
    return tuple(words) or (str((packed if packed.is_file() else pex).absolute()),)


def measure(folder: Path, seconds: float) -> None:
    """Start all, and print a line for each load."""
    java = find_java(21)
    kafka_port, registry_port, port, bare_port = (free_port() for _ in range(4))
    kafka = start_kafka(folder / "kafka", kafka_port, java, kafka_jars(java), folder / "kafka.log")
    registry = start_registry(folder / "registry", registry_port, java, registry_program(java), folder / "registry.log")
    started = [kafka, registry]
    try:
        wait_for_kafka(kafka, kafka_port)
        create_topics(KafkaConnection(bootstrap_servers=f"{HOST}:{kafka_port}"))
        wait_for_registry(registry, registry_port)
        Registry(registry_url(registry_port)).register(EVENTS)
        environment = {
            "KAFKA_BOOTSTRAP_SERVERS": f"{HOST}:{kafka_port}",
            "SCHEMA_REGISTRY_URL": registry_url(registry_port),
            "COLLECTOR_PORT": str(port),
            "COLLECTOR_RATE": "1000000",
            "DATA_DIR": str(folder),
        }
        made = Process(Command("key", (*collector_command(), "add-key", "bench"), folder / "key.txt", environment))
        made.require_success(60)
        key = (folder / "key.txt").read_text("utf-8").split()[-1]
        for name, argv, listens in (
            ("collector", (*collector_command(), "run"), port),
            ("bare", (sys.executable, "-c", BARE, str(bare_port)), bare_port),
        ):
            process = Process(Command(name, argv, folder / f"{name}.log", environment))
            started.append(process)
            process.wait_until(partial(accepts_connections, listens), 60)
        for events, connections in ((50, 16), (1, 32)):
            what = f"{events} a request"
            bare = load(f"http://{HOST}:{bare_port}", key, events, connections, seconds)
            print(bare.line(f"bare handler, {what}", events))
            url = f"http://{HOST}:{port}"
            load(url, key, events, connections, seconds / 4)
            ours = load(url, key, events, connections, seconds)
            print(ours.line(f"collector, {what}", events))
            half = load(url, key, events, connections, seconds, rate=ours.requests / ours.seconds / 2)
            print(half.line("collector, at half of it", events))
            print(f"ratio {(ours.requests / ours.seconds) / (bare.requests / bare.seconds):.2f}", flush=True)
    finally:
        for one in reversed(started):
            one.kill()


def main() -> None:
    """Measure once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each load")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), given.seconds)


if __name__ == "__main__":
    main()
