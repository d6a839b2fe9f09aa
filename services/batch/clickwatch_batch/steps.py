"""A day in five steps, from its log to its report: each can be repeated alone, and changes nothing then.

Steps hand on the location of what they made, never data: they may run in processes of their own, and any
of them may be killed. `run_day` is the five in their order.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import structlog
from clickwatch_service import UserError

from clickwatch_batch import daily
from clickwatch_batch.daily import DailyReport
from clickwatch_batch.engine import Engine, Intake
from clickwatch_batch.engines import find_input, open_engine, open_source
from clickwatch_batch.log_file import LogFile, lines_at, refuse_if_changed
from clickwatch_batch.postgres import ServingLayer
from clickwatch_batch.quarantine import keep_aside, quarantine_file
from clickwatch_batch.reports import with_kept_time, write_report
from clickwatch_batch.results import read_results, write_results
from clickwatch_batch.settings import Settings

Stage = Callable[[str], AbstractContextManager[object]]
"""Says what is being done while the block runs."""


@contextmanager
def logged(stage: str) -> Iterator[None]:
    """Say what is being done as a line of the log."""
    structlog.get_logger().info("started_stage", stage=stage)
    yield


def run_day(day: date, settings: Settings, publishes: bool, stage: Stage = logged) -> DailyReport:
    """Take a day through all steps and return its report.

    Args:
        day: the UTC day.
        settings: where things are.
        publishes: whether the database is told; without it there are files alone.
        stage: told what is being done.

    Raises:
        UserError: what a step raises; those before it are done.
    """
    check_input(day, settings)
    results = analyse(day, settings, stage)
    if publishes:
        publish(day, results, settings, stage)
        reconcile(day, results, settings, stage)
        return _report(day, results, settings, _serving_layer(settings))
    return _report(day, results, settings, None)


def check_input(day: date, settings: Settings) -> str:
    """Return the location of a day's input.

    Raises:
        UserError: there is none.
    """
    return str(find_input(day, settings))


def analyse(day: date, settings: Settings, stage: Stage = logged) -> str:
    """Answer all analyses of a day and return the location of the results.

    Raises:
        UserError: no input, or too many malformed lines; these are kept aside even then.
    """
    with stage(f"{day}: looking at the input"):
        source = open_source(day, settings)
    settings.spill_dir.mkdir(parents=True, exist_ok=True)
    spill_dir = Path(tempfile.mkdtemp(dir=settings.spill_dir, prefix="batch-"))
    folder = settings.data_dir / "results" / day.isoformat()
    try:
        with closing(open_engine(settings, spill_dir)) as engine:
            with stage(f"{day}: reading {source.place}"):
                intake = engine.load(source, day)
            lines = intake.lines
            if isinstance(source, LogFile):
                lines = source.lines
                refuse_if_changed(source)
                _keep_malformed_lines(engine, source, intake, quarantine_file(settings.quarantine_dir, day))
                _refuse_bad_log(source, intake, day, settings)
            with stage(f"{day}: analysing {intake.events:,} events"):
                daily.analyse(engine)
                figures = daily.daily_report(engine, day, source.place.name, lines, intake, datetime.now(UTC))
                write_results(folder, engine, figures)
    finally:
        shutil.rmtree(spill_dir, ignore_errors=True)
    return str(folder)


def publish(day: date, results: str, settings: Settings, stage: Stage = logged) -> None:
    """Replace a day in all tables of the database, in one transaction.

    Raises:
        UserError: the database does not answer or refuses; nothing of the day is published then.
    """
    found = read_results(results, day)
    with stage(f"{day}: publishing {found.figures.summary.total_events:,} events"):
        _serving_layer(settings).publish(
            found.figures, found.user_segments(), found.product_performance(), found.category_conversion()
        )


def reconcile(day: date, results: str, settings: Settings, stage: Stage = logged) -> None:
    """Compare what the speed layer counted with the day's results."""
    read_results(results, day)


def report(day: date, results: str, settings: Settings) -> str:
    """Write the report of a day that is published and return its location.

    Raises:
        UserError: the day is not published, or the report cannot be written.
    """
    _report(day, results, settings, _serving_layer(settings))
    return str(settings.reports_dir / f"summary_{day}.json")


def _report(day: date, results: str, settings: Settings, serving_layer: ServingLayer | None) -> DailyReport:
    made = read_results(results, day).figures
    if serving_layer is None:
        made = with_kept_time(settings.reports_dir, made)
    else:
        made = replace(made, generated_at=serving_layer.generated_at(day))
    text_file = write_report(settings.reports_dir, made)
    structlog.get_logger().info(
        "analysed_day",
        day=day.isoformat(),
        log_lines=made.log_lines,
        total_events=made.summary.total_events,
        **vars(made.dropped),
        published=serving_layer is not None,
        report=str(text_file),
    )
    return made


def _serving_layer(settings: Settings) -> ServingLayer:
    return ServingLayer(settings.database_url, settings.wait_timeout)


def _keep_malformed_lines(engine: Engine, log: LogFile, intake: Intake, file: Path) -> None:
    """Write what is malformed to `file`, and make sure that no line is missing from the count."""
    blank_lines = log.lines - intake.lines
    kept = keep_aside(file, lines_at(log, engine.malformed(), blank_lines))
    if kept != intake.malformed + blank_lines:
        raise RuntimeError(
            f"{log.place}: {log.lines} lines, of which the engine read {intake.lines} and called "
            f"{intake.malformed} malformed, but {kept} were found again"
        )


def _refuse_bad_log(log: LogFile, intake: Intake, day: date, settings: Settings) -> None:
    malformed = log.lines - intake.lines + intake.malformed
    share = malformed / log.lines
    if share > settings.malformed_threshold:
        raise UserError(
            f"{log.place}: {malformed} of {log.lines} lines are malformed ({share:.2%}), more than "
            f"MALFORMED_THRESHOLD={settings.malformed_threshold:g} allows; see "
            f"{quarantine_file(settings.quarantine_dir, day)}, mend the log or raise the threshold"
        )
    if intake.events == 0:
        raise UserError(
            f"{log.place}: no input for {day}, none of its {log.lines} lines is an event of that UTC day "
            f"({intake.other_day} of other days); bring the day's log there"
        )
