"""One day, from its log to its report."""

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import structlog
from clickwatch_service import UserError

from clickwatch_batch.daily import (
    DailyReport,
    analyse,
    category_conversion,
    daily_report,
    product_performance,
    user_segments,
)
from clickwatch_batch.duckdb_engine import DuckDBEngine
from clickwatch_batch.engine import Engine, Intake
from clickwatch_batch.log_file import LogFile, count_lines, find_log, lines_at, readable_log, refuse_if_changed
from clickwatch_batch.postgres import ServingLayer
from clickwatch_batch.quarantine import keep_aside, quarantine_file
from clickwatch_batch.reports import with_kept_time, write_report
from clickwatch_batch.settings import Settings

Stage = Callable[[str], AbstractContextManager[object]]
"""Says what is being done while the block runs."""


def run_day(
    day: date, settings: Settings, serving_layer: ServingLayer | None, now: Callable[[], datetime], stage: Stage
) -> DailyReport:
    """Analyse a day, publish it, write its report and return that.

    Args:
        day: the UTC day.
        settings: where things are.
        serving_layer: where to publish; None publishes nowhere.
        now: the clock.
        stage: told what is being done.

    Raises:
        UserError: no input, too many malformed lines, or a database that refuses. Malformed lines are
            kept aside even then; tables and reports are only written when all went well.
    """
    with stage(f"{day}: counting lines"):
        log = count_lines(find_log(settings.logs_dir, day))
    settings.spill_dir.mkdir(parents=True, exist_ok=True)
    spill_dir = Path(tempfile.mkdtemp(dir=settings.spill_dir, prefix="batch-"))
    try:
        with closing(DuckDBEngine(spill_dir, settings.duckdb_memory_limit, settings.duckdb_threads)) as engine:
            with stage(f"{day}: reading {log.lines:,} lines ({log.size_bytes / 1e6:,.0f} MB)"):
                intake = engine.load(readable_log(log, spill_dir), day)
            refuse_if_changed(log)
            _keep_malformed_lines(engine, log, intake, quarantine_file(settings.quarantine_dir, day))
            _refuse_bad_log(log, intake, day, settings)
            with stage(f"{day}: analysing {intake.events:,} events"):
                analyse(engine)
                report = daily_report(engine, day, log.path.name, log.lines, intake, now())
            report = with_kept_time(settings.reports_dir, report)
            if serving_layer is not None:
                with stage(f"{day}: publishing {intake.events:,} events of {len(report.categories)} categories"):
                    generated_at = serving_layer.publish(
                        report, user_segments(engine), product_performance(engine), category_conversion(engine)
                    )
                report = replace(report, generated_at=generated_at)
    finally:
        shutil.rmtree(spill_dir, ignore_errors=True)
    text_file = write_report(settings.reports_dir, report)
    structlog.get_logger().info(
        "analysed_day",
        day=day.isoformat(),
        log_lines=report.log_lines,
        total_events=report.summary.total_events,
        **vars(report.dropped),
        published=serving_layer is not None,
        report=str(text_file),
    )
    return report


def _keep_malformed_lines(engine: Engine, log: LogFile, intake: Intake, file: Path) -> None:
    """Write what is malformed to `file`, and make sure that no line is missing from the count."""
    blank_lines = log.lines - _read_lines(intake)
    kept = keep_aside(file, lines_at(log, engine.malformed(), blank_lines))
    if kept != intake.malformed + blank_lines:
        raise RuntimeError(
            f"{log.path}: {log.lines} lines, of which the engine read {_read_lines(intake)} and called "
            f"{intake.malformed} malformed, but {kept} were found again"
        )


def _refuse_bad_log(log: LogFile, intake: Intake, day: date, settings: Settings) -> None:
    malformed = log.lines - _read_lines(intake) + intake.malformed
    share = malformed / log.lines
    if share > settings.malformed_threshold:
        raise UserError(
            f"{log.path}: {malformed} of {log.lines} lines are malformed ({share:.2%}), more than "
            f"MALFORMED_THRESHOLD={settings.malformed_threshold:g} allows; see "
            f"{quarantine_file(settings.quarantine_dir, day)}, mend the log or raise the threshold"
        )
    if intake.events == 0:
        raise UserError(
            f"{log.path}: no input for {day}, none of its {log.lines} lines is an event of that UTC day "
            f"({intake.other_day} of other days); bring the day's log there"
        )


def _read_lines(intake: Intake) -> int:
    return intake.events + intake.duplicates + intake.other_day + intake.malformed
