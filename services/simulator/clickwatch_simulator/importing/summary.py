"""What became of a file's rows, for the terminal and for the ledger."""

from collections import Counter
from dataclasses import dataclass, field

from clickwatch_events.jsonl import iso_timestamp
from clickwatch_service.shown import one_line, shown

from clickwatch_simulator.importing.rows import BadRow

_WIDTH = 160
_LONGEST_DETAIL = 300
_TYPES_SHOWN = 20


@dataclass
class _Reason:
    count: int
    number: int
    detail: str


@dataclass
class Summary:
    """Counts of one run.

    Attributes:
        unit: what the rows' numbers count: line or object.
        rows: rows read.
        events: events accepted.
        sent_refused: of what was set aside, messages sent to Kafka all the same, to be dead letters there.
        first_ms, last_ms: the time of the earliest and of the latest event accepted.
        notes: what was changed or is odd, and how often.
    """

    unit: str = "line"
    rows: int = 0
    events: int = 0
    sent_refused: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    notes: Counter[str] = field(default_factory=Counter)
    _skipped: Counter[str] = field(default_factory=Counter)
    _reasons: dict[str, _Reason] = field(default_factory=dict)

    @property
    def skipped(self) -> int:
        """How many were of a type that is skipped."""
        return self._skipped.total()

    @property
    def set_aside(self) -> int:
        """How many were no events."""
        return sum(reason.count for reason in self._reasons.values())

    @property
    def bad_share(self) -> float:
        """How many of those that should be events are none."""
        return self.set_aside / max(self.set_aside + self.events, 1)

    def saw(self, earliest_ms: int, latest_ms: int) -> None:
        """Note the time of the earliest and of the latest of some events."""
        self.first_ms = min(earliest_ms, self.first_ms if self.first_ms is not None else earliest_ms)
        self.last_ms = max(latest_ms, self.last_ms if self.last_ms is not None else latest_ms)

    def skip(self, their_type: str) -> None:
        """Count a row of a type that is skipped."""
        self._skipped[their_type] += 1

    def put_aside(self, number: int, error: BadRow) -> None:
        """Count a row that is no event."""
        found = self._reasons.get(error.reason)
        if found is None:
            self._reasons[error.reason] = _Reason(1, number, str(error))
        else:
            found.count += 1

    def lines(self) -> list[str]:
        """Return the summary for people."""
        times = ""
        if self.first_ms is not None and self.last_ms is not None:
            times = f"   {iso_timestamp(self.first_ms)} to {iso_timestamp(self.last_ms)}"
        lines = [f"rows read  {self.rows:>12,}", f"accepted   {self.events:>12,}{times}"]
        lines.append(f"skipped    {self.skipped:>12,}{_types(self._skipped)}")
        lines.append(f"set aside  {self.set_aside:>12,}")
        for reason, found in sorted(self._reasons.items(), key=lambda one: -one[1].count):
            lines.append(f"{found.count:>23,}   {shown(reason, _WIDTH)}")
            lines.append(f"{'':26}{self.unit} {found.number}: {_shortened(found.detail)}")
        if self.sent_refused:
            lines.append(f"{self.sent_refused:>23,}   of them sent to Kafka, for the dead letters")
        lines.extend(f"note: {count:,} {shown(note, _WIDTH)}" for note, count in self.notes.items())
        return lines

    def as_json(self) -> dict[str, object]:
        """Return the summary for the ledger."""
        return {
            "rows": self.rows,
            "accepted": self.events,
            "skipped": dict(sorted(self._skipped.items())),
            "set_aside": {reason: found.count for reason, found in sorted(self._reasons.items())},
            "sent_refused": self.sent_refused,
            "notes": dict(self.notes),
        }


def _shortened(detail: str) -> str:
    """Return a message, whose values are escaped already, on one line."""
    text = one_line(detail)
    return text if len(text) <= _LONGEST_DETAIL else text[:_LONGEST_DETAIL] + "…"


def _types(skipped: Counter[str]) -> str:
    if not skipped:
        return ""
    named = ", ".join(f"{shown(kind, 40)} {count:,}" for kind, count in skipped.most_common(_TYPES_SHOWN))
    return f"   {named}" + (f" and {len(skipped) - _TYPES_SHOWN} more types" if len(skipped) > _TYPES_SHOWN else "")
