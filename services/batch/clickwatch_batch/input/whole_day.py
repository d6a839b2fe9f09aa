"""Whether a day is over and all of it is there: figures of a part of a day must not pass for the day's."""

from datetime import UTC, date, datetime, time, timedelta

from clickwatch_service import UserError

QUIET = timedelta(minutes=1)
"""A log that was written to less than this ago still grows."""


class Unfinished(UserError):
    """The day may not be all there yet; the same run may do it later."""


class NotOver(Unfinished):
    """The day is not over."""


def end_of(day: date) -> datetime:
    """Return the first instant after a UTC day."""
    return datetime.combine(day + timedelta(days=1), time.min, UTC)


def why_not_over(day: date, now: datetime) -> str | None:
    """Return why a day cannot be whole by the clock alone; None once it is over."""
    if now >= end_of(day):
        return None
    return f"{day} is not over before {end_of(day):%Y-%m-%d %H:%M} UTC, and it is {now:%Y-%m-%d %H:%M}"


def why_log_grows(day: date, now: datetime, grace: timedelta, written_at: datetime) -> str | None:
    """Return why the log of a day that is over may not be whole; None where it is.

    Args:
        day: the UTC day.
        now: the time.
        grace: how long after the day's end lines of it may still come.
        written_at: when its log was last written to.
    """
    if now >= end_of(day) + grace or now >= written_at + QUIET:
        return None
    return (
        f"{day} ended less than DAY_GRACE ({_minutes(grace)}) ago, and its log still grows: it was last written to at "
        f"{written_at:%H:%M:%S} UTC"
    )


def why_lake_lacks(day: date, now: datetime, grace: timedelta, closed_until: datetime | None) -> str | None:
    """Return why the lake may not have all of a day that is over; None where it has.

    Args:
        day: the UTC day.
        now: the time.
        grace: how long after the day's end events of it may still come.
        closed_until: up to when the speed layer has closed its windows; None where the lake does not tell.
    """
    if closed_until is None:
        if now >= end_of(day) + grace:
            return None
        return (
            f"{day} ended less than DAY_GRACE ({_minutes(grace)}) ago, and the lake does not tell how far it has come"
        )
    if closed_until >= end_of(day):
        return None
    return f"the lake has not come to the end of {day}: its windows are closed until {closed_until:%Y-%m-%d %H:%M} UTC"


def _minutes(time_span: timedelta) -> str:
    return f"{time_span.total_seconds() / 60:g} min"
