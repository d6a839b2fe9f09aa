"""`status`: what runs, how far behind it is, its last error."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from time import time

import httpx2
import psutil
import psycopg
from clickwatch_kafka import KafkaConnection, consumer
from clickwatch_service.healthy import health_file, troubles
from confluent_kafka import KafkaException, TopicPartition

from clickwatch_local.places import DataDir
from clickwatch_local.state import Part, State, is_running, read_state

# FATAL is what PostgreSQL says of a client it refuses, not of itself.
_ERROR = re.compile(r'"level": ?"(?:error|critical)"|\bERROR\b|\bPANIC\b|^error: |\[error +\]')
_LOOK_BACK_BYTES = 1_000_000
_ASK_SECONDS = 3
_WIDTH = len("Airflow dag-processor")


def status_lines(places: DataDir) -> Iterator[str]:
    """Yield what a person at another terminal wants to know of the stack on a data folder."""
    state = read_state(places)
    if state is None:
        yield f"nothing has run on {places.folder} yet: start it by `./pants up`"
        return
    running = is_running(places)
    if running:
        yield f"running since {state.started_at:%Y-%m-%d %H:%M:%S} UTC (process {state.pid})"
    else:
        ended = f"stopped at {state.stopped_at:%Y-%m-%d %H:%M:%S} UTC" if state.stopped_at else "ended without stopping"
        yield f"not running: {ended}"
    for part in state.parts:
        yield f"{part.name:<{_WIDTH}} {_process(part) if running else 'not running'}"
        for trouble in _troubles(state, places, part.name) if running else ():
            yield f"{'':<{_WIDTH}} in trouble: {trouble}"
        error = last_error(part.log)
        if error is not None:
            yield f"{'':<{_WIDTH}} last error: {error}"
    if running and state.airflow is not None:
        yield f"{'Airflow page':<{_WIDTH}} {state.airflow}"
    if running and state.metrics is not None:
        yield f"{'metrics':<{_WIDTH}} {state.metrics}"
    if running:
        yield from _lag(state, places)


def _troubles(state: State, places: DataDir, part: str) -> list[str]:
    """What a service says of its parts that do not work; nothing of a part that says nothing of itself."""
    if part in ("streaming", "simulator", "notifier"):
        return troubles(health_file(places.data, part), time())
    if part == "dashboard" and state.dashboard is not None:
        try:
            httpx2.get(f"{state.dashboard}/health", timeout=_ASK_SECONDS).raise_for_status()
        except httpx2.HTTPError as error:
            return [f"{state.dashboard}/health: {error}"]
    return []


def last_error(log: Path) -> str | None:
    """Return the last line of a log that tells of an error, shortened; None if there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOOK_BACK_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        if _ERROR.search(line):
            return _readable(line)
    return None


def _readable(line: str) -> str:
    try:
        fields = json.loads(line)
        text = " ".join([str(fields.pop("timestamp", "")), str(fields.pop("event", "")), *map(str, fields.values())])
    except (ValueError, AttributeError):
        text = line
    return text.strip()[:300]


def _process(part: Part) -> str:
    try:
        process = psutil.Process(part.pid)
        family = [process, *process.children(recursive=True)]
        memory_mb = sum(one.memory_info().rss for one in family) / 1e6
        cpu_seconds = sum(sum(one.cpu_times()[:2]) for one in family)
    except psutil.Error:
        return "not running"
    return f"runs (process {part.pid}, {memory_mb:.0f} MB, {cpu_seconds:.0f} CPU-seconds)"


def _lag(state: State, places: DataDir) -> Iterator[str]:
    """Yield how many messages each reader of a topic has not dealt with for good.

    The projector's offsets stand in the database, those of Spark's queries in their checkpoints,
    where they move when a batch is finished (in Real-Time Mode that takes a CHECKPOINT_INTERVAL); what
    a query has done since then is not known here.
    """
    try:
        with psycopg.connect(state.database, passfile=str(places.pgpass), connect_timeout=3) as connection:
            rows = connection.execute("SELECT consumer, topic, partition, next_offset FROM stream_offsets").fetchall()
        readers: dict[str, dict[tuple[str, int], int]] = {}
        for consumer, topic, partition, next_offset in rows:
            readers.setdefault(f"projector {consumer}", {})[topic, partition] = next_offset
        # Of a query's checkpoints, one for each version of its state, the one in use counts.
        commits = (places.data / "checkpoints").glob("*/commits")
        for checkpoint in sorted(commits, key=lambda folder: folder.stat().st_mtime):
            name = f"query {checkpoint.parent.name.partition('-')[0]}, as of its last finished batch"
            readers[name] = committed_offsets(checkpoint.parent)
        for name, offsets in readers.items():
            behind = f"{_behind(state.kafka, offsets)} messages behind" if offsets else "none finished yet"
            yield f"{name}: {behind}"
    except (psycopg.Error, KafkaException) as error:
        yield f"lag unknown: {str(error).strip()}"


def committed_offsets(checkpoint: Path) -> dict[tuple[str, int], int]:
    """Return where a Spark query goes on in each (topic, partition), from its checkpoint folder."""
    committed = [int(file.name) for file in (checkpoint / "commits").iterdir() if file.name.isdecimal()]
    if not committed:
        return {}
    # The file's last line is the source's offsets: {"topic": {"partition": next offset}}.
    *_, source = (checkpoint / "offsets" / str(max(committed))).read_text("utf-8").splitlines()
    topics = json.loads(source)
    return {(topic, int(one)): offset for topic, partitions in topics.items() for one, offset in partitions.items()}


def _behind(bootstrap: str, offsets: dict[tuple[str, int], int]) -> int:
    reader = consumer(KafkaConnection.plain(bootstrap), {"group.id": "clickwatch-status", "log_level": 0})
    try:
        ends = {one: reader.get_watermark_offsets(TopicPartition(*one), timeout=5)[1] for one in offsets}
    finally:
        reader.close()
    return sum(max(0, ends[one] - offset) for one, offset in offsets.items())
