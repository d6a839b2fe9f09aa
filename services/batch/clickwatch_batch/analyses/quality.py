"""Quality gates: what a day's figures must keep to before they are published."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

HISTORY_DAYS = 7
"""How many days before a day its volume is held against."""

MIN_HISTORY_DAYS = 3
"""With fewer of them published there is no usual volume."""


class Verdict(StrEnum):
    """What a gate says; a day that fails one is not published."""

    PASS = "pass"  # noqa: S105 (no password)
    WARN = "warn"
    FAIL = "fail"


class Gate(NamedTuple):
    """A gate and its verdict: `measured` above `fail_at` fails, above `warn_at` warns; None is no limit."""

    gate: str
    measured: Decimal
    warn_at: Decimal | None
    fail_at: Decimal | None
    verdict: Verdict
    note: str


@dataclass(frozen=True)
class Limit:
    """From where on a gate speaks up; None is nowhere."""

    warn_at: float | None
    fail_at: float | None


@dataclass(frozen=True)
class Limits:
    """The limits of all gates.

    Attributes:
        malformed: of the share of lines that are no event.
        duplicates: of the share of events that came again.
        other_day: of the share of lines that are events of another UTC day.
        volume: of how far the day's events are from the mean of the days before it, as a share of that.
    """

    malformed: Limit
    duplicates: Limit
    other_day: Limit
    volume: Limit


@dataclass(frozen=True)
class Measured:
    """What the gates measure of a day.

    Attributes:
        lines: all lines of its log, blank ones too.
        malformed: those that are no event.
        events: its events, each once.
        duplicates: those that came again.
        other_day: lines that are events of another UTC day.
        is_unfinished: whether it is a part of a day, which no volume can be held against.
    """

    lines: int
    malformed: int
    events: int
    duplicates: int
    other_day: int
    is_unfinished: bool = False


def judged(day: Measured, history: Sequence[int], limits: Limits) -> tuple[Gate, ...]:
    """Return the verdicts on a day.

    Args:
        day: what there is of it.
        history: events of the whole days that are published among the HISTORY_DAYS before it.
        limits: of the gates.
    """
    arrived = day.events + day.duplicates
    shares = (
        ("malformed", day.malformed, day.lines, limits.malformed, "lines are malformed"),
        ("duplicates", day.duplicates, arrived, limits.duplicates, "events came again"),
        ("other_day", day.other_day, day.lines, limits.other_day, "lines belong to another UTC day"),
    )
    return (
        *(_gate(name, _share(part, all_), limit, f"{part} of {all_} {are}") for name, part, all_, limit, are in shares),
        _volume_gate(day, history, limits.volume),
    )


def failed(gates: Sequence[Gate]) -> list[Gate]:
    """Return the gates that keep a day from being published."""
    return [gate for gate in gates if gate.verdict is Verdict.FAIL]


def _volume_gate(day: Measured, history: Sequence[int], limit: Limit) -> Gate:
    events = day.events
    if day.is_unfinished:
        return _gate("volume", Fraction(0), limit, f"{events} events so far; the day is unfinished")
    if len(history) < MIN_HISTORY_DAYS or sum(history) == 0:
        note = (
            f"{events} events; no usual volume: {len(history)} of the {HISTORY_DAYS} days before are published whole, "
            f"{MIN_HISTORY_DAYS} are needed"
        )
        return _gate("volume", Fraction(0), limit, note)
    mean = Fraction(sum(history), len(history))
    note = f"{events} events, {_rounded(mean, 0)} a day in the mean of {len(history)} days before"
    return _gate("volume", abs(events - mean) / mean, limit, note)


def _gate(name: str, measured: Fraction, limit: Limit, note: str) -> Gate:
    warn_at, fail_at = _decimal(limit.warn_at), _decimal(limit.fail_at)
    if fail_at is not None and measured > Fraction(fail_at):
        verdict = Verdict.FAIL
    elif warn_at is not None and measured > Fraction(warn_at):
        verdict = Verdict.WARN
    else:
        verdict = Verdict.PASS
    return Gate(name, _rounded(measured, 6), warn_at, fail_at, verdict, note)


def _share(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)


def _decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(str(value))


def _rounded(value: Fraction, places: int) -> Decimal:
    quotient = Decimal(value.numerator) / Decimal(value.denominator)
    return quotient.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
