"""Mishaps on the way from the shoppers to the topic, each a share of the events.

A mishap never changes what shoppers did: a late event keeps the time at which it happened and
is *sent* later, a duplicate is the same message once more. Future clocks and poison come on
top of the events asked for. As in `shoppers.py`, everything gets a position on one axis (here:
the number of the event beside which it is sent) and leaves in order of position.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from clickwatch_events import Event, EventType, to_line
from clickwatch_events.avro import EventEncoder
from clickwatch_service import UserError
from numpy.typing import NDArray

from clickwatch_simulator.poison import KINDS, Poison, Refused, Sound, poison
from clickwatch_simulator.shoppers import Block, Shop, uuids

_OUT_OF_ORDER_SECONDS = (30.0, 270.0)
"""Sent that much later: out of order beyond doubt, and within the five minutes that always count."""
_DUPLICATE_SECONDS = 5.0
_FUTURE_MS = 50 * 365 * 86_400_000
"""A clock that runs fifty years ahead is ahead of every broker's clock, also in a run about last year."""
_FUTURE_SPREAD_MS = 3 * 86_400_000
_LEAST_LATE_EVENTS_BETWEEN = 200
"""So many events after a late one's windows have closed see to it that each partition knows of it."""


class Fate(IntEnum):
    """What became of an event; the ledger counts by it."""

    ON_TIME = 0
    OUT_OF_ORDER = 1
    LATE = 2
    FUTURE = 3
    DUPLICATE = 4
    DUPLICATE_LATE = 5


Item = Event | Poison | Refused


def schema_version(event: Event) -> int:
    """Return the version an event is written with: 1 where it has nothing that only version 2 can say."""
    return 1 if event.session_id is None and event.price_minor is None and event.currency is None else 2


class Batch(NamedTuple):
    """What to send next, in order.

    Attributes:
        items: events and poison.
        due_ms: event time at which each is sent, never decreasing.
        fates: fate of each (of poison: ON_TIME, without meaning); None: all are on time.
    """

    items: list[Item]
    due_ms: NDArray[np.int64]
    fates: NDArray[np.uint8] | None


@dataclass(frozen=True)
class Mishaps:
    """How much goes wrong, as shares of the events (0 … 1).

    Attributes:
        duplicates: sent twice, the second time within seconds.
        out_of_order: sent up to five minutes after newer ones.
        late: sent `late_by` or more after they happened, when their windows have closed.
        future: additional events from a clock far ahead.
        poison: additional undecodable messages.
        late_by: how late the late ones are at least.
    """

    duplicates: float = 0.0
    out_of_order: float = 0.0
    late: float = 0.0
    future: float = 0.0
    poison: float = 0.0
    late_by: timedelta = timedelta(hours=1)

    @property
    def any(self) -> bool:
        """Whether anything goes wrong at all."""
        return any((self.duplicates, self.out_of_order, self.late, self.future, self.poison))

    def check(self, rate: float, window: timedelta, watermark: timedelta) -> None:
        """Make sure that late events are late and the others are not, whatever the partitions.

        Raises:
            UserError: an option does not fit the traffic; which, and what would.
        """
        for name in ("duplicates", "out_of_order", "late", "future", "poison"):
            if not 0 <= getattr(self, name) <= 0.5:
                raise UserError(f"--{name.replace('_', '-')}={getattr(self, name):g}: must be a share from 0 to 0.5")
        closed_after = window + watermark
        if self.late and self.late_by < closed_after + timedelta(minutes=10):
            raise UserError(
                f"--late-by={self.late_by}: must be at least {closed_after + timedelta(minutes=10)} "
                "(window, watermark and ten minutes), or a late event might still count"
            )
        between = (self.late_by - closed_after).total_seconds() * rate
        if self.late and between < _LEAST_LATE_EVENTS_BETWEEN:
            raise UserError(
                f"--late-by={self.late_by} is {between:.0f} events at {rate:g} a second: raise either until it is "
                f"{_LEAST_LATE_EVENTS_BETWEEN}, or a partition might not have moved on when a late event arrives"
            )
        if self.out_of_order and rate < 0.1:
            raise UserError(f"--rate={rate:g}: --out-of-order needs 0.1 events a second or more")
        if self.out_of_order and watermark < timedelta(minutes=10):
            raise UserError(
                f"WATERMARK={watermark}: --out-of-order sends events five minutes late: set 10 minutes or more"
            )


def untroubled(blocks: Iterable[Block], events: int | None) -> Iterator[Batch]:
    """Return the first `events` events (None: all), each on time."""
    left = events
    for block in blocks:
        taken: list[Item] = [*block.events[:left]]
        yield Batch(taken, block.times_ms[:left], None)
        if left is not None:
            left -= len(taken)
            if left == 0:
                return


def picks_before(numbers: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return how many of the events before each number are picked: ⌊number·share⌋, evenly spread."""
    return np.asarray(numbers * round(share * 1_000_000) // 1_000_000)


class _Queue:
    """Items that wait for their position."""

    def __init__(self) -> None:
        self.positions = np.empty(0)
        self.fates = np.empty(0, dtype=np.uint8)
        self.items: list[Item] = []

    def add(self, positions: NDArray[np.float64], fates: NDArray[np.uint8], items: list[Item]) -> None:
        self.positions = np.concatenate([self.positions, positions])
        self.fates = np.concatenate([self.fates, fates])
        self.items += items

    def leave(self, upto: float) -> tuple[NDArray[np.float64], NDArray[np.uint8], list[Item]]:
        """Return positions, fates and items before `upto` in order, and keep the others."""
        order = np.argsort(self.positions, kind="stable")
        cut = int(np.searchsorted(self.positions[order], upto))
        leaving, staying = order[:cut], order[cut:]
        left = (self.positions[leaving], self.fates[leaving], [self.items[at] for at in leaving.tolist()])
        self.items = [self.items[at] for at in staying.tolist()]
        self.positions, self.fates = self.positions[staying], self.fates[staying]
        return left


def troubled(
    blocks: Iterable[Block], events: int | None, shop: Shop, mishaps: Mishaps, encoders: dict[int, EventEncoder]
) -> Iterator[Batch]:
    """Return the events with their mishaps, all of them sent by the end of the run.

    Args:
        blocks: events in order of time.
        events: how many of them; None: no end. An event is late or out of order only if it can
            still be sent before the last one.
        shop: where they come from.
        mishaps: what goes wrong.
        encoders: by schema version, for poison made of good messages.
    """
    queue = _Queue()
    first = 0
    due_ms = shop.start_ms
    for number, batch in enumerate(untroubled(blocks, events)):
        rng = np.random.default_rng([shop.seed, 4, abs(shop.start_ms), number])
        _plan(queue, batch.items, first, events, shop, mishaps, encoders, rng)
        first += len(batch.items)
        at_end = events is not None and first >= events
        positions, fates, items = queue.leave(np.inf if at_end else first)
        sent_ms = shop.start_ms + (positions * (1000 / shop.rate)).astype(np.int64)
        for at in np.flatnonzero(fates == Fate.ON_TIME).tolist():
            sent_ms[at] = max(sent_ms[at], items[at].timestamp_ms)
        sent_ms = np.maximum.accumulate(np.maximum(sent_ms, due_ms))
        if len(items):
            due_ms = int(sent_ms[-1])
            yield Batch(items, sent_ms, fates)


def _plan(
    queue: _Queue,
    items: list[Item],
    first: int,
    total: int | None,
    shop: Shop,
    mishaps: Mishaps,
    encoders: dict[int, EventEncoder],
    rng: np.random.Generator,
) -> None:
    """Put events first, first+1, … and what goes with them into the queue."""
    numbers = first + np.arange(len(items), dtype=np.int64)
    # One row an event and a generator a kind of extra: a run cut short starts as the whole one.
    drawn = rng.random((len(items), 4)).T
    future_rng, poison_rng = rng.spawn(2)
    fates = np.full(len(items), Fate.ON_TIME, dtype=np.uint8)
    positions: NDArray[np.float64] = numbers.astype(np.float64)
    last = np.inf if total is None else total - 1

    shortest, longest = _OUT_OF_ORDER_SECONDS
    after = positions + (shortest + drawn[1] * (longest - shortest)) * shop.rate
    behind = (drawn[0] < mishaps.out_of_order) & (after < last)
    fates[behind], positions[behind] = Fate.OUT_OF_ORDER, after[behind]

    after = positions + mishaps.late_by.total_seconds() * (1 + 0.5 * drawn[1]) * shop.rate + 1
    late = (drawn[0] >= 1 - mishaps.late) & (after < last)
    fates[late], positions[late] = Fate.LATE, after[late]
    queue.add(positions, fates, items)

    again = np.flatnonzero(drawn[2] < mishaps.duplicates)
    queue.add(
        positions[again] + 0.25 + drawn[3][again] * _DUPLICATE_SECONDS * shop.rate,
        np.where(fates[again] == Fate.LATE, Fate.DUPLICATE_LATE, Fate.DUPLICATE).astype(np.uint8),
        [items[at] for at in again.tolist()],
    )

    for name, offset in (("future", 0.5), ("poison", 0.75)):
        picks = picks_before(np.append(numbers, numbers[-1] + 1), getattr(mishaps, name))
        chosen = np.flatnonzero(np.diff(picks))
        models = [items[at] for at in chosen.tolist()]
        if name == "future":
            extra: list[Item] = _from_future(models, future_rng)
            fate = Fate.FUTURE
        else:
            extra = _spoiled(models, int(picks[0]), encoders, poison_rng)
            fate = Fate.ON_TIME
        queue.add(numbers[chosen].astype(np.float64) + offset, np.full(len(chosen), fate, dtype=np.uint8), extra)


def _from_future(models: list[Item], rng: np.random.Generator) -> list[Item]:
    """Return one view by a fast clock for each event."""
    ids = uuids(np.frombuffer(rng.bytes(16 * len(models)), dtype=np.uint8).reshape(-1, 16))
    ahead = [_FUTURE_MS + int(event_id[:8], 16) * _FUTURE_SPREAD_MS // 2**32 for event_id in ids]
    return [
        model._replace(event_id=event_id, event_type=EventType.VIEW, timestamp_ms=model.timestamp_ms + ms)
        for model, event_id, ms in zip(models, ids, ahead, strict=True)
        if isinstance(model, Event)
    ]


def _spoiled(
    models: list[Item], before: int, encoders: dict[int, EventEncoder], rng: np.random.Generator
) -> list[Item]:
    """Return one bad message for each event, the kinds in turn after the `before` earlier ones."""
    return [
        poison(
            KINDS[(before + number) % len(KINDS)],
            Sound(encoders[schema_version(model)].encode(model), to_line(model), model.user_id),
            model.timestamp_ms,
            rng,
        )
        for number, model in enumerate(models)
        if isinstance(model, Event)
    ]
