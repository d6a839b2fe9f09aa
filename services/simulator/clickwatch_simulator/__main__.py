"""Command line: `python -m clickwatch_simulator stream | backfill | replay`."""

import gc
import secrets
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from clickwatch_events.jsonl import iso_timestamp
from clickwatch_events.registry_doctor import check_registry
from clickwatch_events.schemas import EVENTS
from clickwatch_kafka.acls import Topics
from clickwatch_kafka.acls import simulator as needed_rights
from clickwatch_kafka.doctor import check_kafka
from clickwatch_service import UserError, load_settings, run_cli, stop_on_signals
from clickwatch_service.doctor import check_disk, tell
from structlog import get_logger

from clickwatch_simulator import when
from clickwatch_simulator.flash_sales import flash_sale
from clickwatch_simulator.importing.command import replay
from clickwatch_simulator.jsonl import DayFiles, ReplacedDay
from clickwatch_simulator.options import LedgerFile, options_of
from clickwatch_simulator.outputs import Outputs, connected
from clickwatch_simulator.pacing import FullSpeed, WallClock
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


def _batches(outputs: Outputs, shop: Shop, mishaps: Mishaps, events: int | None) -> Iterator[Batch]:
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
        outputs = connected(settings, log_files, ledger, kafka=kafka)
        stop = stop_on_signals()
        pace = FullSpeed(stop) if fast else WallClock(stop)
        options = options_of(ctx, rate=rate, start_time=iso_timestamp(start_ms))
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
        outputs = connected(settings, log_files, ledger, kafka=kafka)
        options = options_of(ctx, rate=rate, start_time=iso_timestamp(start_ms))
        batches = _batches(outputs, shop, mishaps, events)
        if not outputs.run(batches, FullSpeed(stop_on_signals()), events, shop.seed, options):
            raise UserError(f"stopped before the day was complete: the log of {day} is as it was; run again")


app.command()(replay)


@app.command()
def doctor() -> None:
    """Try each connection with the settings of the simulator, and say a line for each; status 1 where one fails."""
    settings = load_settings(Settings)
    tell(
        lambda: check_kafka(settings.kafka, needed_rights(Topics(events=settings.kafka_topic))),
        lambda: check_registry(settings.registry, [EVENTS]),
        lambda: check_disk(settings.data_dir),
    )


if __name__ == "__main__":
    # Events come and go by the hundred thousand and never form cycles: looking for cycles among
    # them cost a third of the run.
    gc.set_threshold(1_000_000)
    run_cli(app)
