"""`up`: the order in which the stack comes up, and how it ends."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from time import monotonic

from clickwatch_servers import Process
from clickwatch_servers.ports import accepts_connections

from clickwatch_local import nightly, yesterday
from clickwatch_local.places import DataDir, Ports
from clickwatch_local.settings import Settings
from clickwatch_local.stack import STREAMING, Stack
from clickwatch_local.state import State, end_leftovers, locked, read_state

CATCH_UP = timedelta(minutes=30)
FLASH_SALE, RETRACTED_SALE = "product_7", "product_42"
_LOOK_SECONDS = 0.25


def run(
    settings: Settings,
    places: DataDir,
    ports: Ports,
    stop: threading.Event,
    rate: float | None = None,
    duration: timedelta | None = None,
    replicas: int = 1,
) -> None:
    """Bring the stack up, keep it up until `stop` is set or `duration` is over, then bring it down.

    Args:
        settings: where the programs are.
        places: the data folder; state of a run before is taken up.
        ports: where the servers listen.
        stop: set to end it.
        rate: events a second; None: as SIMULATOR_INTERVAL says.
        duration: how long to run, from the moment all is up.
        replicas: how many processes count windows; with more than one, any of them may die.

    Raises:
        UserError: a part cannot be started, or ended by itself; all others are stopped then.
    """
    began = monotonic()
    with locked(places):
        before = read_state(places)
        end_leftovers(before)
        stack = Stack(settings, places, ports)
        try:
            for up in _bring_up(stack, before, rate, replicas):
                _say(began, up)
                if stop.is_set():
                    return
            _say(began, f"everything is up; data in {places.folder}, what each part says in {places.output}")
            _say(began, "alerts follow as they change; Ctrl-C stops everything")
            _say(began, f"see them at {stack.dashboard}")
            _watch(stack, stop, began, monotonic() + duration.total_seconds() if duration else None)
        finally:
            _say(began, "stopping")
            stack.stop()
            _say(began, "stopped")


def _bring_up(stack: Stack, before: State | None, rate: float | None, replicas: int) -> Iterator[str]:
    """Start the parts, yielding a line for each that is up.

    What takes longest on the way to the first alert starts first: the servers side by side, then
    Spark; its own start is longer than all that is left to do.
    """
    connectors = stack.job(
        "connectors", (*stack.settings.streaming, "connectors", f"--to={stack.connectors}"), STREAMING
    )
    postgres = stack.start_servers()
    stack.wait_for_database(postgres)
    yield f"PostgreSQL       {stack.database_url('clickwatch_reader')}  (PGPASSFILE={stack.places.pgpass})"
    stack.wait_for_topics()
    yield f"Kafka            {stack.bootstrap}"
    stack.wait_for_schemas()
    yield f"Schema Registry  {stack.registry}"
    connectors.require_success(300)
    stack.start_streaming(replicas)
    start = _first_event_time(stack, before, datetime.now(UTC))
    arguments = [
        f"--start-time={start.isoformat()}",
        f"--flash-sale={FLASH_SALE}",
        f"--flash-sale-retracted={RETRACTED_SALE}",
    ]
    arguments += ["--duplicates=0.01", "--out-of-order=0.02", "--poison=0.001"]
    if rate is not None:
        arguments.append(f"--rate={rate:g}")
    stack.start_simulator("stream", *arguments)
    dashboard = stack.start_dashboard()
    yield f"simulator        events since {start:%H:%M:%S} UTC, a flash sale of {FLASH_SALE}"
    dashboard.wait_until(lambda: accepts_connections(stack.ports.dashboard), 60)
    yield f"dashboard        {stack.dashboard}"
    if stack.ports.shop is not None:
        collector, port = stack.start_collector(), stack.ports.shop
        collector.wait_until(lambda: accepts_connections(port), 60)
        yield f"shop             {stack.shop}"
    channels = stack.settings.notifier_channels_file
    if channels is not None:
        stack.start_notifier(channels)
        yield f"notifier         tells the channels of {channels}"
    if stack.metrics is not None:
        yield f"metrics          {stack.metrics}  (deploy/monitoring/prometheus.yaml asks for them)"


def _first_event_time(stack: Stack, before: State | None, now: datetime) -> datetime:
    """Return where the live stream begins: some time back, so that windows fill and close at once.

    It goes on where the run before ended, as events behind its watermark would be late. It does not
    reach into yesterday while the backfill replaces that day's log.
    """
    start = now - CATCH_UP
    if before is not None:
        start = max(start, before.stopped_at or _last_written(stack, before))
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if start < midnight and not yesterday.log_exists(stack, (midnight - timedelta(days=1)).date()):
        return midnight
    return start


def _last_written(stack: Stack, before: State) -> datetime:
    """Return when a stack that was killed wrote its last event, or a later moment up to its end."""
    logs = (stack.places.data / "logs").glob("clickstream_*.jsonl")
    written = (datetime.fromtimestamp(log.stat().st_mtime, UTC) for log in logs)
    return max(written, default=before.started_at)


def _watch(stack: Stack, stop: threading.Event, began: float, deadline: float | None) -> None:
    day = (datetime.now(UTC) - timedelta(days=1)).date()
    to_do: Iterator[Process] = yesterday.analyse(stack, day)
    if stack.ports.airflow is not None:
        to_do = chain(to_do, nightly.bring_up(stack))
    while not stop.wait(_LOOK_SECONDS):
        for revived in stack.revive():
            _say(began, revived)
        stack.require_running()
        next(to_do, None)
        if deadline is not None and monotonic() >= deadline:
            return


def _say(began: float, line: str) -> None:
    print(f"[{monotonic() - began:6.1f} s] {line}", flush=True)
