"""A day before its gates: judged by the limits of the settings, and reported and told of where one keeps it back."""

from collections.abc import Sequence
from dataclasses import replace

import structlog
from clickwatch_service import UserError

from clickwatch_batch.analyses.daily import DailyReport
from clickwatch_batch.analyses.quality import Gate, Limit, Limits, Measured, Verdict, failed, judged
from clickwatch_batch.reports.files import write_report
from clickwatch_batch.reports.notifier import chosen_notifier
from clickwatch_batch.serving.quarantine import quarantine_file
from clickwatch_batch.settings import Settings


class Refused(UserError):
    """A quality gate keeps a day back; the same day again would be kept back again."""


def judged_day(figures: DailyReport, history: Sequence[int], settings: Settings) -> tuple[Gate, ...]:
    """Return the verdicts of all gates on a day; the log tells of those that warn."""
    limits = Limits(
        malformed=Limit(settings.malformed_warn, settings.malformed_threshold),
        duplicates=Limit(settings.duplicates_warn, settings.duplicates_threshold),
        other_day=Limit(settings.other_day_warn, settings.other_day_threshold),
        volume=Limit(settings.volume_warn, settings.volume_threshold),
    )
    dropped = figures.dropped
    measured = Measured(
        lines=figures.log_lines,
        malformed=dropped.malformed_lines,
        events=figures.summary.total_events,
        duplicates=dropped.duplicate_events,
        other_day=dropped.other_day_events,
        is_unfinished=bool(figures.unfinished),
    )
    gates = judged(measured, history, limits)
    for gate in gates:
        if gate.verdict is Verdict.WARN:
            structlog.get_logger().warning(
                "warned_by_gate", gate=gate.gate, measured=str(gate.measured), note=gate.note
            )
    return gates


def refuse_if_failed(figures: DailyReport, gates: tuple[Gate, ...], settings: Settings) -> None:
    """Report and tell of a day that a gate keeps back, and end it.

    Raises:
        Refused: a gate fails.
    """
    fails = failed(gates)
    if not fails:
        return
    day = figures.report_date
    reasons = "; ".join(
        f"{gate.note} ({gate.measured:.2%}), more than {gate.gate.upper()}_THRESHOLD={gate.fail_at} allows"
        for gate in fails
    )
    remedies = {
        "malformed": f"see {quarantine_file(settings.quarantine, day)}, ",
        "other_day": "a log holds a day of UTC, not of another time zone: ",
    }
    remedy = remedies.get(fails[0].gate, "")
    message = f"{figures.log_name}: {reasons}; {remedy}mend the log or raise the threshold; nothing is published"
    refused = replace(figures, gates=gates)
    write_report(settings.reports, refused)
    try:
        chosen_notifier(settings).tell(refused)
    except UserError as error:
        raise Refused(f"{message}; {error}") from None
    raise Refused(message)
