"""What a row of somebody's file is, before it is an event."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from clickwatch_events import Event
from clickwatch_events.limits import Fault
from clickwatch_events.times import BadTime

_NAMES_SHOWN = 12

Values = Sequence[str] | Mapping[str, object]
"""A row's values: by position (CSV) or by name (JSON)."""
Getter = Callable[[Any], object]
"""Takes a row's values and returns one of them; None where there is none."""


class BadRow(ValueError):
    """The row is no event.

    Attributes:
        reason: what kind of fault it is, the same for all rows that have it.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Say `detail` to whoever has to mend the row."""
        super().__init__(detail)
        self.reason = reason


class RefusedEvent(BadRow):
    """The row says everything that an event says, but a value breaks one of the limits.

    Attributes:
        event: what the row says.
        fault: the field and the rule that it breaks.
    """

    def __init__(self, event: Event, fault: Fault, detail: str) -> None:
        """Say `detail` to whoever has to mend the row."""
        super().__init__(str(fault), detail)
        self.event = event
        self.fault = fault


class NoTime(BadRow):
    """The row's time cannot be read, or is outside the range.

    Attributes:
        value: what stands there.
    """

    def __init__(self, column: str, value: object, detail: str) -> None:
        """Say `detail` to whoever has to mend the row."""
        super().__init__(f"{column} is no time, or outside the range", detail)
        self.value = value


class SkippedRow(Exception):
    """The row is sound, but of a kind that is no event of ours; the message is that kind."""


class Row(NamedTuple):
    """One row.

    Attributes:
        number: its first line in the file, or which object of a JSON document it is, counted from 1.
        text: the row as it stands there, without its line end.
        values: its values, or what is wrong with it.
    """

    number: int
    text: str
    values: Values | BadRow


def missing(column: str, values: object) -> BadRow:
    """Return the fault of a row that lacks a value.

    Args:
        column: the value's name.
        values: those of a CSV line, of a JSON object, or a pair of it and an element.
    """
    row = values[0] if isinstance(values, tuple) else values
    detail = f"{column} is missing or empty"
    if not isinstance(row, Mapping):
        return BadRow(detail, detail)
    names = [str(name) for name in row]
    listed = ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
    return BadRow(detail, f"{detail}; the row has {listed or 'no values'}")


def no_time(column: str, value: object, error: BadTime) -> NoTime:
    """Return the fault of a row whose time cannot be read."""
    return NoTime(column, value, f"{column} is {error}")
