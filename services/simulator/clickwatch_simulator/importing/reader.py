"""Rows of a file to events: each row gives one, or one for each element of a list in it, or a reason why not."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from clickwatch_events import Event

from clickwatch_simulator.importing.events import RowToEvent
from clickwatch_simulator.importing.json_rows import exact_values
from clickwatch_simulator.importing.mappings import RowMapping
from clickwatch_simulator.importing.own_log import OwnLine
from clickwatch_simulator.importing.paths import elements_of, places
from clickwatch_simulator.importing.rows import BadRow, NoTime, Row, SkippedRow, Values
from clickwatch_simulator.importing.types import EventTypes
from clickwatch_simulator.importing.values import LostDigits

_MOST_FAILED_TIMES = 200

Outcome = Event | BadRow | SkippedRow


class _ToEvent(Protocol):
    """Makes an event; the values are those of a CSV line, a JSON object, or a pair of it and an element: hence Any."""

    def event(self, values: Any, text: str, shift_ms: int, index: int) -> Event: ...


class EventReader:
    """Reads rows by a mapping.

    Attributes:
        no_times: how many values were no time.
        failed_times: some of them.
        notes: what was changed or is odd, and how often.
    """

    def __init__(
        self,
        mapping: RowMapping,
        header: Sequence[str] | None,
        latest_ms: int,
        *,
        skip_other_types: bool = False,
    ) -> None:
        """Read rows that have the columns of `header`, or (None) are JSON objects.

        Args:
            mapping: which column holds what.
            header: names of columns.
            latest_ms: the latest instant at which a row can have happened.
            skip_other_types: skip types that the mapping does not know, instead of calling them bad.
        """
        self.no_times = 0
        self.failed_times: list[object] = []
        self.notes: Counter[str] = Counter()
        types = EventTypes(mapping, skip_other_types=skip_other_types)
        lists = _lists(mapping) if header is None else {}
        self._of_list: dict[str, _ToEvent] = {
            path: RowToEvent(mapping, header, latest_ms, types, self._note, each_of=path) for path in lists
        }
        self._elements = {path: elements_of(path) for path in lists}
        self._of_row: _ToEvent = (
            OwnLine(mapping, latest_ms, types)
            if mapping.is_own_log and header is None
            else RowToEvent(mapping, header, latest_ms, types, self._note)
        )

    def outcomes(self, row: Row, shift_ms: int = 0) -> tuple[Outcome, ...]:
        """Return the events of a row, or what is wrong with each.

        Args:
            row: its id is made from its text, so a second replay of the same file gives the same events.
            shift_ms: added to its time. A shifted row is another event, with another id.
        """
        values, text = row.values, row.text
        if isinstance(values, BadRow):
            return (values,)
        try:
            if self._elements:
                return self._of_elements(values, text, shift_ms)
            return (self._of_row.event(values, text, shift_ms, 0),)
        except (BadRow, SkippedRow) as error:
            return (self._noted(error),)
        except LostDigits:
            return self.outcomes(row._replace(values=_exact(text)), shift_ms)

    def _of_elements(self, values: Values, text: str, shift_ms: int) -> tuple[Outcome, ...]:
        for path, elements in self._elements.items():
            assert isinstance(values, Mapping)
            found = elements(values)
            if found:
                to_event = self._of_list[path]
                outcomes = tuple(
                    self._outcome(to_event, (values, one), text, shift_ms, index) for index, one in enumerate(found)
                )
                return outcomes[:1] if isinstance(outcomes[0], SkippedRow) else outcomes
        return (self._of_row.event(values, text, shift_ms, 0),)

    def _outcome(self, to_event: _ToEvent, values: object, text: str, shift_ms: int, index: int) -> Outcome:
        try:
            return to_event.event(values, text, shift_ms, index)
        except (BadRow, SkippedRow) as error:
            return self._noted(error)

    def _noted(self, error: BadRow | SkippedRow) -> BadRow | SkippedRow:
        if isinstance(error, NoTime):
            self.no_times += 1
            if len(self.failed_times) < _MOST_FAILED_TIMES:
                self.failed_times.append(error.value)
        return error

    def _note(self, note: str) -> None:
        self.notes[note] += 1


def _exact(text: str) -> Values | BadRow:
    try:
        return exact_values(text)
    except BadRow as error:
        return error


def _lists(mapping: RowMapping) -> dict[str, None]:
    """Return the lists whose elements make an event each, in the order in which they are named."""
    every = (place for column in mapping.columns.values() for place in places(column))
    return {place.each_of: None for place in every if place.each_of is not None}
