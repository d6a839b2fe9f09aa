"""The folder of reports: `summary_DAY.json` and `summary_DAY.txt`."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from clickwatch_service import UserError

from clickwatch_batch.daily import DailyReport
from clickwatch_batch.replace_file import replacing
from clickwatch_batch.report import from_json, to_json, to_text


def write_report(reports_dir: Path, report: DailyReport) -> Path:
    """Write both files of a report, each as a whole; return the text's path."""
    text_file = reports_dir / f"summary_{report.report_date}.txt"
    with replacing(text_file) as out:
        out.write(to_text(report))
    with replacing(_json_file(reports_dir, report.report_date)) as out:
        out.write(to_json(report))
    return text_file


def read_report(reports_dir: Path, day: date) -> DailyReport:
    """Return the report of a day.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    file = _json_file(reports_dir, day)
    try:
        return from_json(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file}: no report of {day} yet; make it with `run --date {day}`") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as a report ({error}); make it anew with `run --date {day}`") from None


def with_kept_time(reports_dir: Path, report: DailyReport) -> DailyReport:
    """Return the report with the time of the last one, if that says the same."""
    try:
        last = read_report(reports_dir, report.report_date)
    except UserError:
        return report
    kept = replace(report, generated_at=last.generated_at)
    return kept if kept == last else report


def _json_file(reports_dir: Path, day: date) -> Path:
    return reports_dir / f"summary_{day}.json"
