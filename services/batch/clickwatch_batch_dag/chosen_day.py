"""Which day a run is about."""

from datetime import UTC, date, datetime, time, timedelta

from clickwatch_service import UserError


def chosen_day(
    partition_key: str | None, day: str | None, run_after: datetime, logical_date: datetime | None = None
) -> date:
    """Return the UTC day that a run analyses.

    A logical date names a day by its midnight in UTC (`dags trigger --logical-date 2025-06-01`, `dags test`).
    Any other instant names none: it is what Airflow puts in where nobody gave one.

    Args:
        partition_key: what schedule and backfill set, and a manual run may.
        day: the parameter `day` of a manual run.
        run_after: when the run was due; one that names no day is about the day before.
        logical_date: that of a manual run.

    Raises:
        UserError: what is named is no day, or two different days are.
    """
    named = {
        name: _day(name, text) for name, text in (("partition key", partition_key), ("parameter day", day)) if text
    }
    if logical_date is not None:
        instant = logical_date.astimezone(UTC)
        if instant.time() == time():
            named["logical date"] = instant.date()
        elif not named:
            raise UserError(
                f"logical date {instant.isoformat()} names no day, because it is no midnight in UTC: name the day by "
                "the partition key, by parameter day, or by a logical date such as 2025-06-01"
            )
    if len(set(named.values())) > 1:
        told = " and ".join(f"{name} {found}" for name, found in named.items())
        raise UserError(f"{told} differ: name the day by one of them")
    return next(iter(named.values()), run_after.astimezone(UTC).date() - timedelta(days=1))


def _day(name: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{name} {text!r} is no day: write it as 2025-06-01") from None
