"""What a shop calls it, and what we call it."""

from clickwatch_events import EventType

from clickwatch_simulator.importing.mappings import RowMapping
from clickwatch_simulator.importing.rows import BadRow, SkippedRow
from clickwatch_simulator.importing.values import shown, text_of


class EventTypes:
    """Translates event types by a mapping."""

    def __init__(self, mapping: RowMapping, *, skip_other_types: bool) -> None:
        """Skip types that the mapping does not name, or call their rows bad."""
        self._column = mapping.type
        self._types = mapping.types
        self._skip_other_types = skip_other_types

    def known(self, theirs: str) -> EventType | None:
        """Return our type, None for one that the mapping does not name.

        Raises:
            SkippedRow: it is one to skip.
        """
        event_type = self._types.get(theirs)
        if event_type is None and (self._skip_other_types or theirs in self._types):
            raise SkippedRow(theirs)
        return event_type

    def of(self, value: object) -> EventType:
        """Return our type for a value that is there.

        Raises:
            SkippedRow: it is one to skip.
            BadRow: the mapping does not name it.
        """
        theirs = value if isinstance(value, str) else text_of(self._column, value)
        event_type = self._types.get(theirs) or self.known(theirs)
        if event_type is not None:
            return event_type
        raise BadRow(
            f"{self._column} is none of the mapping's types",
            f"{self._column} is {shown(theirs)}, must be one of {', '.join(self._types)}: name it by --type, "
            "or skip such rows by --skip-other-types",
        )
