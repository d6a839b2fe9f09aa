"""The events of a file, in its order, with the times at which they are sent."""

from collections import deque
from collections.abc import Callable, Iterator
from datetime import timedelta

import numpy as np
from clickwatch_events import Event
from clickwatch_events.jsonl import iso_timestamp
from clickwatch_events.limits import MAX_FUTURE, MAX_TEXT_BYTES, Fault, Rule
from clickwatch_service.pseudonyms import Pseudonyms
from numpy.typing import NDArray

from clickwatch_simulator.importing.reader import EventReader, Outcome
from clickwatch_simulator.importing.rows import BadRow, RefusedEvent, Row, SkippedRow
from clickwatch_simulator.importing.summary import Summary
from clickwatch_simulator.poison import Refused
from clickwatch_simulator.scenarios import Batch, Fate, Item

_ROWS_A_BATCH = 2000
_AHEAD_MS = 3_600_000
"""A row that is further ahead of a later one had a clock that was ahead: nothing waits for it."""
_LONGEST_PAUSE_MS = 86_400_000
_MAX_FUTURE_MS = MAX_FUTURE // timedelta(milliseconds=1)
_LONGEST_SENT = 256 * MAX_TEXT_BYTES
"""Texts beyond it might not fit into a message."""
_LONG = 2**63
_TOO_LATE = Fault("timestamp", Rule.TOO_LATE)


class Replay:
    """The events of a file; what became of its rows is counted as they are read.

    Attributes:
        summary: those counts.
        shortened_pauses: pauses of more than a day between rows, which are sent a day apart.
    """

    def __init__(
        self,
        rows: Iterator[Row],
        reader: EventReader,
        keep: Callable[[Row, BadRow], None],
        *,
        limit: int | None = None,
        pseudonyms: Pseudonyms | None = None,
        send_refused: bool = False,
    ) -> None:
        """Read `rows` by `reader`.

        Args:
            rows: of the file.
            reader: makes events of them.
            keep: takes a row that is none.
            limit: stop after so many events.
            pseudonyms: users come under these, if there are any.
            send_refused: hand on refused events, too, for the speed layer's dead letters.
        """
        self._rows = rows
        self._reader = reader
        self._keep = keep
        self._limit = limit
        self._pseudonyms = pseudonyms
        self._send_refused = send_refused
        self._origins: deque[Row] | None = None
        self.summary = Summary(notes=reader.notes)
        self.shortened_pauses = 0

    def batches(
        self,
        first_at_ms: int | None,
        watermark: timedelta,
        *,
        with_fates: bool,
        sent_at: Callable[[NDArray[np.int64]], NDArray[np.int64]] | None = None,
    ) -> Iterator[Batch]:
        """Return the events, due when they happened.

        Args:
            first_at_ms: move all times so that the first event happens then.
            watermark: events further behind the newest are late.
            with_fates: work out what is a duplicate, late or out of order, for a ledger. This
                remembers every id.
            sent_at: for moved events, what the clock says when those are sent that are due at given times.
                What would happen later than that is put aside.
        """
        fates = _Fates(watermark) if with_fates else None
        schedule = _Schedule(is_moved=first_at_ms is not None)
        self._origins = None if sent_at is None else deque()

        def settled(items: list[Item], times: NDArray[np.int64], following_ms: int | None) -> Batch:
            due = schedule.due(times, following_ms)
            if sent_at is not None:
                happened = times <= sent_at(due) + _MAX_FUTURE_MS
                items, times, due = self._happened(items, happened.tolist()), times[happened], due[happened]
            self._note_times(items, times)
            return _batch(items, due, fates)

        items, times = list[Item](), np.empty(0, np.int64)
        for following in self._chunks(first_at_ms):
            following_times = np.fromiter([item.timestamp_ms for item in following], np.int64, len(following))
            if items:
                yield settled(items, times, int(following_times.min()))
            items, times = following, following_times
        if items:
            yield settled(items, times, None)
        self.shortened_pauses = schedule.pauses

    def _happened(self, items: list[Item], happened: list[bool]) -> list[Item]:
        """Return the items that have happened when they are sent, or nearly, and put the others aside."""
        assert self._origins is not None
        for item, has_happened in zip(items, happened, strict=True):
            row = self._origins.popleft()
            if isinstance(item, Event) and not has_happened:
                detail = f"{_TOO_LATE}: {iso_timestamp(item.timestamp_ms)} once it is moved in time"
                error = BadRow(str(_TOO_LATE), detail)
                self.summary.events -= 1
                self.summary.put_aside(row.number, error)
                self._keep(row, error)
        return [item for item, has_happened in zip(items, happened, strict=True) if has_happened]

    def _note_times(self, items: list[Item], times: NDArray[np.int64]) -> None:
        """Count the times of events; what was refused has none that counts."""
        if self.summary.sent_refused:
            times = np.array([item.timestamp_ms for item in items if isinstance(item, Event)], np.int64)
        if len(times):
            self.summary.saw(int(times.min()), int(times.max()))

    def _chunks(self, first_at_ms: int | None) -> Iterator[list[Item]]:
        chunk: list[Item] = []
        for item in self._items(first_at_ms):
            chunk.append(item)
            if len(chunk) >= _ROWS_A_BATCH:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _items(self, first_at_ms: int | None) -> Iterator[Item]:
        shift_ms = None if first_at_ms is not None else 0
        summary, outcomes_of, pseudonyms, limit = self.summary, self._reader.outcomes, self._pseudonyms, self._limit
        for row in self._rows:
            summary.rows += 1
            if shift_ms is None:
                assert first_at_ms is not None
                recorded_ms = _first_time(outcomes_of(row))
                shift_ms = None if recorded_ms is None else first_at_ms - recorded_ms
            for outcome in outcomes_of(row, shift_ms or 0):
                if isinstance(outcome, Event):
                    summary.events += 1
                    if self._origins is not None:
                        self._origins.append(row)
                    yield outcome if pseudonyms is None else outcome._replace(user_id=pseudonyms.of(outcome.user_id))
                    if summary.events == limit:
                        return
                elif isinstance(outcome, SkippedRow):
                    summary.skip(str(outcome))
                else:
                    summary.put_aside(row.number, outcome)
                    self._keep(row, outcome)
                    refused = self._refused(outcome)
                    if refused is not None:
                        summary.sent_refused += 1
                        if self._origins is not None:
                            self._origins.append(row)
                        yield refused

    def _refused(self, error: BadRow) -> Refused | None:
        """Return the message of a refused event; None where none is sent.

        A message must be able to say what the row says. Under pseudonyms a user that breaks a limit is none.
        """
        if not self._send_refused or not isinstance(error, RefusedEvent):
            return None
        event, fault = error.event, error.fault
        texts = "".join((event.user_id, event.product_id, event.product_category, event.session_id or ""))
        is_sayable = (
            fault.rule is not Rule.NOT_UTF8
            and fault.field != "timestamp"
            and -_LONG <= (event.price_minor or 0) < _LONG
            and len(texts) + len(event.currency or "") <= _LONGEST_SENT
            and not any("\ud800" <= one <= "\udfff" for one in texts + (event.currency or ""))
        )
        if not is_sayable or (self._pseudonyms is not None and fault.field == "user_id"):
            return None
        user = event.user_id if self._pseudonyms is None else self._pseudonyms.of(event.user_id)
        return Refused(event._replace(user_id=user), user, event.timestamp_ms)


def _first_time(outcomes: tuple[Outcome, ...]) -> int | None:
    for outcome in outcomes:
        if isinstance(outcome, Event):
            return outcome.timestamp_ms
        if isinstance(outcome, RefusedEvent):
            return outcome.event.timestamp_ms
    return None


class _Schedule:
    """When rows are sent: as they happened, in the file's order, so that the newest so far is waited for.

    A row far ahead of a later one is sent without waiting, and a pause of days is shortened. Rows that are
    moved to now keep their pauses, for they must not be sent before they happen.
    """

    def __init__(self, *, is_moved: bool) -> None:
        self.is_moved = is_moved
        self.pauses = 0
        self._newest_ms: int | None = None
        self._saved_ms = 0

    def due(self, times: NDArray[np.int64], following_ms: int | None) -> NDArray[np.int64]:
        """Return when to send rows that happened at `times`; the earliest of the next rows is `following_ms`."""
        earliest_after = np.minimum.accumulate(times[::-1])[::-1]
        if following_ms is not None:
            earliest_after = np.minimum(earliest_after, following_ms)
        due = np.where(times - earliest_after > _AHEAD_MS, earliest_after, times)
        before = int(due[0]) if self._newest_ms is None else self._newest_ms
        due = np.maximum(np.maximum.accumulate(due), before)
        self._newest_ms = int(due[-1])
        if self.is_moved:
            return due
        pauses = np.diff(due, prepend=before)
        excess = np.maximum(pauses - _LONGEST_PAUSE_MS, 0)
        self.pauses += int(np.count_nonzero(excess))
        moved: NDArray[np.int64] = due - self._saved_ms - np.cumsum(excess)
        self._saved_ms += int(excess.sum())
        return moved


class _Fates:
    """What a reader will make of events that a file holds as they are."""

    def __init__(self, watermark: timedelta) -> None:
        self._watermark_ms = round(watermark / timedelta(milliseconds=1))
        self._seen: dict[str, Fate] = {}
        self._newest_ms = 0

    def of(self, item: Item) -> Fate:
        if not isinstance(item, Event):
            return Fate.ON_TIME
        before = self._seen.get(item.event_id)
        if before is not None:
            return Fate.DUPLICATE_LATE if before is Fate.LATE else Fate.DUPLICATE
        behind = self._newest_ms - item.timestamp_ms
        self._newest_ms = max(self._newest_ms, item.timestamp_ms)
        fate = Fate.ON_TIME if behind <= 0 else Fate.OUT_OF_ORDER if behind <= self._watermark_ms else Fate.LATE
        self._seen[item.event_id] = fate
        return fate


def _batch(items: list[Item], due: NDArray[np.int64], fates: _Fates | None) -> Batch:
    return Batch(items, due, None if fates is None else np.array([fates.of(item) for item in items], np.uint8))
