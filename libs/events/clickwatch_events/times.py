"""Instants as shops write them: numbers since 1970, compact forms, ISO-8601. The table: docs/times.md."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from clickwatch_events.limits import EARLIEST_MS, LATEST_MS


def epoch_ms(moment: datetime) -> int:
    """Return an instant in milliseconds since 1970, rounded down."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


LOG_PATTERN = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9]([.][0-9]+)?)?"
    r"(Z|[+-]((0[0-9]|1[0-3])(:?[0-5][0-9])?|14(:?00)?))"
)
"""The forms of a time in the log, to match as a whole, for Python, DuckDB (RE2) and Spark (Java) alike."""


class BadTime(ValueError):
    """The value is no instant within the range; the message says why, to stand after the field's name."""


class _Unit(NamedTuple):
    name: str
    per_ms: Decimal


_UNITS = (
    _Unit("seconds", Decimal("0.001")),
    _Unit("milliseconds", Decimal(1)),
    _Unit("microseconds", Decimal(1000)),
    _Unit("nanoseconds", Decimal(1_000_000)),
)
_BLANKS = " \t\r\n"
_NUMBER = re.compile(r"[+-]?([0-9]+(?:\.[0-9]*)?)(?:[eE][+-]?[0-9]{1,3})?")
# Not yyyyMMddHH, whose ten digits are a number of seconds too. A column of floats ends in `.0`.
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{2})(?:([0-9]{2})([0-9]{3})?)?)?(?:\.0*)?")
_ISO = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8})"
    r"(?:(?:[Tt]|[ \t]+)([0-9]{2})(?::?([0-9]{2})(?::?([0-9]{2})(?:[.,]([0-9]+))?)?)?"
    r"[ \t]*(?:(Z|z|UTC|GMT)|([+-])([0-9]{2}):?([0-9]{2})?)?)?"
)
_LOG = re.compile(LOG_PATTERN)
_COARSEST_MS = 100_000
"""A number whose digits say less has been shortened: 1.70009E+12 names a span of three hours."""
_DAY_MS = 86_400_000
_MOST_OFFSET_MINUTES = 14 * 60


def instant_ms(value: object, latest_ms: int) -> int:
    """Return the instant that a value names, in milliseconds since 1970. Finer fractions are cut off.

    A number, or text of a number, counts seconds, milliseconds, microseconds or nanoseconds since
    1970, or is a compact form such as 20250601120000. Only one reading may lie within the range.
    Text without an offset means UTC. Blanks at either end do not count.

    Args:
        value: text or a number.
        latest_ms: the end of the range, which starts at EARLIEST_MS. With a clock at hand that is the
            time of reception and `limits.MAX_FUTURE`, else LATEST_MS.

    Raises:
        BadTime: it names no instant, more than one, or one outside the range.
    """
    if isinstance(value, str):
        text = value.strip(_BLANKS)
        match = _ISO.fullmatch(text)
        if match is not None and (match[2] is not None or "-" in text):
            return _within(_iso_ms(match, value), value, latest_ms)
        if _NUMBER.fullmatch(text) is None:
            raise BadTime(f"{_shown(value)}, must be a time such as 2025-06-01T12:00:00Z or a number since 1970")
        return _number_ms(text, value, latest_ms)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise BadTime(f"{_shown(value)}, must be text or a number")
    # The shortest text of a float rounds as its writer did; where it has an exponent, the value is whole.
    text = str(value)
    return _number_ms(f"{value:.0f}" if isinstance(value, float) and "e" in text else text, value, latest_ms)


def log_instant_ms(text: str) -> int:
    """Return the instant of a log line: ISO-8601 with an offset, in the few forms every engine reads alike.

    Raises:
        BadTime: it is of another form, no instant, or not within EARLIEST_MS and LATEST_MS.
    """
    match = _ISO.fullmatch(text) if _LOG.fullmatch(text) is not None else None
    if match is not None:
        return _within(_iso_ms(match, text), text, LATEST_MS)
    unzoned = _ISO.fullmatch(text)
    if unzoned is not None and unzoned[6] is None and unzoned[7] is None:
        raise BadTime(f"{_shown(text)}, must carry an offset such as Z or +02:00")
    raise BadTime(f"{_shown(text)}, must be ISO-8601 such as 2025-06-01T12:00:00Z")


def _iso_ms(match: re.Match[str], value: object) -> int:
    day, hour, minute, second, fraction, _, sign, zone_hours, zone_minutes = match.groups()
    offset = 0
    if sign is not None:
        offset = int(zone_hours) * 60 + int(zone_minutes or 0)
        if offset > _MOST_OFFSET_MINUTES or int(zone_minutes or 0) > 59:
            raise BadTime(f"{_shown(value)}, has an offset that no place on earth has")
        if sign == "-":
            offset = -offset
    hours, minutes, seconds = int(hour or 0), int(minute or 0), int(second or 0)
    midnight_ms = _MIDNIGHTS[day]
    if midnight_ms is None or hours > 23 or minutes > 59 or seconds > 59:
        raise BadTime(f"{_shown(value)}, there is no such day or time of day")
    thousandths = int((fraction + "00")[:3]) if fraction else 0
    return midnight_ms + (hours * 60 + minutes - offset) * 60_000 + seconds * 1000 + thousandths


class _Midnights(dict[str, int | None]):
    """The first instant of each day seen; None where there is no such day."""

    def __missing__(self, day: str) -> int | None:
        if len(self) > 20_000:
            self.clear()
        try:
            number = date.fromisoformat(day).toordinal() - date(1970, 1, 1).toordinal()
        except ValueError:
            number = None
        self[day] = None if number is None else number * _DAY_MS
        return self[day]


_MIDNIGHTS = _Midnights()


def _number_ms(text: str, value: object, latest_ms: int) -> int:
    found = _readings(text, value, latest_ms)
    if len(found) == 1:
        return found[0][1]
    if found:
        forms = " or ".join(name for name, _ in found)
        raise BadTime(f"{_shown(value)}, can mean {forms}: write it as ISO-8601 such as 2025-06-01T12:00:00Z")
    raise BadTime(f"{_shown(value)}, is in no unit or form a time {_range(latest_ms)}")


def _readings(text: str, value: object, latest_ms: int) -> list[tuple[str, int]]:
    """Return what a number can mean within the range: the form's name and the instant."""
    try:
        number = Decimal(text)
        exponent = number.as_tuple().exponent
    except ArithmeticError:
        return []
    if not isinstance(exponent, int):  # NaN, Infinity
        return []
    if not 0 < number < 10**20:
        return []
    found = [unit for unit in _UNITS if EARLIEST_MS <= int(number / unit.per_ms) <= latest_ms]
    if any(Decimal(10) ** exponent / unit.per_ms > _COARSEST_MS for unit in found):
        raise BadTime(f"{_shown(value)}, has lost its last {exponent} digits: export the column as text")
    readings = [(unit.name, int(number / unit.per_ms)) for unit in found]
    compact = _COMPACT.fullmatch(text)
    return readings if compact is None else [*readings, *_compact_readings(compact, latest_ms)]


def _compact_readings(match: re.Match[str], latest_ms: int) -> list[tuple[str, int]]:
    year, month, day, hour, minute, second, thousandth = (int(part) if part else 0 for part in match.groups())
    try:
        instant = epoch_ms(datetime(year, month, day, hour, minute, second, thousandth * 1000, tzinfo=UTC))
    except ValueError:
        return []
    form = "yyyyMMddHHmmssSSS"[: match.end(match.lastindex or 0)]
    return [(form, instant)] if EARLIEST_MS <= instant <= latest_ms else []


def _within(instant: int, value: object, latest_ms: int) -> int:
    if EARLIEST_MS <= instant <= latest_ms:
        return instant
    raise BadTime(f"{_shown(value)}, is not {_range(latest_ms)}")


def _range(latest_ms: int) -> str:
    latest = datetime.fromtimestamp(latest_ms // 1000, UTC)
    return f"from 2000-01-01 to {latest:%Y-%m-%d %H:%M} UTC"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"


# What is no form of ours, but tells its reader what the column holds.
_FOREIGN: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("day and month with slashes or dots, such as 01/06/2025", re.compile(r"[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}.*")),
    ("year first with slashes or dots, such as 2025/06/01", re.compile(r"[0-9]{4}[/.][0-9]{1,2}[/.][0-9]{1,2}.*")),
    ("a time of day without a day", re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?.*")),
    ("the name of a month or a day", re.compile(r"(?=.*[0-9]).*[A-Za-z]{3}.*")),
    ("days of a spreadsheet, such as 45809.5", re.compile(r"[3-5][0-9]{4}(\.[0-9]+)?")),
    ("hours since 1970", re.compile(r"[2-5][0-9]{5}")),
    ("minutes since 1970", re.compile(r"[1-3][0-9]{7}")),
    ("a number shortened by a spreadsheet, such as 1.70009E+12", re.compile(r"[0-9]\.[0-9]{1,5}[eE]\+?[0-9]{2}")),
    ("yyyyMMddHH", re.compile(r"20[0-9]{2}(0[1-9]|1[0-2])[0-3][0-9][0-2][0-9]")),
)


def seeming_form(values: Iterable[object]) -> str | None:
    """Return in words which form most of these values seem to have; None where no form fits more than half.

    For the message about a column whose rows fail: forms that `instant_ms` reads are named too, because
    such values can be outside the range.
    """
    forms = Counter(_form(value) for value in values)
    if not forms:
        return None
    form, count = forms.most_common(1)[0]
    return form if count * 2 > forms.total() else None


def _form(value: object) -> str | None:
    text = str(value).strip(_BLANKS)
    for name, pattern in _FOREIGN:
        if pattern.fullmatch(text):
            return name
    if _ISO.fullmatch(text):
        return "ISO-8601"
    try:
        found = _readings(text, value, LATEST_MS)
    except BadTime:
        return "a number that has lost digits"
    return f"{found[0][0]} since 1970" if len(found) == 1 else None
