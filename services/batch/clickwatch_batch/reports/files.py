"""The folder of reports: `summary_DAY.json` and `summary_DAY.txt`; `refused_DAY` where a gate kept a day back."""

from dataclasses import replace
from datetime import date

from clickwatch_service import UserError

from clickwatch_batch.analyses.daily import DailyReport
from clickwatch_batch.input.storage import Location
from clickwatch_batch.reports.report import from_json, to_json, to_text


def write_report(reports: Location, report: DailyReport) -> Location:
    """Write both files of a report, each as a whole; return the JSON's place.

    The report of a published day takes that of a refused one away. One of a refused day leaves the other be,
    because that still is what the tables hold.
    """
    day = report.report_date
    kind = "refused" if report.is_refused else "summary"
    with (reports / f"{kind}_{day}.txt").replacing() as out:
        out.write(to_text(report))
    json_file = reports / f"{kind}_{day}.json"
    with json_file.replacing() as out:
        out.write(to_json(report))
    if not report.is_refused:
        for ending in ("txt", "json"):
            (reports / f"refused_{day}.{ending}").remove()
    return json_file


def read_report(reports: Location, day: date) -> DailyReport:
    """Return the last report of a day, that of a refused run before that of a published one.

    Raises:
        UserError: there is none, or it cannot be read.
    """
    refused = reports / f"refused_{day}.json"
    return _read(refused if refused.exists() else reports / f"summary_{day}.json", day)


def with_kept_time(reports: Location, report: DailyReport) -> DailyReport:
    """Return the report with the time of the last one, if that says the same."""
    try:
        last = _read(reports / f"summary_{report.report_date}.json", report.report_date)
    except UserError:
        return report
    kept = replace(report, generated_at=last.generated_at)
    return kept if kept == last else report


def _read(file: Location, day: date) -> DailyReport:
    try:
        return from_json(file.read_text())
    except FileNotFoundError:
        raise UserError(f"{file}: no report of {day} yet; make it with `run --date {day}`") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read as a report ({error}); make it anew with `run --date {day}`") from None
