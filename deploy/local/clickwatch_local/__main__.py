"""Command line: `./pants up [OPTIONS] [status | down]`."""

import os
import signal
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from clickwatch_service import UserError, load_settings, run_cli, stop_on_signals
from clickwatch_service.settings import parse_duration
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_delay, wait_fixed

from clickwatch_local import up
from clickwatch_local.places import DataDir, Ports
from clickwatch_local.settings import Settings
from clickwatch_local.state import is_running, locked, read_state
from clickwatch_local.status import status_lines

_STOP_SECONDS = 120

app = typer.Typer(help="The whole of clickwatch on this machine.", add_completion=False)


DataFolder = Annotated[Path, typer.Option("--data-dir", help="Keeps all state between runs.")]
OtherDataFolder = Annotated[Path | None, typer.Option("--data-dir", help="That of the `up` meant.")]


@app.callback(invoke_without_command=True)
def main(
    ctx: typer.Context,
    data_dir: DataFolder = Path("var"),
    duration: Annotated[str | None, typer.Option(help="Stop after so long, such as '5 minutes'.")] = None,
    rate: Annotated[float | None, typer.Option(help="Events a second; default: 1 / SIMULATOR_INTERVAL.")] = None,
    replicas: Annotated[
        int, typer.Option(min=1, max=3, help="Processes that count windows; of several any may die unnoticed.")
    ] = 1,
    reset: Annotated[bool, typer.Option("--reset", help="Delete all state first.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before --reset.")] = False,
    kafka_port: Annotated[int, typer.Option(envvar="KAFKA_PORT", min=1, max=65535)] = 9092,
    registry_port: Annotated[int, typer.Option(envvar="REGISTRY_PORT", min=1, max=65535)] = 8085,
    postgres_port: Annotated[int, typer.Option(envvar="POSTGRES_PORT", min=1, max=65535)] = 5432,
    dashboard_port: Annotated[int, typer.Option(envvar="DASHBOARD_PORT", min=1, max=65535)] = 8000,
    airflow: Annotated[bool, typer.Option("--airflow", help="With Airflow, which runs the batch layer's DAG.")] = False,
    airflow_port: Annotated[int, typer.Option(envvar="AIRFLOW_PORT", min=1, max=65535)] = 8081,
    shop: Annotated[bool, typer.Option("--shop", help="With the collector and a demo shop to click in.")] = False,
    shop_port: Annotated[int, typer.Option(envvar="COLLECTOR_PORT", min=1, max=65535)] = 8090,
    metrics: Annotated[bool, typer.Option("--metrics", help="With metrics of each service for Prometheus.")] = False,
    metrics_port: Annotated[
        int, typer.Option(envvar="METRICS_PORT", min=1, max=65533, help="The first of three, one for each service.")
    ] = 9401,
) -> None:
    """Start everything, show the alerts, stop everything on Ctrl-C."""
    places = DataDir(data_dir)
    ctx.obj = places
    if ctx.invoked_subcommand is not None:
        return
    stop = stop_on_signals()
    settings = load_settings(Settings)
    lasts = None if duration is None else _duration(duration)
    if rate is not None and rate <= 0:
        raise UserError(f"--rate={rate:g}: must be more than 0 events a second")
    if reset:
        _reset(places, sure=yes)
    ports = Ports(
        kafka_port,
        registry_port,
        postgres_port,
        dashboard_port,
        airflow=airflow_port if airflow else None,
        metrics=metrics_port if metrics else None,
        shop=shop_port if shop else None,
    )
    up.run(settings, places, ports, stop, rate, lasts, replicas)


@app.command()
def status(ctx: typer.Context, data_dir: OtherDataFolder = None) -> None:
    """Say what runs, how far behind it is, and its last error."""
    for line in status_lines(DataDir(data_dir) if data_dir else ctx.obj):
        typer.echo(line)


@app.command()
def down(ctx: typer.Context, data_dir: OtherDataFolder = None) -> None:
    """Stop the stack that runs on the data folder, from another terminal."""
    places: DataDir = DataDir(data_dir) if data_dir else ctx.obj
    state = read_state(places)
    if state is None or not is_running(places):
        raise UserError(f"nothing runs on {places.folder}")
    os.kill(state.pid, signal.SIGTERM)
    # The folder is let go when all has stopped; the process itself may stay, ended, until its parent looks.
    Retrying(
        retry=retry_if_result(bool),
        wait=wait_fixed(0.2),
        stop=stop_after_delay(_STOP_SECONDS),
        retry_error_callback=_refuse_to_wait,
    )(is_running, places)


def _refuse_to_wait(state: RetryCallState) -> None:
    places: DataDir = state.args[0]
    raise UserError(f"the stack on {places.folder} has not stopped within {_STOP_SECONDS} s; see `./pants up status`")


def _reset(places: DataDir, sure: bool) -> None:
    if not sure and not typer.confirm(f"Delete all events, tables and reports in {places.folder}?"):
        raise UserError("--reset: nothing was deleted and nothing started")
    with locked(places):
        places.empty()


def _duration(text: str) -> timedelta:
    try:
        parsed = parse_duration(text)
    except ValueError as error:
        raise UserError(f"--duration={text!r}: {error}") from None
    assert isinstance(parsed, timedelta)
    return parsed


if __name__ == "__main__":
    run_cli(app)
