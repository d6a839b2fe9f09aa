"""Command line: `python -m clickwatch_batch run | report`."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

import structlog
import typer
from clickwatch_service import UserError, load_settings, run_cli
from clickwatch_service.database import require_tls_as_asked
from clickwatch_service.doctor import check_database, check_disk, tell
from rich.console import Console

from clickwatch_batch.reports.files import read_report
from clickwatch_batch.reports.report import to_json, to_text
from clickwatch_batch.serving.postgres import ServingLayer
from clickwatch_batch.settings import Settings
from clickwatch_batch.steps import logged, run_day

app = typer.Typer(help="Analyse whole UTC days of the clickstream.", no_args_is_help=True)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write it as 2025-06-01") from None


@app.command()
def run(
    day: Annotated[
        date | None,
        typer.Option("--date", parser=_day, metavar="DAY", help="The UTC day, as 2025-06-01; yesterday by default."),
    ] = None,
    first: Annotated[
        date | None, typer.Option("--from", parser=_day, metavar="DAY", help="The first of several days.")
    ] = None,
    last: Annotated[
        date | None, typer.Option("--to", parser=_day, metavar="DAY", help="The last of several days.")
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish/--no-publish", help="Replace the day in the database, or only write reports.")
    ] = True,
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="Do a day that is not over too, marked as unfinished until a later run."),
    ] = False,
) -> None:
    """Analyse a day, or each day of a range on its own; a day done before is replaced."""
    days = _chosen_days(day, first, last)
    settings = load_settings(Settings)
    if publish:
        require_tls_as_asked(settings.database_url)
        ServingLayer(settings.database_url, settings.wait_timeout, settings.database_timeout).check()
    failures: dict[date, UserError] = {}
    for each in days:
        try:
            report = run_day(each, settings, publish, _stage, unfinished)
        except UserError as error:
            if len(days) == 1:
                raise
            structlog.get_logger().error("failed_day", day=each.isoformat(), error=str(error))
            failures[each] = error
        else:
            print(to_text(report), flush=True)
    if failures:
        reasons = "; ".join(f"{failed}: {error}" for failed, error in failures.items())
        raise UserError(f"{len(failures)} of {len(days)} days failed, the others are done: {reasons}")


@app.command()
def report(
    day: Annotated[
        date | None,
        typer.Option("--date", parser=_day, metavar="DAY", help="The UTC day, as 2025-06-01; yesterday by default."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, as report.schema.json describes it.")] = False,
) -> None:
    """Print the report of a day that has been analysed."""
    found = read_report(load_settings(Settings).reports, day or _yesterday())
    print(to_json(found) if as_json else to_text(found), end="")


def _chosen_days(day: date | None, first: date | None, last: date | None) -> list[date]:
    if first is None and last is None:
        return [day or _yesterday()]
    if day is not None:
        raise UserError("--date names one day, --from and --to name several; use one of the two ways")
    if first is None or last is None:
        raise UserError("--from and --to belong together; name the first and the last day")
    if first > last:
        raise UserError(f"--from {first} --to {last}: the first day must not come after the last")
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def _yesterday() -> date:
    return datetime.now(UTC).date() - timedelta(days=1)


@contextmanager
def _stage(what: str) -> Iterator[None]:
    """Show what is being done: turning on a terminal, as a line of the log elsewhere."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(what):
            yield
    else:
        with logged(what):
            yield


@app.command()
def doctor() -> None:
    """Try the connections with the settings of batch, and say a line for each; status 1 where one fails."""
    settings = load_settings(Settings)
    written = ("daily_summary", "user_segments", "product_performance", "category_conversion", "reconciliation")
    tell(lambda: check_database(settings.database_url, written, written), lambda: check_disk(settings.data_dir))


if __name__ == "__main__":
    run_cli(app)
