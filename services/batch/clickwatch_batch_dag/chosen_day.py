"""Which day a run is about."""

from datetime import UTC, date, datetime, timedelta

from clickwatch_service import UserError


def chosen_day(partition_key: str | None, day: str | None, run_after: datetime) -> date:
    """Return the UTC day that a run analyses.

    Args:
        partition_key: what schedule and backfill set, and a manual run may.
        day: the parameter `day` of a manual run.
        run_after: when the run was due; one that names no day is about the day before.

    Raises:
        UserError: what is named is no day, or two different days are.
    """
    named = {
        name: _day(name, text) for name, text in (("partition key", partition_key), ("parameter day", day)) if text
    }
    if len(set(named.values())) > 1:
        raise UserError(f"partition key {partition_key} and parameter day {day} differ: name the day by one of them")
    return next(iter(named.values()), run_after.astimezone(UTC).date() - timedelta(days=1))


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{name} {text!r} is no day: write it as 2025-06-01") from None
