"""Instants and durations as people write them on a command line."""

from datetime import UTC, date, datetime, timedelta

from clickwatch_service import UserError
from clickwatch_service.settings import parse_duration


def duration(option: str, text: str) -> timedelta:
    """Return the duration of an option such as `90s` or `1 hour`.

    Raises:
        UserError: it is none.
    """
    try:
        parsed = parse_duration(text)
    except ValueError as error:
        raise UserError(f"{option}={text}: {error}") from None
    assert isinstance(parsed, timedelta)
    return parsed


def instant_ms(option: str, text: str, now: datetime) -> int:
    """Return the instant of an option, epoch milliseconds: `now`, `-30m`, or ISO-8601 (UTC unless it says).

    Raises:
        UserError: it is none.
    """
    if text == "now":
        moment = now
    elif text.startswith(("-", "+")):
        try:
            moved = parse_duration(text[1:])
        except ValueError:
            raise UserError(f"{option}={text}: after the sign must stand a duration such as 30m or 2 hours") from None
        assert isinstance(moved, timedelta)
        moment = now - moved if text[0] == "-" else now + moved
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise UserError(
                f"{option}={text}: must be now, a time before now such as -30m, or ISO-8601 such as 2025-06-01T12:00Z"
            ) from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000)


def utc_day(option: str, text: str, now: datetime) -> date:
    """Return the day of an option: `yesterday`, `today` or `YYYY-MM-DD`.

    Raises:
        UserError: it is none.
    """
    today = now.astimezone(UTC).date()
    if text in ("today", "yesterday"):
        return today - timedelta(days=text == "yesterday")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UserError(f"{option}={text}: must be yesterday, today or a day such as 2025-06-01") from None


def midnight_ms(day: date) -> int:
    """Return the first instant of a UTC day, epoch milliseconds."""
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
