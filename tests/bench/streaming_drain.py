"""A backlog drained by our streaming service beside a bare Spark micro-batch query of the same window.

Clock, the same for both: it starts when Spark creates the (first) query's checkpoint, so neither the start of
the JVM nor that of Python is in it, and the cold first batch is. It ends

- for the bare query when its last micro-batch is committed;
- for our alerts when the broker appended the record that brought the last hot window to its final count,
  which the simulator's ledger tells;
- for our table when the projector has stored its offset behind that record;
- for our lake when the published files hold every unique event.

What else the service does beside (lake, dead letters, duplicates, projector) runs at the same time on the
same cores. Resolution: 1 ms for the bare query and the alerts, a quarter of a second for table and lake.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Annotated

import psycopg
import pyarrow.parquet as pq
import typer
from bench_figures import Table, cpu_seconds, machine, write_json
from bench_stack import STREAMING, BenchStack, bench_stack
from clickwatch_events.avro import HotWindowCodec
from clickwatch_servers.process import Process
from clickwatch_service import UserError, run_cli
from confluent_kafka import Consumer, TopicPartition

PARTITIONS = 2
VIEWS_THRESHOLD, PURCHASES_THRESHOLD = 100, 5
_LOOK_SECONDS = 0.25
_QUIET_SECONDS = 5.0
_BACKLOG = "backlog"
_FLASH_SALE = "product_7"
Key = tuple[str, int]


@dataclass(frozen=True)
class Backlog:
    """What the simulator sent.

    Attributes:
        records: messages in the topic, duplicates included.
        unique: valid events, each once.
        hot: product and window start (ms) → final views of the windows that are alerts. (Counts of others are
            not sent to their end: a purchase too many decides a window before it closes.)
    """

    records: int
    unique: int
    hot: dict[Key, int]


@dataclass(frozen=True)
class Draining:
    """One run.

    Attributes:
        program: `bare`, or the service's TRIGGER.
        alerts_seconds: until the windows were right: the bare query's end, or our last alert.
        table_seconds: until the projector had stored that; None for the bare query.
        lake_seconds: until the lake held all; None for the bare query.
        cpu_seconds: of the program until all that was done.
    """

    program: str
    alerts_seconds: float
    table_seconds: float | None
    lake_seconds: float | None
    cpu_seconds: float

    @property
    def all_seconds(self) -> float:
        """Until everything was done."""
        return max(self.alerts_seconds, self.table_seconds or 0, self.lake_seconds or 0)


def send_backlog(stack: BenchStack, events: int, duplicates: float, rate: float) -> Backlog:
    """Fill the topic."""
    stack.create_topics((_BACKLOG, PARTITIONS))
    ledger_file = stack.folder / "ledger.json"
    options = (
        "--fast",
        "--no-jsonl",
        f"--events={events}",
        f"--rate={rate}",
        f"--duplicates={duplicates}",
        "--seed=1",
        f"--flash-sale={_FLASH_SALE}",
    )
    process = stack.start_program("simulator", "stream", *options, f"--ledger={ledger_file}", KAFKA_TOPIC=_BACKLOG)
    process.require_success(600)
    ledger = json.loads(ledger_file.read_text())
    hot = {
        (one["product_id"], _milliseconds(one["window_start"])): one["views"]
        for one in ledger["windows"]
        if one["views"] > VIEWS_THRESHOLD and one["purchases"] < PURCHASES_THRESHOLD
    }
    if not hot:
        raise UserError(f"--events={events}: no window is an alert: send more")
    return Backlog(ledger["kafka"]["records"], ledger["events"], hot)


def _milliseconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


class CpuLog:
    """Looks at a process' processor time again and again, to tell what it had used at a moment."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._looks: list[tuple[float, float]] = []

    def look(self) -> None:
        """Look now."""
        self._looks.append((time.time(), cpu_seconds(self._pid)))

    def between(self, start: float, end: float) -> float:
        """Return the seconds used between two moments, by the looks nearest to them."""
        living = [look for look in self._looks if look[1] > 0]
        before = min(living, key=lambda look: abs(look[0] - start))
        after = min(living, key=lambda look: abs(look[0] - end))
        return after[1] - before[1]


def drain_bare(
    stack: BenchStack, backlog: Backlog, name: str, jars: Path, master: str, records_a_batch: int
) -> Draining:
    """Let the bare query read the backlog."""
    checkpoint = stack.folder / name / "checkpoint"
    arguments = {
        "bootstrap": stack.bootstrap,
        "topic": _BACKLOG,
        "registry": stack.registry,
        "checkpoint": str(checkpoint),
        "jars": str(jars),
        "master": master,
        "records-a-batch": str(records_a_batch),
    }
    process = start_bare(stack, "drain", arguments)
    cpu = CpuLog(process.pid)
    while process.wait(_LOOK_SECONDS) is None:
        cpu.look()
    process.require_success(0)
    start = (checkpoint / "metadata").stat().st_mtime
    ends = sorted(file.stat().st_mtime for file in (checkpoint / "commits").glob("[0-9]*"))
    return Draining("bare", ends[-1] - start, None, None, cpu.between(start, ends[-1]))


def start_bare(stack: BenchStack, command: str, arguments: dict[str, str]) -> Process:
    """Start one of the queries of `bare_spark.py`, in the environment that this program runs in."""
    argv = (sys.executable, "-m", "bare_spark", command, *(f"--{key}={value}" for key, value in arguments.items()))
    return stack.start("bare query", argv, PYTHONPATH=os.pathsep.join(filter(None, sys.path)))


class AlertTopic:
    """Reads the service's alerts, and only when asked, so that reading costs the service nothing."""

    def __init__(self, bootstrap: str, topic: str, hot: dict[Key, int]) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench", "enable.auto.commit": False})
        self._partition = TopicPartition(topic, 0)
        self._consumer.assign([TopicPartition(topic, 0, 0)])
        self._codec = HotWindowCodec(0)
        self._missing = dict(hot)
        self._read = 0
        self.last_offset = -1
        self.last_time = 0.0

    def end(self) -> int:
        """Return how many records the topic has."""
        return int(self._consumer.get_watermark_offsets(self._partition, timeout=10)[1])

    @property
    def windows_missing(self) -> int:
        """How many hot windows have not reached their final count."""
        return len(self._missing)

    def read(self, end: int) -> None:
        """Read on to offset `end`; `last_offset` and `last_time` (seconds) are then the last final count's."""
        while self._read < end:
            for message in self._consumer.consume(min(10_000, end - self._read), timeout=5):
                value, offset = message.value(), message.offset()
                if message.error() is not None or value is None or offset is None:
                    continue
                self._read = offset + 1
                window = self._codec.decode(value)
                key = (window.product_id, window.window_start_ms)
                if not window.closed and self._missing.get(key) == window.views:
                    del self._missing[key]
                    self.last_offset, self.last_time = offset, message.timestamp()[1] / 1000

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()


class LakeRows:
    """Counts the rows of published files by their footers, each read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rows: dict[Path, int] = {}

    def count(self) -> int:
        """Return the rows there are now."""
        for file in self._folder.glob("event_date=*/*.parquet"):
            if file not in self._rows and not file.name.startswith((".", "_")):
                self._rows[file] = pq.read_metadata(file).num_rows
        return sum(self._rows.values())


def drain_ours(
    stack: BenchStack,
    backlog: Backlog,
    trigger: str,
    name: str,
    jars: Path,
    master: str,
    timeout_seconds: float,
    topic_name: str = _BACKLOG,
) -> Draining:
    """Let the streaming service, with an empty checkpoint, lake and database, read the backlog."""
    data, database, alerts, dead_letters = stack.folder / name, name.replace("-", "_"), f"{name}-alerts", f"{name}-dlq"
    stack.create_topics((alerts, 1), (dead_letters, 1))
    url = stack.database(database, STREAMING)
    process = stack.start_program(
        "streaming",
        "run",
        KAFKA_TOPIC=topic_name,
        ALERTS_TOPIC=alerts,
        DLQ_TOPIC=dead_letters,
        DATABASE_URL=url,
        DATA_DIR=str(data),
        SPARK_JARS_DIR=str(jars),
        SPARK_MASTER=master,
        TRIGGER=trigger,
    )
    cpu = CpuLog(process.pid)
    topic = AlertTopic(stack.bootstrap, alerts, backlog.hot)
    lake = LakeRows(data / "lake" / "events")
    stored: list[tuple[float, int]] = []
    lake_end: float | None = None
    with stack.connect(database) as connection:
        for quiet_at in _looks(process, topic):
            cpu.look()
            stored.append((time.time(), _stored_offset(connection, alerts)))
            if lake_end is None and lake.count() >= backlog.unique:
                lake_end = time.time()
            if lake_end is not None and quiet_at is not None and topic.windows_missing:
                topic.read(quiet_at)
            if lake_end is not None and not topic.windows_missing and stored[-1][1] > topic.last_offset:
                break
            if time.time() - stored[0][0] > timeout_seconds:
                raise UserError(
                    f"TRIGGER={trigger}: after {timeout_seconds:.0f} s {topic.windows_missing} of {len(backlog.hot)} "
                    f"hot windows lack their final count, the lake has {lake.count()} of {backlog.unique} events"
                )
    assert lake_end is not None
    start = min(file.stat().st_mtime for file in (data / "checkpoints").glob("*/metadata"))
    process.stop()
    topic.close()
    stack.delete_topics(alerts, dead_letters)
    table_end = next(moment for moment, offset in stored if offset > topic.last_offset)
    end = max(topic.last_time, table_end, lake_end)
    return Draining(trigger, topic.last_time - start, table_end - start, lake_end - start, cpu.between(start, end))


def _looks(process: Process, topic: AlertTopic) -> Iterator[int | None]:
    """Yield four times a second while the service runs: the alert topic's end if it has not grown for a while."""
    end, grown_at = 0, time.monotonic()
    pause = threading.Event()
    while True:
        process.require_running()
        now_end = topic.end()
        if now_end != end:
            end, grown_at = now_end, time.monotonic()
        yield end if end and time.monotonic() - grown_at > _QUIET_SECONDS else None
        pause.wait(_LOOK_SECONDS)


def _stored_offset(connection: psycopg.Connection[tuple[object, ...]], topic: str) -> int:
    row = connection.execute(
        "SELECT coalesce(max(next_offset), 0) FROM stream_offsets WHERE topic = %s", [topic]
    ).fetchone()
    assert row is not None
    return int(str(row[0]))


def table(runs: list[Draining], backlog: Backlog, title: str) -> Table:
    """Return the medians and the ratios of their rates to the bare query's."""
    rows = []
    bare = median(one.alerts_seconds for one in runs if one.program == "bare")
    for program in dict.fromkeys(one.program for one in runs):
        mine = [one for one in runs if one.program == program]
        alerts = median(one.alerts_seconds for one in mine)
        whole = median(one.all_seconds for one in mine)
        rows.append(
            (
                "bare micro-batch" if program == "bare" else f"ours, TRIGGER={program}",
                f"{alerts:.1f} s",
                _seconds([one.table_seconds for one in mine]),
                _seconds([one.lake_seconds for one in mine]),
                f"{backlog.records / alerts:,.0f}",
                f"{backlog.records / whole:,.0f}",
                f"{median(one.cpu_seconds for one in mine) / backlog.records * 1e6:.1f}",
                f"{bare / alerts:.2f}",
                f"{bare / whole:.2f}",
            )
        )
    header = ("", "alerts", "table", "lake", "alerts/s", "all/s", "CPU-s/M", "ratio alerts", "ratio all")
    return Table(title, header, tuple(rows))


def _seconds(values: list[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):.1f} s" if known else "–"


app = typer.Typer(add_completion=False)


@app.command()
def main(
    events: Annotated[int, typer.Option(min=10_000, help="Events of the backlog.")] = 2_000_000,
    duplicates: Annotated[float, typer.Option(help="Share of them sent twice.")] = 0.01,
    rate: Annotated[float, typer.Option(help="Events a second of event time in the backlog.")] = 2000,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each.")] = 3,
    triggers: Annotated[str, typer.Option(help="Values of TRIGGER to measure.")] = "microbatch,realtime,auto",
    bare_batch: Annotated[int, typer.Option(help="Records in a micro-batch of the bare query.")] = 500_000,
    bare_master: Annotated[str, typer.Option(help="Spark master of the bare query.")] = "local[2]",
    master: Annotated[str, typer.Option(help="SPARK_MASTER of ours; Real-Time Mode needs slots.")] = "local[*]",
    timeout_seconds: Annotated[float, typer.Option(help="Give up on a run after so long.")] = 400,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every run's figures to this file.")] = None,
) -> None:
    """Measure and print."""
    on = machine()
    with bench_stack(with_postgres=True) as stack:
        jars = stack.spark_jars()
        backlog = send_backlog(stack, events, duplicates, rate)
        runs: list[Draining] = []
        for number in range(rounds):
            runs.append(drain_bare(stack, backlog, f"bare-{number}", jars, bare_master, bare_batch))
            for trigger in triggers.split(","):
                name = f"{trigger}-{number}"
                runs.append(drain_ours(stack, backlog, trigger, name, jars, master, timeout_seconds))
    title = (
        f"{backlog.records:,} records ({len(backlog.hot)} hot windows), medians of {rounds} rounds, "
        f"{PARTITIONS} partitions; {on}"
    )
    print(table(runs, backlog, title))
    write_json(json_file, {"machine": on, "records": backlog.records, "unique": backlog.unique, "runs": runs})


if __name__ == "__main__":
    run_cli(app)
