"""The command `replay`."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from clickwatch_events.limits import EARLIEST_MS, MAX_FUTURE
from clickwatch_events.times import epoch_ms, seeming_form
from clickwatch_service import UserError, load_settings, stop_on_signals
from clickwatch_service.pseudonyms import Pseudonyms
from clickwatch_service.shown import shown
from numpy.typing import NDArray
from structlog import get_logger

from clickwatch_simulator import when
from clickwatch_simulator.importing.mappings import MAPPINGS, RowMapping
from clickwatch_simulator.importing.reader import EventReader
from clickwatch_simulator.importing.replay import Replay
from clickwatch_simulator.importing.set_aside import SetAside
from clickwatch_simulator.importing.source import RowFormat, Source, source
from clickwatch_simulator.importing.summary import Summary
from clickwatch_simulator.jsonl import DayFiles
from clickwatch_simulator.options import LedgerFile, options_of
from clickwatch_simulator.outputs import connected
from clickwatch_simulator.pacing import FullSpeed, RecordedSpeed
from clickwatch_simulator.settings import Settings

_SLACK = timedelta(seconds=1)
"""A start of `now` is rounded to the millisecond."""
log = get_logger()


def replay(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV, JSON lines or a JSON array, also packed.")],
    mapping: Annotated[str, typer.Option(help=f"Ready-made columns: {', '.join(MAPPINGS)}.")] = "clickwatch",
    column: Annotated[
        list[str] | None,
        typer.Option(help="FIELD=COLUMN, such as time=ts, category=group,brand or product=items[].sku; repeatable."),
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", help="THEIRS=OURS, such as cart=add_to_cart; THEIRS= skips; repeatable."),
    ] = None,
    skip_other_types: Annotated[
        bool, typer.Option("--skip-other-types", help="Skip and count types that the mapping does not name.")
    ] = False,
    currency: Annotated[str | None, typer.Option(help="Currency of prices that do not say.")] = None,
    decimal_comma: Annotated[
        bool, typer.Option("--decimal-comma", help="Prices are written 1.299,50 and not 1299.50.")
    ] = False,
    row_format: Annotated[RowFormat, typer.Option("--format", help="Unless the content tells.")] = RowFormat.AUTO,
    header: Annotated[
        str | None, typer.Option(help="Names of a CSV file's columns, with commas between, where it has no such line.")
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Unless the content tells, such as cp1252.")] = None,
    speed: Annotated[str, typer.Option(help="recorded, max, or a factor such as 60.")] = "recorded",
    start_time: Annotated[
        str | None, typer.Option(help="Move all times so that the first event happens then: now, -30m or ISO-8601.")
    ] = None,
    events: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    max_bad: Annotated[
        float, typer.Option(min=0, max=1, help="Exit with status 1 where a larger share was set aside.")
    ] = 0.1,
    rejects: Annotated[
        Path | None, typer.Option(help="Where rows set aside go; default DATA_DIR/quarantine/replay_FILE.jsonl.")
    ] = None,
    kafka: Annotated[bool, typer.Option(help="Send to Kafka.")] = True,
    jsonl: Annotated[bool, typer.Option(help="Append to DATA_DIR/logs/clickstream_DAY.jsonl.")] = True,
    ledger: LedgerFile = None,
) -> None:
    """Send a file of a real shop; a second replay sends the same event ids again, so nothing counts twice."""
    settings = load_settings(Settings).checked()
    if mapping not in MAPPINGS:
        raise UserError(f"--mapping={mapping}: must be one of {', '.join(MAPPINGS)}")
    columns = MAPPINGS[mapping].changed(column or [], type_ or [], currency, decimal_comma=decimal_comma)
    factor = _speed_factor(speed)
    now = datetime.now(UTC)
    first_at_ms = None if start_time is None else when.instant_ms("--start-time", start_time, now)
    names = None if header is None else [name.strip() for name in header.split(",")]
    key_file = settings.user_id_key_file
    pseudonyms = None if key_file is None else Pseudonyms.from_file(key_file)

    @contextmanager
    def looked_at() -> Iterator[tuple[Source, EventReader]]:
        with source(file, columns, row_format, names, encoding) as found:
            latest_ms = epoch_ms(now + MAX_FUTURE)
            yield found, EventReader(columns, found.header, latest_ms, skip_other_types=skip_other_types)

    if first_at_ms is not None and start_time is not None:
        _refuse_impossible_times(start_time, first_at_ms, now)
        if factor is None or factor > 1:
            if file.exists() and not file.is_file():
                raise UserError(f"{file}: cannot be read twice, as --start-time needs: give a file")
            with looked_at() as (found, reader):
                scouted = Replay(found.rows, reader, lambda row, error: None, limit=events)
                _refuse_impossible_times(
                    start_time, first_at_ms, now, _span(scouted, settings.watermark, first_at_ms), factor
                )
    with (
        looked_at() as (found, reader),
        SetAside(rejects or settings.data_dir / "quarantine" / f"replay_{file.name}.jsonl", found.header) as aside,
        DayFiles(settings.logs) if jsonl else nullcontext() as log_files,
    ):
        log.info("file_looked_at", file=str(file), found=found.description)
        replayed = Replay(found.rows, reader, aside.add, limit=events, pseudonyms=pseudonyms, send_refused=kafka)
        if found.encoding_is_guessed:
            reader.notes[f"guess: bytes that are no UTF-8 were read as {found.encoding}; --encoding names another"] = 1
        outputs = connected(settings, log_files, ledger, kafka=kafka)
        stop = stop_on_signals()
        pace = FullSpeed(stop) if factor is None else RecordedSpeed(stop, factor)
        sent_at = None if first_at_ms is None else _sending_times(epoch_ms(now), first_at_ms, factor)
        batches = replayed.batches(first_at_ms, settings.watermark, with_fates=ledger is not None, sent_at=sent_at)
        summary = replayed.summary
        summary.unit = found.unit
        try:
            finished = outputs.run(batches, pace, events, None, options_of(ctx), summary.as_json)
        finally:
            if replayed.shortened_pauses and factor is not None:
                reader.notes["pauses of more than a day, shortened to a day"] = replayed.shortened_pauses
            print("\n".join([f"{shown(file)}: {found.description}", *summary.lines()]), flush=True)
            if summary.set_aside:
                print(f"rows set aside are in {shown(aside.path)}", flush=True)
    if finished:
        _judge(file, summary, max_bad, columns, reader)


def _span(scouted: Replay, watermark: timedelta, first_at_ms: int) -> timedelta:
    """Return how long a file goes on after its first event."""
    last_ms = first_at_ms
    for batch in scouted.batches(first_at_ms, watermark, with_fates=False):
        last_ms = max(last_ms, int(batch.due_ms[-1]))
    return timedelta(milliseconds=last_ms - first_at_ms)


def _sending_times(
    now_ms: int, first_at_ms: int, factor: float | None
) -> Callable[[NDArray[np.int64]], NDArray[np.int64]]:
    """Return what tells what the clock says when events are sent that are due at given times."""

    def sent_at(due: NDArray[np.int64]) -> NDArray[np.int64]:
        return now_ms + np.asarray((due - first_at_ms) / (factor or math.inf), np.int64)

    return sent_at


def _refuse_impossible_times(
    start_time: str,
    first_at_ms: int,
    now: datetime,
    span: timedelta = timedelta(0),
    factor: float | None = 1.0,
) -> None:
    """Make sure that events happen within the range, and none is sent before it happens, as a dead letter.

    Raises:
        UserError: where the file would have to start.
    """
    if first_at_ms < EARLIEST_MS:
        raise UserError(f"--start-time={start_time}: no event happened before 2000-01-01: start later")
    sent_within = timedelta(0) if factor is None else span / factor
    start, latest = datetime.fromtimestamp(first_at_ms / 1000, UTC), now + sent_within - span
    if start > latest + _SLACK:
        raise UserError(
            f"--start-time={start_time}: events would be sent before they happen, as dead letters: start at "
            f"{latest.replace(microsecond=0).isoformat()} or before"
            + ("" if not span else ", or give --speed recorded")
        )


def _judge(file: Path, summary: Summary, max_bad: float, mapping: RowMapping, reader: EventReader) -> None:
    """Make sure that most of the file was of use.

    Raises:
        UserError: why it was not.
    """
    if summary.events and summary.bad_share <= max_bad:
        return
    if not summary.rows:
        raise UserError(f"{file}: holds no rows")
    hint = ""
    if reader.no_times * 2 > summary.events + summary.set_aside:
        form = seeming_form(reader.failed_times)
        hint = f": {mapping.time} seems to hold {form}" if form else ""
    if not summary.events:
        raise UserError(f"{file}: none of its {summary.rows:,} rows was accepted{hint}: see the reasons above")
    raise UserError(
        f"{file}: {summary.bad_share:.1%} was set aside, more than --max-bad={max_bad:g}{hint}: "
        "see the reasons above; the rest was sent"
    )


def _speed_factor(speed: str) -> float | None:
    """Return how many times faster than recorded; None: as fast as possible."""
    if speed == "max":
        return None
    try:
        factor = 1.0 if speed == "recorded" else float(speed)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        raise UserError(f"--speed={speed}: must be recorded, max or a factor above 0 such as 60")
    return factor
