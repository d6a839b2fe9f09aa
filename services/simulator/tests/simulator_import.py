"""Imports of small files, in this process."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from clickwatch_events import Event, from_line
from clickwatch_service import UserError
from clickwatch_service.pseudonyms import Pseudonyms
from clickwatch_simulator.__main__ import app
from clickwatch_simulator.importing.mappings import MAPPINGS, RowMapping
from clickwatch_simulator.importing.reader import EventReader
from clickwatch_simulator.importing.replay import Replay
from clickwatch_simulator.importing.set_aside import SetAside
from clickwatch_simulator.importing.source import RowFormat, source
from clickwatch_simulator.importing.summary import Summary
from clickwatch_simulator.poison import Refused
from structlog.testing import capture_logs
from typer.testing import CliRunner

WATERMARK = timedelta(minutes=10)
NOW_MS = 1_795_737_600_000  # 2026-11-27
REES46_HEADER = "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"


@dataclass(frozen=True)
class Imported:
    """What came of a file."""

    events: list[Event]
    refused: list[Refused]
    aside: list[dict[str, Any]]
    summary: Summary
    description: str


def imported(
    path: Path,
    mapping: RowMapping = MAPPINGS["rees46"],
    first_at_ms: int | None = None,
    row_format: RowFormat = RowFormat.AUTO,
    *,
    header: list[str] | None = None,
    encoding: str | None = None,
    pseudonyms: Pseudonyms | None = None,
    skip_other_types: bool = False,
) -> Imported:
    kept = path.with_name("aside.jsonl")
    with source(path, mapping, row_format, header, encoding) as found, SetAside(kept, found.header) as aside:
        reader = EventReader(mapping, found.header, NOW_MS, skip_other_types=skip_other_types)
        replay = Replay(found.rows, reader, aside.add, pseudonyms=pseudonyms, send_refused=True)
        items = [item for batch in replay.batches(first_at_ms, WATERMARK, with_fates=False) for item in batch.items]
    lines = kept.read_bytes().splitlines() if kept.exists() else []
    return Imported(
        [item for item in items if isinstance(item, Event)],
        [item for item in items if isinstance(item, Refused)],
        [json.loads(line) for line in lines],
        replay.summary,
        found.description,
    )


@dataclass(frozen=True)
class Run:
    """What `replay` printed, wrote and ended with; `error` is None where its status is 0."""

    error: str | None
    output: str
    events: list[Event]
    ledger: dict[str, Any]
    aside: list[dict[str, Any]]


def replay(folder: Path, file: Path, *options: str) -> Run:
    """Run the command without Kafka, at full speed unless told otherwise."""
    data_dir, ledger = folder / "data", folder / "ledger.json"
    speed = () if "--speed" in options else ("--speed", "max")
    arguments = ["replay", str(file), "--no-kafka", "--ledger", str(ledger), *speed, *options]
    with _signals_as_before(), capture_logs():
        result = CliRunner().invoke(app, arguments, env={"DATA_DIR": str(data_dir)})
    if result.exception is not None and not isinstance(result.exception, UserError):
        raise result.exception
    logs = sorted((data_dir / "logs").glob("*.jsonl"))
    aside = data_dir / "quarantine" / f"replay_{file.name}.jsonl"
    return Run(
        None if result.exception is None else str(result.exception),
        result.stdout,
        [from_line(line) for log in logs for line in log.read_bytes().splitlines()],
        json.loads(ledger.read_text()) if ledger.exists() else {},
        [json.loads(line) for line in aside.read_bytes().splitlines()] if aside.exists() else [],
    )


@contextmanager
def _signals_as_before() -> Iterator[None]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
