"""The simulator at full rate beside Kafka's own ProducerPerformance, on one broker, in one run.

Both send the same number of records of the same size, acknowledged by all replicas and idempotent, with
lz4, 20 ms of linger and batches of 128 kB, to new topics of the same partitions, in turns. A rate is by the
program's own clock, from its first record to its last acknowledgement (the start of Python or the JVM is not
in it), and beside it by the broker's: between the append times of the first and the last record.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated

import typer
from bench_figures import Table, cpu_seconds, machine, write_json
from bench_stack import BenchStack, bench_stack
from clickwatch_jars.jars import Artifact, fetched_jars
from clickwatch_servers.process import Process
from clickwatch_service import UserError, run_cli
from confluent_kafka import Consumer, TopicPartition

PERFORMANCE = "org.apache.kafka.tools.ProducerPerformance"
PARTITIONS = 2
_TOOLS = (
    Artifact("org.apache.kafka", "kafka-tools", "4.4.0", with_dependencies=True),
    Artifact("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.5", with_dependencies=True),
)
_SETTINGS = ("linger.ms=20", "batch.size=131072", "compression.type=lz4", "acks=all")
_TOTAL = re.compile(r"^(\d+) records sent, ([\d.]+) records/sec", re.MULTILINE)


@dataclass(frozen=True)
class Sending:
    """One program's run.

    Attributes:
        program: who sent.
        per_second: records, by its own clock.
        per_second_broker: records, by the broker's clock.
        cpu_seconds: of the whole process, its start included.
        broker_cpu_seconds: of the broker meanwhile.
        record_bytes: mean size of key and value.
    """

    program: str
    per_second: float
    per_second_broker: float
    cpu_seconds: float
    broker_cpu_seconds: float
    record_bytes: float


def simulated(stack: BenchStack, topic: str, count: int, rate: float) -> Sending:
    """Let the simulator generate, encode and send `count` events."""
    stack.create_topics((topic, PARTITIONS))
    options = ("--fast", "--no-jsonl", f"--events={count}", f"--rate={rate}", "--seed=1")
    broker = cpu_seconds(stack.kafka.pid)
    process = stack.start_program("simulator", "stream", *options, KAFKA_TOPIC=topic)
    cpu = _cpu_until_end(process)
    broker = cpu_seconds(stack.kafka.pid) - broker
    finished = [line for line in stack.log("simulator").read_text().splitlines() if '"run_finished"' in line]
    if not finished:
        raise UserError(f"the simulator did not finish: {stack.log('simulator').read_text()[-500:]}")
    said = json.loads(finished[0])
    appended = _appended(stack, topic, count)
    if said["acknowledged"] != count:
        raise UserError(f"the simulator says that {said['acknowledged']} of {count} events were acknowledged")
    return Sending("simulator", said["per_second"], count / appended.seconds, cpu, broker, appended.record_bytes)


def performed(stack: BenchStack, topic: str, count: int, record_bytes: int) -> Sending:
    """Let Kafka's ProducerPerformance send `count` records of random letters."""
    stack.create_topics((topic, PARTITIONS))
    options = (
        *("--bootstrap-server", stack.bootstrap, "--topic", topic),
        *("--num-records", str(count), "--record-size", str(record_bytes), "--throughput", "-1"),
        *("--command-property", *_SETTINGS),
    )
    jars = fetched_jars("kafka-tools", _TOOLS, stack.java)
    java = (str(stack.java.executable), "-Xmx512m", PERFORMANCE)
    broker = cpu_seconds(stack.kafka.pid)
    process = stack.start("ProducerPerformance", (*java, *options), CLASSPATH=f"{jars}/*")
    cpu = _cpu_until_end(process)
    broker = cpu_seconds(stack.kafka.pid) - broker
    totals = _TOTAL.findall(stack.log("ProducerPerformance").read_text())
    if not totals or int(totals[-1][0]) != count:
        raise UserError(f"ProducerPerformance did not send all: {stack.log('ProducerPerformance').read_text()[-500:]}")
    appended = _appended(stack, topic, count)
    rate = float(totals[-1][1])
    return Sending("ProducerPerformance", rate, count / appended.seconds, cpu, broker, appended.record_bytes)


def _cpu_until_end(process: Process) -> float:
    """Return the processor seconds of a process that ends by itself (up to the last look, 50 ms before)."""
    used = 0.0
    while process.wait(0.05) is None:
        used = max(used, cpu_seconds(process.pid))
    process.require_success(0)
    return used


@dataclass(frozen=True)
class _Appended:
    seconds: float
    record_bytes: float


def _appended(stack: BenchStack, topic: str, count: int) -> _Appended:
    """Return how long the broker took to append a topic's records, and their mean size by a sample."""
    consumer = Consumer({"bootstrap.servers": stack.bootstrap, "group.id": "bench", "enable.auto.commit": False})
    times: list[int] = []
    sizes: list[int] = []
    total = 0
    try:
        for partition in range(PARTITIONS):
            first, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            total += end - first
            for offset, sample in ((first, 1000), (end - 1, 1)):
                consumer.assign([TopicPartition(topic, partition, offset)])
                messages = [one for one in consumer.consume(sample, timeout=10) if one.error() is None]
                times.append(messages[0].timestamp()[1])
                sizes += [len(one.key() or b"") + len(one.value() or b"") for one in messages]
    finally:
        consumer.close()
    if total != count:
        raise UserError(f"topic {topic} has {total} records, {count} were sent")
    return _Appended(max(0.001, (max(times) - min(times)) / 1000), sum(sizes) / len(sizes))


def table(runs: list[Sending], count: int, title: str) -> Table:
    """Return the medians and the ratio."""
    rows = []
    middle: dict[str, float] = {}
    for program in ("ProducerPerformance", "simulator"):
        mine = [one for one in runs if one.program == program]
        middle[program] = median(one.per_second for one in mine)
        rows.append(
            (
                program,
                f"{middle[program]:,.0f}",
                f"{min(one.per_second for one in mine):,.0f}–{max(one.per_second for one in mine):,.0f}",
                f"{median(one.per_second_broker for one in mine):,.0f}",
                f"{median(one.cpu_seconds for one in mine) / count * 1e6:.1f}",
                f"{median(one.broker_cpu_seconds for one in mine) / count * 1e6:.1f}",
                f"{median(one.record_bytes for one in mine):.0f}",
                f"{middle[program] / middle['ProducerPerformance']:.2f}",
            )
        )
    header = ("program", "records/s", "lowest–highest", "by the broker", "CPU-s/M", "broker CPU-s/M", "bytes", "ratio")
    return Table(title, header, tuple(rows))


app = typer.Typer(add_completion=False)


@app.command()
def main(
    events: Annotated[int, typer.Option(min=10_000, help="Records of a run.")] = 1_000_000,
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each program, after one that does not count.")] = 5,
    rate: Annotated[float, typer.Option(help="Events a second of event time in what is generated.")] = 2000,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write every run's figures to this file.")] = None,
) -> None:
    """Measure and print."""
    on = machine()
    with bench_stack(with_postgres=False) as stack:
        warm_up = simulated(stack, "simulator-warm-up", events, rate)
        record_bytes = round(warm_up.record_bytes)
        performed(stack, "performance-warm-up", events, record_bytes)
        stack.delete_topics("simulator-warm-up", "performance-warm-up")
        runs: list[Sending] = []
        for number in range(rounds):
            topics = f"performance-{number}", f"simulator-{number}"
            runs.append(performed(stack, topics[0], events, record_bytes))
            runs.append(simulated(stack, topics[1], events, rate))
            stack.delete_topics(*topics)
    title = f"{events:,} records, medians of {rounds} rounds, {PARTITIONS} partitions; {on}"
    print(table(runs, events, title))
    write_json(json_file, {"machine": on, "events": events, "event_rate": rate, "runs": runs})


if __name__ == "__main__":
    run_cli(app)
