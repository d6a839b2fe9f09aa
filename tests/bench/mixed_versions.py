"""A backlog of three schema versions mixed, beside the same events all of one version.

Both topics hold the same events in the same order; the service drains each from its start, in turns, by the
clock of `streaming_drain.py`. Version 3 is registered for the run alone.
"""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from bench_figures import Table, machine, write_json
from bench_stack import BenchStack, bench_stack
from clickwatch_events import Event, EventType
from clickwatch_events.avro import EventEncoder
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import EVENTS, schema_text, subject
from clickwatch_service import UserError, run_cli
from confluent_kafka import Producer
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from streaming_drain import PARTITIONS, Backlog, Draining, drain_ours

_SINGLE, _MIXED = "single-version", "mixed-versions"
_START_MS = 1_772_366_400_000
_WINDOW_MS, _SLIDE_MS = 600_000, 300_000
_PRODUCTS = 100
_HOT = 7
"""The product that is looked at and never bought."""
_TYPES = (*[EventType.VIEW] * 7, *[EventType.ADD_TO_CART] * 2, EventType.PURCHASE)
Encode = Callable[[Event], bytes]


def traffic(events: int, rate: float) -> Iterator[Event]:
    """Yield events of sessions, products and types in turns, `rate` a second of event time."""
    for number in range(events):
        product = number % _PRODUCTS
        kind = EventType.VIEW if product == _HOT else _TYPES[number // _PRODUCTS % len(_TYPES)]
        yield Event(
            str(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)),
            f"user_{number % 997}",
            f"product_{product}",
            "laptops",
            kind,
            _START_MS + int(number * 1000 / rate),
            f"s-{number // 20}",
            3579,
            "EUR",
        )


def send(stack: BenchStack, topic: str, events: int, rate: float, encoders: list[Encode]) -> Backlog:
    """Fill a topic, the encoders in turns, and return what the service has to make of it."""
    stack.create_topics((topic, PARTITIONS))
    producer = Producer({"bootstrap.servers": stack.bootstrap, "linger.ms": 50, "compression.type": "lz4"})
    views: Counter[tuple[str, int]] = Counter()
    for number, event in enumerate(traffic(events, rate)):
        value = encoders[number % len(encoders)](event)
        while True:
            try:
                producer.produce(topic, value, event.user_id)
                break
            except BufferError:
                producer.poll(0.1)
        if event.product_id == f"product_{_HOT}":
            newest = event.timestamp_ms - event.timestamp_ms % _SLIDE_MS
            for start in range(newest, newest - _WINDOW_MS, -_SLIDE_MS):
                views[event.product_id, start] += 1
    if producer.flush(120):
        raise UserError("the broker did not take the backlog")
    hot = {window: count for window, count in views.items() if count > 100}
    if not hot:
        raise UserError(f"--events={events}: no window is an alert: send more")
    return Backlog(events, events, hot)


def encoders_of_three_versions(stack: BenchStack) -> list[Encode]:
    """Register version 3 beside those released; return what writes each."""
    ids = Registry(stack.registry).ids(EVENTS)
    schema = json.loads(schema_text(EVENTS, 2))
    schema["fields"].append({"name": "channel", "type": ["null", "string"], "default": None, "doc": "app or web"})
    client = SchemaRegistryClient({"url": stack.registry})
    newest = client.register_schema(subject(EVENTS), Schema(json.dumps(schema), "AVRO"))
    as_newest = EventEncoder(2, newest).encode
    return [
        EventEncoder(1, ids[1]).encode,
        EventEncoder(2, ids[2]).encode,
        lambda event: as_newest(event) + b"\x02\x06app",
    ]


def table(runs: dict[str, list[Draining]], events: int, title: str) -> Table:
    """Return the medians, and the ratios of the rates to those of one version."""
    base = _medians(runs[_SINGLE])
    rows = []
    for topic, mine in runs.items():
        alerts, whole, cpu = _medians(mine)
        rows.append(
            (
                topic,
                f"{alerts:.1f} s",
                f"{whole:.1f} s",
                f"{events / alerts:,.0f}",
                f"{events / whole:,.0f}",
                f"{cpu / events * 1e6:.1f}",
                f"{base[0] / alerts:.2f}",
                f"{base[1] / whole:.2f}",
                f"{base[2] / cpu:.2f}",
            )
        )
    header = ("", "alerts", "all", "alerts/s", "all/s", "CPU-s/M", "ratio alerts", "ratio all", "ratio CPU")
    return Table(title, header, tuple(rows))


def _medians(runs: list[Draining]) -> tuple[float, float, float]:
    return (
        median(one.alerts_seconds for one in runs),
        median(one.all_seconds for one in runs),
        median(one.cpu_seconds for one in runs),
    )


app = typer.Typer(add_completion=False)


@app.command()
def main(
    events: Annotated[int, typer.Option(min=20_000, help="Events of each backlog.")] = 1_000_000,
    rate: Annotated[float, typer.Option(help="Events a second of event time.")] = 2000,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each.")] = 3,
    trigger: Annotated[str, typer.Option(help="TRIGGER of the service.")] = "auto",
    master: Annotated[str, typer.Option(help="SPARK_MASTER.")] = "local[*]",
    timeout_seconds: Annotated[float, typer.Option(help="Give up on a run after so long.")] = 400,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every run's figures to this file.")] = None,
) -> None:
    """Measure and print."""
    on = machine()
    with bench_stack(with_postgres=True) as stack:
        jars = stack.spark_jars()
        three = encoders_of_three_versions(stack)
        backlogs = {
            _SINGLE: send(stack, _SINGLE, events, rate, three[1:2]),
            _MIXED: send(stack, _MIXED, events, rate, three),
        }
        runs: dict[str, list[Draining]] = {topic: [] for topic in backlogs}
        for number in range(rounds):
            for topic, backlog in backlogs.items():
                name = f"{topic}-{number}"
                runs[topic].append(
                    drain_ours(stack, backlog, trigger, name, jars, master, timeout_seconds, topic_name=topic)
                )
    print(table(runs, events, f"{events:,} events, medians of {rounds} rounds, {PARTITIONS} partitions; {on}"))
    write_json(json_file, {"machine": on, "events": events, "runs": runs})


if __name__ == "__main__":
    run_cli(app)
