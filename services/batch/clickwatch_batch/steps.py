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

from clickwatch_batch.analyses import daily
from clickwatch_batch.analyses.daily import DailyReport
from clickwatch_batch.analyses.differences import METRICS, Reconciliation
from clickwatch_batch.engines.choice import find_input, open_engine, open_source, why_input_unfinished
from clickwatch_batch.engines.engine import Engine, Intake
from clickwatch_batch.input.log_file import LogFile, lines_at, refuse_if_changed
from clickwatch_batch.input.storage import Location
from clickwatch_batch.input.whole_day import NotOver, Unfinished, why_not_over
from clickwatch_batch.reconciliation.speed_layer import NoSpeedData, compared_with_speed_layer
from clickwatch_batch.reports.files import read_report, with_kept_time, write_report
from clickwatch_batch.reports.notifier import chosen_notifier
from clickwatch_batch.reports.results import Results, read_results, write_results
from clickwatch_batch.reports.verdicts import judged_day, refuse_if_failed
from clickwatch_batch.serving.postgres import ServingLayer
from clickwatch_batch.serving.quarantine import keep_aside, keep_refused_rows, quarantine_file, refused_file
from clickwatch_batch.settings import ReconciliationPolicy, Settings

Stage = Callable[[str], AbstractContextManager[object]]
"""Says what is being done while the block runs."""


_REPORTED_PRODUCTS = 20
"""How many counts of products that differ from the speed layer a report names."""


@contextmanager
def logged(stage: str) -> Iterator[None]:
    """Say what is being done as a line of the log."""
    structlog.get_logger().info("started_stage", stage=stage)
    yield


def run_day(
    day: date, settings: Settings, publishes: bool, stage: Stage = logged, unfinished: bool = False
) -> DailyReport:
    """Take a day through all steps and return its report.

    Args:
        day: the UTC day.
        settings: where things are.
        publishes: whether the database is told; without it there are files alone.
        stage: told what is being done.
        unfinished: whether a day that is not whole is done too, and marked so.

    Raises:
        UserError: what a step raises; those before it are done.
    """
    check_input(day, settings, unfinished)
    results = analyse(day, settings, stage, unfinished)
    if publishes:
        publish(day, results, settings, stage)
        reconcile(day, results, settings, stage)
        report(day, results, settings, stage)
    else:
        _report_without_database(day, results, settings, stage)
    return read_report(settings.reports, day)


def check_input(day: date, settings: Settings, unfinished: bool = False) -> str:
    """Return the location of a day's input.

    Args:
        day: the UTC day.
        settings: where things are.
        unfinished: whether a day that is not whole will do.

    Raises:
        Unfinished: the day is not over, or not all of it is there.
        UserError: there is no input, or it is no log.
    """
    place = find_input(day, settings)
    _why_unfinished(day, settings, unfinished)
    return str(place)


def analyse(day: date, settings: Settings, stage: Stage = logged, unfinished: bool = False) -> str:
    """Answer all analyses of a day and return the location of the results.

    Args:
        day: the UTC day.
        settings: where things are.
        stage: told what is being done.
        unfinished: whether a day that is not whole will do; its figures are marked then.

    Raises:
        Unfinished: the day is not over, or not all of it is there.
        UserError: no input, or none of the day; malformed lines are kept aside even then.
    """
    why_unfinished = _why_unfinished(day, settings, unfinished)
    settings.spill_dir.mkdir(parents=True, exist_ok=True)
    spill_dir = Path(tempfile.mkdtemp(dir=settings.spill_dir, prefix="batch-"))
    folder = settings.results_dir / day.isoformat()
    try:
        with stage(f"{day}: looking at the input"):
            source = open_source(day, settings, spill_dir if why_unfinished else None)
        with closing(open_engine(settings, spill_dir)) as engine:
            with stage(f"{day}: reading {source.place}"):
                intake = engine.load(source, day)
            lines = intake.lines
            if isinstance(source, LogFile):
                lines = source.lines
                refuse_if_changed(source)
                _keep_malformed_lines(engine, source, intake, quarantine_file(settings.quarantine, day))
                _refuse_empty_day(source, intake, day)
            with stage(f"{day}: analysing {intake.events:,} events"):
                daily.analyse(engine)
                figures = daily.daily_report(
                    engine, day, source.place.name, lines, intake, datetime.now(UTC), why_unfinished
                )
                write_results(folder, engine, figures)
    finally:
        shutil.rmtree(spill_dir, ignore_errors=True)
    return str(folder)


def publish(day: date, results: str, settings: Settings, stage: Stage = logged) -> None:
    """Judge a day, and replace it in all tables of the database in one transaction.

    Rows that a table refuses are kept aside, counted in daily_summary, and cost nothing else.

    Raises:
        Refused: a quality gate fails; its verdict is stored and reported, and nothing is published.
        UserError: the database does not answer or refuses; nothing of the day is published then.
    """
    found = read_results(results, day)
    serving_layer = _serving_layer(settings)
    gates = judged_day(found.figures, serving_layer.recent_totals(day), settings)
    serving_layer.replace_gates(day, gates)
    refuse_if_failed(found.figures, gates, settings)
    with stage(f"{day}: publishing {found.figures.summary.total_events:,} events"):
        published = serving_layer.publish(
            found.figures, found.user_segments(), found.product_performance(), found.category_conversion()
        )
    kept_aside = refused_file(settings.quarantine, day)
    keep_refused_rows(kept_aside, published.refused)
    if published.refused:
        structlog.get_logger().warning(
            "refused_records", day=day.isoformat(), rows=len(published.refused), kept_aside=str(kept_aside)
        )


def reconcile(day: date, results: str, settings: Settings, stage: Stage = logged) -> None:
    """Compare what the speed layer counted with the day's results, and replace the day in table reconciliation.

    Raises:
        UserError: more is unexplained than RECONCILIATION_THRESHOLD allows, which the table tells of all the
            same; or there is nothing to compare with, and RECONCILIATION=required.
    """
    found = read_results(results, day)
    serving_layer = _serving_layer(settings)
    with stage(f"{day}: comparing with the speed layer"):
        outcome = _compared(found, settings)
        serving_layer.replace_reconciliation(day, outcome.rows if isinstance(outcome, Reconciliation) else ())
    _refuse_unexplained(day, outcome, settings)


def report(day: date, results: str, settings: Settings, stage: Stage = logged) -> str:
    """Write the report of a day that is published, tell of it, and return its location.

    Raises:
        UserError: the day is not published, the report cannot be written, or nobody can be told. Repeating
            the step tells again.
    """
    figures = read_results(results, day).figures
    serving_layer = _serving_layer(settings)
    generated_at, refused_records = serving_layer.published(day)
    made = replace(
        figures,
        generated_at=generated_at,
        refused_records=refused_records,
        gates=serving_layer.gates(day),
        reconciliation=serving_layer.reconciliation(day, _REPORTED_PRODUCTS),
    )
    return str(_write_and_tell(made, settings, stage, published=True))


def _report_without_database(day: date, results: str, settings: Settings, stage: Stage) -> None:
    found = read_results(results, day)
    gates = judged_day(found.figures, [], settings)
    refuse_if_failed(found.figures, gates, settings)
    with stage(f"{day}: comparing with the speed layer"):
        outcome = _compared(found, settings)
    rows = outcome.rows[: len(METRICS) + _REPORTED_PRODUCTS] if isinstance(outcome, Reconciliation) else ()
    _refuse_unexplained(day, outcome, settings)
    made = with_kept_time(settings.reports, replace(found.figures, gates=gates, reconciliation=rows))
    _write_and_tell(made, settings, stage, published=False)


def _write_and_tell(made: DailyReport, settings: Settings, stage: Stage, published: bool) -> Location:
    notifier = chosen_notifier(settings)
    json_file = write_report(settings.reports, made)
    structlog.get_logger().info(
        "analysed_day",
        day=made.report_date.isoformat(),
        log_lines=made.log_lines,
        total_events=made.summary.total_events,
        **vars(made.dropped),
        published=published,
        unfinished=bool(made.unfinished),
        refused_records=made.refused_records,
        report=str(json_file),
    )
    with stage(f"{made.report_date}: telling of the report"):
        notifier.tell(made)
    return json_file


def _compared(found: Results, settings: Settings) -> Reconciliation | NoSpeedData:
    if settings.reconciliation is ReconciliationPolicy.OFF:
        return NoSpeedData("RECONCILIATION=off")
    return compared_with_speed_layer(found, settings)


def _refuse_unexplained(day: date, outcome: Reconciliation | NoSpeedData, settings: Settings) -> None:
    if isinstance(outcome, NoSpeedData):
        if settings.reconciliation is ReconciliationPolicy.REQUIRED and not outcome.is_unfinished:
            raise UserError(
                f"{day}: RECONCILIATION=required, but there is nothing to compare with: {outcome.reason}; "
                "let the speed layer finish the day, or set RECONCILIATION=auto"
            )
        structlog.get_logger().warning("skipped_reconciliation", day=day.isoformat(), reason=outcome.reason)
        return
    if outcome.unexplained_share > settings.reconciliation_threshold:
        raise UserError(
            f"{day}: speed layer and batch differ without a reason in {float(outcome.unexplained_share):.3%} of the "
            f"events, more than RECONCILIATION_THRESHOLD={settings.reconciliation_threshold:g} allows; see table "
            "reconciliation and docs/operations.md, or raise the threshold"
        )
    structlog.get_logger().info(
        "reconciled_day",
        day=day.isoformat(),
        **{row.metric: row.difference for row in outcome.rows if not row.product_id},
        unexplained_share=float(outcome.unexplained_share),
    )


def _why_unfinished(day: date, settings: Settings, is_wanted: bool) -> str:
    """Return why a day is not whole, which is refused unless wanted; empty for a whole day."""
    reason = why_not_over(day, datetime.now(UTC))
    kind: type[Unfinished] = NotOver
    if reason is None:
        reason = why_input_unfinished(day, settings, datetime.now(UTC))
        kind = Unfinished
    if reason is not None and not is_wanted:
        raise kind(f"{reason}; run it later, or publish it as unfinished by `run --date {day} --unfinished`")
    return reason or ""


def _serving_layer(settings: Settings) -> ServingLayer:
    return ServingLayer(settings.database_url, settings.wait_timeout, settings.database_timeout)


def _keep_malformed_lines(engine: Engine, log: LogFile, intake: Intake, file: Location) -> None:
    """Write what is malformed to `file`, and make sure that no line is missing from the count."""
    blank_lines = log.lines - intake.lines
    kept = keep_aside(file, lines_at(log, engine.malformed(), blank_lines))
    if kept != intake.malformed + blank_lines:
        raise RuntimeError(
            f"{log.place}: {log.lines} lines, of which the engine read {intake.lines} and called "
            f"{intake.malformed} malformed, but {kept} were found again"
        )


def _refuse_empty_day(log: LogFile, intake: Intake, day: date) -> None:
    if intake.events == 0:
        malformed = log.lines - intake.lines + intake.malformed
        raise UserError(
            f"{log.place}: no input for {day}, none of its {log.lines} lines is an event of that UTC day "
            f"({intake.other_day} of other days, {malformed} malformed); bring the day's log there"
        )
