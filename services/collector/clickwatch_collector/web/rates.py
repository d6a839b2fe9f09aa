"""How many events a second a key may send: a bucket of tokens for each."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

MOST_EVENTS = 500
"""Of one request."""


@dataclass
class _Bucket:
    tokens: float
    seen: float


class Rates:
    """The buckets of all keys. A bucket holds what two seconds bring, and one full request at least."""

    def __init__(self, per_second: float, clock: Callable[[], float] = monotonic) -> None:
        """Let each key send so many events a second."""
        self._per_second = per_second
        self._most = max(2 * per_second, MOST_EVENTS)
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def take(self, key: str, events: int) -> float:
        """Take so many tokens, and return 0; where there are not enough, take none and return the seconds to wait."""
        now = self._clock()
        bucket = self._buckets.setdefault(key, _Bucket(self._most, now))
        bucket.tokens = min(self._most, bucket.tokens + (now - bucket.seen) * self._per_second)
        bucket.seen = now
        if bucket.tokens < events:
            return (events - bucket.tokens) / self._per_second
        bucket.tokens -= events
        return 0.0
