"""Whether the parts of a service move while work waits for them. Pure: no clock, no server.

A part stands still where work waits, the servers that it needs answer a new connection, and all the same it
has not moved for longer than it may take. Where such a server is away the part waits for it, which is no
standstill: beginning anew would not help.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

SLOWEST_PER_SECOND = 10_000
"""Messages a second that a backlog is drained at, at least; ours drain ten times as many."""


class Standing(StrEnum):
    """How a part does."""

    WORKS = "works"
    WAITS = "waits"
    STANDS_STILL = "stands still"


@dataclass(frozen=True)
class Glimpse:
    """What was seen of a part.

    Attributes:
        mark: changes whenever the part moves.
        unread: messages that wait for it; 0 where it has nothing to do, 1 where it always has.
        away: a server that it needs and that does not answer a new connection; None: all answer.
        pause: how long it may rest by design, on top of the limit.
    """

    mark: object
    unread: int
    away: str | None = None
    pause: timedelta = timedelta(0)


@dataclass(frozen=True)
class PartStanding:
    """How a part did at a look.

    Attributes:
        standing: see there.
        seconds: since it last moved or had nothing to do.
        limit_seconds: how long that may be.
        unread: messages that wait for it.
        away: the server that it waits for.
    """

    standing: Standing
    seconds: float
    limit_seconds: float
    unread: int
    away: str | None

    @property
    def why(self) -> str:
        """One line for people; empty where it works."""
        match self.standing:
            case Standing.WORKS:
                return ""
            case Standing.WAITS:
                return f"waits for {self.away}, which does not answer"
        return f"has not moved for {self.seconds:.0f} s while work waits for it"


@dataclass
class _Part:
    mark: object
    moved: float
    """When it last moved or had nothing to do."""
    counted_from: float
    """The same, or when the server it needs last was away."""
    allowance: float
    """Seconds that the messages that waited then may take."""


class Standings:
    """Remembers when each part last moved."""

    def __init__(self, limit: timedelta) -> None:
        """A part stands still after `limit`, its pause, and the time that its backlog may take."""
        self._limit = limit.total_seconds()
        self._parts: dict[str, _Part] = {}

    def after(self, glimpses: Mapping[str, Glimpse], now: float) -> dict[str, PartStanding]:
        """How each part does, with what was seen of it at `now` (seconds of a clock that never goes back)."""
        return {name: self._after(name, glimpse, now) for name, glimpse in glimpses.items()}

    def _after(self, name: str, glimpse: Glimpse, now: float) -> PartStanding:
        part = self._parts.get(name)
        if part is None or part.mark != glimpse.mark or not glimpse.unread:
            part = self._parts[name] = _Part(glimpse.mark, now, now, glimpse.unread / SLOWEST_PER_SECOND)
        if glimpse.away is not None:
            part.counted_from = now
        limit = self._limit + glimpse.pause.total_seconds() + part.allowance
        if glimpse.away is not None:
            standing = Standing.WAITS
        elif now - part.counted_from >= limit:
            standing = Standing.STANDS_STILL
        else:
            standing = Standing.WORKS
        return PartStanding(standing, now - part.moved, limit, glimpse.unread, glimpse.away)
