"""Command line: `python -m clickwatch_simulator stream | backfill | replay`."""

import gc
import math
import secrets
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from clickwatch_events.avro import EventEncoder
from clickwatch_events.jsonl import iso_timestamp
from clickwatch_service import UserError, load_settings, run_cli, stop_on_signals
from clickwatch_service.metrics import served_metrics
from clickwatch_service.pseudonyms import Pseudonyms
from structlog import get_logger

from clickwatch_simulator import when
from clickwatch_simulator.delivery import Pace, deliver
from clickwatch_simulator.flash_sales import flash_sale
from clickwatch_simulator.jsonl import DayFiles, ReplacedDay
from clickwatch_simulator.kafka import EventTopic, encoders
from clickwatch_simulator.ledger import Ledger, write_ledger
from clickwatch_simulator.mappings import MAPPINGS
from clickwatch_simulator.metrics import RunMetrics
from clickwatch_simulator.pacing import FullSpeed, RecordedSpeed, WallClock
from clickwatch_simulator.progress import Progress
from clickwatch_simulator.replay import Rejects, Replay, RowFormat, rows
from clickwatch_simulator.scenarios import Batch, Mishaps, troubled, untroubled
from clickwatch_simulator.settings import Settings
from clickwatch_simulator.shoppers import Shop, Shoppers

app = typer.Typer(help="Makes realistic shop traffic with known contents.", no_args_is_help=True)
log = get_logger()

Seed = Annotated[int | None, typer.Option(min=0, help="Same seed, same shoppers; none: a new one, which is logged.")]
FlashSales = Annotated[
    list[str] | None, typer.Option("--flash-sale", help="Product many view and few buy, such as product_7; repeatable.")
]
Retracted = Annotated[
    list[str] | None,
    typer.Option("--flash-sale-retracted", help="Like --flash-sale, but later purchases end the alert; repeatable."),
]
Duplicates = Annotated[float, typer.Option(help="Share of events sent twice.")]
OutOfOrder = Annotated[float, typer.Option(help="Share of events sent up to five minutes after newer ones.")]
Late = Annotated[float, typer.Option(help="Share of events sent when their windows have closed.")]
LateBy = Annotated[str, typer.Option(help="How late those are at least.")]
Future = Annotated[float, typer.Option(help="Additional events by clocks far ahead, as a share.")]
PoisonShare = Annotated[float, typer.Option("--poison", help="Additional undecodable messages, as a share.")]
V1Share = Annotated[float, typer.Option(min=0, max=1, help="Share of sessions that write schema version 1.")]
LedgerFile = Annotated[Path | None, typer.Option("--ledger", help="Write what was sent to this JSON file.")]


def _shop(
    settings: Settings,
    seed: int | None,
    start_ms: int,
    rate: float,
    v1_share: float,
    flash_sales: list[str] | None,
    retracted: list[str] | None,
) -> Shop:
    if seed is None:
        seed = secrets.randbelow(2**32)
        log.info("seed_chosen", seed=seed)
    return Shop(
        seed=seed,
        start_ms=start_ms,
        rate=rate,
        users=settings.num_users,
        product_count=settings.num_products,
        v1_share=v1_share,
        flash_sales=tuple(
            flash_sale(
                product,
                settings.num_products,
                retracted=is_retracted,
                views_threshold=settings.views_threshold,
                purchases_threshold=settings.purchases_threshold,
                window_seconds=settings.window_duration.total_seconds(),
            )
            for named, is_retracted in ((flash_sales, False), (retracted, True))
            for product in named or []
        ),
    )


@dataclass(frozen=True)
class _Outputs:
    """Where a run goes to."""

    settings: Settings
    encoders: dict[int, EventEncoder]
    topic: EventTopic | None
    log_files: DayFiles | ReplacedDay | None
    ledger_file: Path | None

    def run(
        self, batches: Iterable[Batch], pace: Pace, total: int | None, seed: int | None, options: dict[str, object]
    ) -> bool:
        """Send batches; return whether all were. The ledger is written however it ends."""
        settings, topic, log_files = self.settings, self.topic, self.log_files
        windows = (settings.window_duration, settings.slide_duration, settings.watermark)
        ledger = Ledger(*windows, days=log_files is not None) if self.ledger_file else None
        try:
            with (
                Progress("events", total) as progress,
                served_metrics(settings, RunMetrics(progress, topic, log_files)),
            ):
                finished = deliver(batches, pace, progress, topic, log_files, ledger)
        finally:
            if ledger is not None and self.ledger_file is not None:
                records, acknowledged = (topic.records, topic.acknowledged) if topic else (0, 0)
                write_ledger(self.ledger_file, ledger.as_json(seed, options, records, acknowledged))
        log.info(
            "run_finished" if finished else "run_stopped",
            messages=progress.count,
            per_second=round(progress.rate),
            acknowledged=topic.acknowledged if topic else None,
            log_lines=log_files.lines if log_files else None,
            seed=seed,
        )
        return finished


def _outputs(
    settings: Settings, log_files: DayFiles | ReplacedDay | None, ledger_file: Path | None, *, kafka: bool
) -> _Outputs:
    """Connect.

    Raises:
        UserError: a server is not there within WAIT_TIMEOUT.
    """
    versions = encoders(settings) if kafka else {version: EventEncoder(version, version) for version in (1, 2)}
    return _Outputs(settings, versions, EventTopic(settings, versions) if kafka else None, log_files, ledger_file)


def _batches(outputs: _Outputs, shop: Shop, mishaps: Mishaps, events: int | None) -> Iterator[Batch]:
    blocks = Shoppers(shop).blocks()
    if mishaps.any:
        return troubled(blocks, events, shop, mishaps, outputs.encoders)
    return untroubled(blocks, events)


@app.command()
def stream(
    ctx: typer.Context,
    rate: Annotated[
        float | None, typer.Option(help="Events a second of event time; default 1 / SIMULATOR_INTERVAL.")
    ] = None,
    events: Annotated[int | None, typer.Option(min=1, help="Stop after so many; default: go on.")] = None,
    duration: Annotated[str | None, typer.Option(help="Stop after so much event time, such as 10m.")] = None,
    start_time: Annotated[
        str | None,
        typer.Option(help="Event time of the first: now, -30m, or ISO-8601. The past is caught up with at full speed."),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Do not wait at all; needs --events or --duration.")] = False,
    seed: Seed = None,
    flash_sale: FlashSales = None,
    flash_sale_retracted: Retracted = None,
    duplicates: Duplicates = 0.0,
    out_of_order: OutOfOrder = 0.0,
    late: Late = 0.0,
    late_by: LateBy = "1h",
    future: Future = 0.0,
    poison: PoisonShare = 0.0,
    v1_share: V1Share = 0.2,
    kafka: Annotated[bool, typer.Option(help="Send to Kafka.")] = True,
    jsonl: Annotated[bool, typer.Option(help="Append to DATA_DIR/logs/clickstream_DAY.jsonl.")] = True,
    ledger: LedgerFile = None,
) -> None:
    """Make traffic as it happens, to Kafka and the daily log."""
    settings = load_settings(Settings).checked()
    rate = 1 / settings.simulator_interval if rate is None else rate
    if not 0 < rate <= 1_000_000:
        raise UserError(f"--rate={rate:g}: must be more than 0 and at most 1000000 events a second")
    if duration is not None:
        if events is not None:
            raise UserError("--events and --duration: give one of the two")
        events = max(1, int(when.duration("--duration", duration).total_seconds() * rate))
    now = datetime.now(UTC)
    start_ms = when.instant_ms("--start-time", start_time or "now", now)
    if fast:
        if events is None:
            raise UserError("--fast without --events or --duration would run ahead of the clock: give one of the two")
        # Ten seconds to spare: duplicates of the last events are sent after them.
        span = timedelta(seconds=events / rate + 10)
        if start_time is None:
            start_ms = round((now - span).timestamp() * 1000)
        elif kafka and start_ms + span / timedelta(milliseconds=1) > now.timestamp() * 1000:
            raise UserError(
                f"--start-time={start_time}: {events} events at {rate:g} a second end in the future, where they "
                f"would be dead letters: start at {(now - span).isoformat(timespec='seconds')} or before"
            )
    shop = _shop(settings, seed, start_ms, rate, v1_share, flash_sale, flash_sale_retracted)
    mishaps = Mishaps(duplicates, out_of_order, late, future, poison, when.duration("--late-by", late_by))
    mishaps.check(rate, settings.window_duration, settings.watermark)
    with DayFiles(settings.logs) if jsonl else nullcontext() as log_files:
        outputs = _outputs(settings, log_files, ledger, kafka=kafka)
        stop = stop_on_signals()
        pace = FullSpeed(stop) if fast else WallClock(stop)
        options = _options(ctx, rate=rate, start_time=iso_timestamp(start_ms))
        outputs.run(_batches(outputs, shop, mishaps, events), pace, events, shop.seed, options)


@app.command()
def backfill(
    ctx: typer.Context,
    date: Annotated[str, typer.Option(help="The UTC day: YYYY-MM-DD or yesterday.")],
    events: Annotated[int, typer.Option(min=1, help="How many events, spread over the day.")] = 100_000,
    seed: Seed = None,
    flash_sale: FlashSales = None,
    flash_sale_retracted: Retracted = None,
    duplicates: Duplicates = 0.0,
    out_of_order: OutOfOrder = 0.0,
    late: Late = 0.0,
    late_by: LateBy = "1h",
    poison: PoisonShare = 0.0,
    v1_share: V1Share = 0.2,
    kafka: Annotated[bool, typer.Option(help="Send to Kafka too.")] = False,
    jsonl: Annotated[bool, typer.Option(help="Replace the day's file.")] = True,
    ledger: LedgerFile = None,
) -> None:
    """Make a whole past day at once; its JSONL file is replaced when the day is complete."""
    settings = load_settings(Settings).checked()
    now = datetime.now(UTC)
    day = when.utc_day("--date", date, now)
    if day >= now.date():
        raise UserError(f"--date={date}: the day is not over: give a day before {now.date()} (UTC)")
    start_ms = when.midnight_ms(day)
    rate = events / timedelta(days=1).total_seconds()
    shop = _shop(settings, seed, start_ms, rate, v1_share, flash_sale, flash_sale_retracted)
    mishaps = Mishaps(duplicates, out_of_order, late, 0.0, poison, when.duration("--late-by", late_by))
    mishaps.check(rate, settings.window_duration, settings.watermark)
    with ReplacedDay(settings.logs, day.isoformat()) if jsonl else nullcontext() as log_files:
        outputs = _outputs(settings, log_files, ledger, kafka=kafka)
        options = _options(ctx, rate=rate, start_time=iso_timestamp(start_ms))
        batches = _batches(outputs, shop, mishaps, events)
        if not outputs.run(batches, FullSpeed(stop_on_signals()), events, shop.seed, options):
            raise UserError(f"stopped before the day was complete: the log of {day} is as it was; run again")


@app.command()
def replay(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines, also gzipped.")],
    mapping: Annotated[str, typer.Option(help=f"Ready-made columns: {', '.join(MAPPINGS)}.")] = "clickwatch",
    column: Annotated[
        list[str] | None, typer.Option(help="FIELD=COLUMN, such as time=ts or category=group,brand; repeatable.")
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", help="THEIRS=OURS, such as cart=add_to_cart; THEIRS= skips; repeatable."),
    ] = None,
    currency: Annotated[str | None, typer.Option(help="Currency of prices that do not say.")] = None,
    row_format: Annotated[RowFormat, typer.Option("--format", help="Unless the name tells.")] = RowFormat.AUTO,
    speed: Annotated[str, typer.Option(help="recorded, max, or a factor such as 60.")] = "recorded",
    start_time: Annotated[
        str | None, typer.Option(help="Move all times so that the first event happens then: now, -30m or ISO-8601.")
    ] = None,
    events: Annotated[int | None, typer.Option(min=1, help="Stop after so many.")] = None,
    rejects: Annotated[
        Path | None, typer.Option(help="Where bad rows go; default DATA_DIR/quarantine/replay_FILE.jsonl.")
    ] = None,
    kafka: Annotated[bool, typer.Option(help="Send to Kafka.")] = True,
    jsonl: Annotated[bool, typer.Option(help="Append to DATA_DIR/logs/clickstream_DAY.jsonl.")] = True,
    ledger: LedgerFile = None,
) -> None:
    """Send a file of a real shop; a second replay sends the same event ids again, so nothing counts twice."""
    settings = load_settings(Settings).checked()
    if mapping not in MAPPINGS:
        raise UserError(f"--mapping={mapping}: must be one of {', '.join(MAPPINGS)}")
    columns = MAPPINGS[mapping].changed(column or [], type_ or [], currency)
    factor = _speed_factor(speed)
    first_at_ms = None if start_time is None else when.instant_ms("--start-time", start_time, datetime.now(UTC))
    source = rows(file, row_format)
    aside = Rejects(rejects or settings.data_dir / "quarantine" / f"replay_{file.name}.jsonl")
    key_file = settings.user_id_key_file
    pseudonyms = None if key_file is None else Pseudonyms.from_file(key_file)
    replayed = Replay(source, columns, aside, events, pseudonyms)
    with DayFiles(settings.logs) if jsonl else nullcontext() as log_files:
        outputs = _outputs(settings, log_files, ledger, kafka=kafka)
        stop = stop_on_signals()
        pace = FullSpeed(stop) if factor is None else RecordedSpeed(stop, factor)
        batches = replayed.batches(first_at_ms, settings.watermark, with_fates=ledger is not None)
        outputs.run(batches, pace, events, None, _options(ctx))
    if replayed.skipped:
        log.info("rows_skipped", count=replayed.skipped, reason="types that are no event of ours")
    if aside.count:
        log.warning("bad_rows_kept_aside", count=aside.count, file=str(aside.path))


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


def _options(ctx: typer.Context, **worked_out: object) -> dict[str, object]:
    """Return the options of this run as the ledger records them."""
    given = {name: str(value) if isinstance(value, Path | RowFormat) else value for name, value in ctx.params.items()}
    return given | worked_out


if __name__ == "__main__":
    # Events come and go by the hundred thousand and never form cycles: looking for cycles among
    # them cost a third of the run.
    gc.set_threshold(1_000_000)
    run_cli(app)
