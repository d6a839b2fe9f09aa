"""From the produce of an event to its alert: ours in PostgreSQL, and two bare Spark queries, under one load.

Load, the same for each in turn, on the same servers: the simulator at a steady rate (with its daily log), and
the probes. A probe is a product nobody else looks at: 100 views at once, half a second later the 101st, which
makes it hot. The clock runs from the call that hands the 101st view to the producer (idempotent, acks=all,
lz4, 20 ms of linger, as the simulator's) until the alert is seen:

- ours: the row is visible in `flash_sale_alerts` to a query by primary key, asked every 5 ms while a probe is
  open (resolution: 5 ms and the query's own time, about 1 ms, both counted against us);
- bare Real-Time Mode: the same window without duplicates dropped, without projector: a record consumed from
  its result topic;
- bare micro-batch: the product is among the rows that foreachBatch has collected.

In ours all of the service runs: lake and dead letters every minute, projector. Probes begin once an alert has
come through and the warm-up is over. All clocks are this machine's.

Beside it stands what the service tells operators of the same time, its `produce_to_visible_seconds`: of every
change of an alert, those of the simulator's hot products too, from the broker's timestamp to the commit.
"""

import random
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import inf, nan
from pathlib import Path
from statistics import fmean
from typing import Annotated
from urllib.request import urlopen

import typer
from bench_figures import Table, cpu_seconds, machine, quantile, write_json
from bench_stack import STREAMING, BenchStack, bench_stack
from clickwatch_events import Event, EventType
from clickwatch_events.avro import EventEncoder
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import EVENTS
from clickwatch_servers.ports import HOST, free_port
from clickwatch_servers.process import Process
from clickwatch_service import UserError, run_cli
from confluent_kafka import Consumer, Producer, TopicPartition
from streaming_drain import start_bare

PARTITIONS = 2
VIEWS_THRESHOLD = 100
PREFIX = "probe_"
_LEAD_SECONDS = 0.5
_PROBE_SECONDS = 1.0
_POLL_SECONDS = 0.005
_START_SECONDS = 180.0
_GRACE_SECONDS = 20.0
_BUCKET = re.compile(r'^clickwatch_streaming_produce_to_visible_seconds_bucket\{le="([^"]+)"\} (\S+)$', re.MULTILINE)


@dataclass
class Probes:
    """What was produced and seen; times in epoch nanoseconds.

    Attributes:
        produced: product → when its 101st view was handed to the producer.
        seen: product → when its alert was first seen.
    """

    produced: dict[str, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)

    def open(self) -> list[str]:
        """Return products whose alert is due and not seen yet."""
        return [product for product in list(self.produced) if product not in self.seen]

    def see(self, product: str, now_ns: int) -> None:
        """Note an alert; the first sight counts."""
        self.seen.setdefault(product, now_ns)


@dataclass(frozen=True)
class Latency:
    """One program's figures.

    Attributes:
        program: whose.
        seconds: produce to alert, one for each probe that was seen.
        missed: probes that were not.
        cores: processor time of the program by wall-clock time, while measured.
        load: events a second that the topic got meanwhile, probes included.
    """

    program: str
    seconds: list[float]
    missed: int
    cores: float
    load: float


class ProbeProducer:
    """Sends the views of probes."""

    def __init__(self, stack: BenchStack, topic: str) -> None:
        self._encode = EventEncoder(2, Registry(stack.registry).id_of(EVENTS, 2)).encode
        self._topic = topic
        self._random = random.Random(1)
        self._producer = Producer(
            {
                "bootstrap.servers": stack.bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 20,
                "batch.size": 128 * 1024,
                "partitioner": "murmur2_random",
                "log_level": 0,
            }
        )

    def views(self, product: str, count: int) -> None:
        """Send views of a product by different users, now."""
        for _ in range(count):
            user = f"user_{self._random.randrange(1000)}"
            now_ms = time.time_ns() // 1_000_000
            session = f"session_{product}"
            event = Event(str(uuid.uuid4()), user, product, "probes", EventType.VIEW, now_ms, session, 100, "EUR")
            self._producer.produce(self._topic, self._encode(event), user)
        self._producer.poll(0)

    def close(self) -> None:
        """Send what is left."""
        self._producer.flush(30)


def probe(producer: ProbeProducer, probes: Probes, product: str, pause: threading.Event) -> None:
    """Make one product hot."""
    producer.views(product, VIEWS_THRESHOLD)
    pause.wait(_LEAD_SECONDS)
    produced_ns = time.time_ns()
    producer.views(product, 1)
    probes.produced[product] = produced_ns


@contextmanager
def watching(look: Callable[[], None]) -> Iterator[None]:
    """Call `look` again and again in a thread while the block runs."""
    stop = threading.Event()
    failed: list[Exception] = []

    def watch() -> None:
        try:
            while not stop.is_set():
                look()
        except Exception as error:  # handed to the main thread
            failed.append(error)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)
    if failed:
        raise failed[0]


class OperatorsView:
    """The service's own histogram over a span of time, by its metrics."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{HOST}:{port}/metrics"
        self._marks: list[dict[float, float]] = []

    def mark(self) -> None:
        """Note the histogram as it is now; the first mark begins the span and the last ends it."""
        with urlopen(self._url, timeout=10) as answer:
            buckets = _BUCKET.findall(answer.read().decode())
        self._marks.append({float(limit): float(count) for limit, count in buckets})

    def quantile(self, share: float) -> float:
        """Return seconds as Prometheus works them out, evenly spread inside a bucket; NaN where nothing was seen."""
        first, last = self._marks[0], self._marks[-1]
        below, counted = 0.0, 0.0
        rank = share * self.changes
        for limit in sorted(last):
            count = last[limit] - first[limit]
            if count >= rank > 0:
                inside = (rank - counted) / (count - counted)
                return below if limit == inf else below + (limit - below) * inside
            below, counted = limit, count
        return nan

    @property
    def changes(self) -> float:
        """How many changes there were."""
        return self._marks[-1][inf] - self._marks[0][inf]

    def __str__(self) -> str:
        p50, p90, p99 = (f"{self.quantile(share) * 1000:.0f}" for share in (0.5, 0.9, 0.99))
        return f"its own histogram of {self.changes:,.0f} changes of alerts, ms: p50 {p50}, p90 {p90}, p99 {p99}"


def measured(
    stack: BenchStack,
    program: str,
    process: Process,
    topic: str,
    probes: Probes,
    load: "Load",
    mark: Callable[[], None] = lambda: None,
) -> Latency:
    """Send probes under load until the time is over; something else notes what is seen.

    `mark` is called when the time begins and when it is over.
    """
    pause = threading.Event()
    producer = ProbeProducer(stack, topic)
    options = (f"--rate={load.rate}", "--seed=1")
    simulator = stack.start_program(
        "simulator", "stream", *options, KAFKA_TOPIC=topic, DATA_DIR=str(stack.folder / f"{topic}-log")
    )
    deadline = time.monotonic() + _START_SECONDS
    number = 0
    while not probes.seen:
        probe(producer, probes, f"{PREFIX}first_{number}", pause)
        pause.wait(2)
        number += 1
        _require(process, simulator, time.monotonic() < deadline, f"{program}: no alert in {_START_SECONDS:.0f} s")
    _keep_probing(producer, probes, "warm", load.warm_up_seconds, pause)
    mark()
    cpu, began, records = cpu_seconds(process.pid), time.monotonic(), _records(stack, topic)
    names = _keep_probing(producer, probes, "run", load.seconds, pause)
    took = time.monotonic() - began
    cores = (cpu_seconds(process.pid) - cpu) / took
    sent = (_records(stack, topic) - records) / took
    deadline = time.monotonic() + _GRACE_SECONDS
    while any(name not in probes.seen for name in names) and time.monotonic() < deadline:
        pause.wait(0.1)
    mark()
    _require(process, simulator, True, "")
    producer.close()
    simulator.stop()
    process.stop()
    seen = [(probes.seen[name] - probes.produced[name]) / 1e9 for name in names if name in probes.seen]
    if not seen:
        raise UserError(f"{program}: none of {len(names)} probes made an alert")
    return Latency(program, seen, len(names) - len(seen), cores, sent)


def _keep_probing(
    producer: ProbeProducer, probes: Probes, label: str, seconds: float, pause: threading.Event
) -> list[str]:
    """Send a probe a second at random moments, so that no clock of the measured program is in step."""
    chance = random.Random(2)
    began = time.monotonic()
    names: list[str] = []
    for number in range(int(seconds / _PROBE_SECONDS)):
        at = began + number * _PROBE_SECONDS + chance.random() * (_PROBE_SECONDS - _LEAD_SECONDS) * 0.9
        pause.wait(max(0.0, at - time.monotonic()))
        names.append(f"{PREFIX}{label}_{number}")
        probe(producer, probes, names[-1], pause)
    return names


def _require(process: Process, simulator: Process, holds: bool, otherwise: str) -> None:
    process.require_running()
    simulator.require_running()
    if not holds:
        raise UserError(otherwise)


def _records(stack: BenchStack, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": stack.bootstrap, "group.id": "bench"})
    try:
        return sum(
            consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)[1]
            for partition in range(PARTITIONS)
        )
    finally:
        consumer.close()


@dataclass(frozen=True)
class Load:
    """What the programs are measured under.

    Attributes:
        rate: the simulator's events a second.
        seconds: how long each program is measured.
        warm_up_seconds: how long it runs before, from its first alert on.
        checkpoint_interval: how long a batch of Real-Time Mode lasts.
    """

    rate: float
    seconds: float
    warm_up_seconds: float
    checkpoint_interval: str


def ours(stack: BenchStack, jars: Path, load: Load, trigger: str, master: str) -> tuple[Latency, OperatorsView]:
    """Measure the streaming service, to the row in PostgreSQL."""
    port = free_port()
    view = OperatorsView(port)
    topic, alerts, dead_letters = "ours-events", "ours-alerts", "ours-dlq"
    stack.create_topics((topic, PARTITIONS), (alerts, 1), (dead_letters, 1))
    process = stack.start_program(
        "streaming",
        "run",
        KAFKA_TOPIC=topic,
        ALERTS_TOPIC=alerts,
        DLQ_TOPIC=dead_letters,
        DATABASE_URL=stack.database("latency", STREAMING),
        DATA_DIR=str(stack.folder / "ours"),
        SPARK_JARS_DIR=str(jars),
        SPARK_MASTER=master,
        TRIGGER=trigger,
        METRICS_PORT=str(port),
        CHECKPOINT_INTERVAL=load.checkpoint_interval,
    )
    probes = Probes()
    pause = threading.Event()
    with stack.connect("latency") as connection:

        def look() -> None:
            products = probes.open()
            if products:
                rows = connection.execute(
                    "SELECT product_id FROM flash_sale_alerts WHERE product_id = ANY(%s)", [products], prepare=True
                ).fetchall()
                now_ns = time.time_ns()
                for (product,) in rows:
                    probes.see(str(product), now_ns)
            pause.wait(_POLL_SECONDS)

        with watching(look):
            program = f"ours, TRIGGER={trigger}, row in PostgreSQL"
            return measured(stack, program, process, topic, probes, load, view.mark), view


def bare_realtime(stack: BenchStack, jars: Path, load: Load) -> Latency:
    """Measure bare Real-Time Mode, to its result topic."""
    topic, result = "realtime-events", "realtime-result"
    stack.create_topics((topic, PARTITIONS), (result, 1))
    arguments = {"result-topic": result, "checkpoint-interval": load.checkpoint_interval}
    process = start_bare(stack, "realtime", _arguments(stack, topic, jars) | arguments)
    probes = Probes()
    consumer = Consumer({"bootstrap.servers": stack.bootstrap, "group.id": "bench", "enable.auto.commit": False})
    consumer.assign([TopicPartition(result, 0, 0)])
    prefix = PREFIX.encode()

    def look() -> None:
        message = consumer.poll(0.2)
        if message is not None and message.error() is None:
            key = message.key()
            if key is not None and key.startswith(prefix):
                probes.see(key.decode(), time.time_ns())

    try:
        with watching(look):
            return measured(stack, "bare Real-Time Mode, record in Kafka", process, topic, probes, load)
    finally:
        consumer.close()


def bare_microbatch(stack: BenchStack, jars: Path, load: Load) -> Latency:
    """Measure a bare micro-batch query, to foreachBatch."""
    topic = "microbatch-events"
    stack.create_topics((topic, PARTITIONS))
    process = start_bare(stack, "microbatch", _arguments(stack, topic, jars) | {"prefix": PREFIX})
    probes = Probes()
    pause = threading.Event()
    with open(process.command.log_file) as log:
        left = ""

        def look() -> None:
            nonlocal left
            *lines, left = (left + log.read()).split("\n")
            for line in lines:
                product, _, now_ns = line.partition(" ")
                if product.startswith(PREFIX) and now_ns.isdecimal():
                    probes.see(product, int(now_ns))
            pause.wait(0.05)

        with watching(look):
            return measured(stack, "bare micro-batch, row in foreachBatch", process, topic, probes, load)


def _arguments(stack: BenchStack, topic: str, jars: Path) -> dict[str, str]:
    checkpoint = str(stack.folder / f"{topic}-checkpoint")
    return {
        "bootstrap": stack.bootstrap,
        "topic": topic,
        "registry": stack.registry,
        "checkpoint": checkpoint,
        "jars": str(jars),
    }


def table(latencies: list[Latency], title: str) -> Table:
    """Return the quantiles in milliseconds."""
    rows = tuple(
        (
            one.program,
            *(f"{quantile(one.seconds, share) * 1000:.0f}" for share in (0.5, 0.9, 0.99, 1.0)),
            f"{fmean(one.seconds) * 1000:.0f}",
            str(len(one.seconds)),
            str(one.missed),
            f"{one.load:,.0f}",
            f"{one.cores:.2f}",
        )
        for one in latencies
    )
    header = ("produce → alert, ms", "p50", "p90", "p99", "max", "mean", "probes", "missed", "events/s", "cores")
    return Table(title, header, rows)


app = typer.Typer(add_completion=False)


@app.command()
def main(
    seconds: Annotated[float, typer.Option(min=5, help="How long each program is measured.")] = 300,
    warm_up_seconds: Annotated[float, typer.Option(help="How long it runs before, after its first alert.")] = 60,
    rate: Annotated[float, typer.Option(help="The simulator's events a second; probes add 101.")] = 2000,
    trigger: Annotated[str, typer.Option(help="TRIGGER of our service.")] = "auto",
    checkpoint_interval: Annotated[str, typer.Option(help="A batch of Real-Time Mode, theirs and ours.")] = "5 minutes",
    master: Annotated[str, typer.Option(help="SPARK_MASTER of our service.")] = "local[*]",
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every probe's time to this file.")] = None,
) -> None:
    """Measure and print."""
    on = machine()
    load = Load(rate, seconds, warm_up_seconds, checkpoint_interval)
    with bench_stack(with_postgres=True) as stack:
        jars = stack.spark_jars()
        our_latency, view = ours(stack, jars, load, trigger, master)
        latencies = [
            our_latency,
            bare_realtime(stack, jars, load),
            bare_microbatch(stack, jars, load),
        ]
    print(table(latencies, f"{seconds:g} s each at {rate:,.0f} events/s and a probe a second; {on}"))
    print(f"ours, {view}")
    write_json(json_file, {"machine": on, "load": load, "latencies": latencies})


if __name__ == "__main__":
    run_cli(app)
