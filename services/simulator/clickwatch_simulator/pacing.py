"""When the next messages are due."""

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_LEAST_WAIT_SECONDS = 0.002
"""Shorter waits would cost more than they bring: what falls due meanwhile goes out together."""


class WallClock:
    """An item is due as soon as its event time is not ahead of the clock.

    So a start in the past is caught up with at full speed, then the run is live.
    """

    def __init__(self, stop: threading.Event, now: Callable[[], float] = time.time) -> None:
        """Wait by `stop`, so that a stop ends the waiting."""
        self._stop = stop
        self._now = now

    def due(self, due_ms: NDArray[np.int64], at: int) -> int:
        """Wait until item `at` is due; return how far the items due now reach (`at` if stopped)."""
        while not self._stop.is_set():
            now_ms = int(self._now() * 1000)
            upto = int(np.searchsorted(due_ms, now_ms, side="right"))
            if upto > at:
                return upto
            wait = (int(due_ms[at]) - now_ms) / 1000
            self._stop.wait(min(max(wait, _LEAST_WAIT_SECONDS), 1.0))
        return at


class RecordedSpeed:
    """Items are as far apart as their times say, divided by a factor."""

    def __init__(self, stop: threading.Event, factor: float, now: Callable[[], float] = time.monotonic) -> None:
        """Go `factor` times as fast as recorded; the first item is due at once."""
        self._stop = stop
        self._factor = factor
        self._now = now
        self._first: tuple[float, int] | None = None

    def due(self, due_ms: NDArray[np.int64], at: int) -> int:
        """Wait until item `at` is due; return how far the items due now reach (`at` if stopped)."""
        if self._first is None:
            self._first = (self._now(), int(due_ms[at]))
        started, first_ms = self._first
        while not self._stop.is_set():
            now_ms = first_ms + int((self._now() - started) * 1000 * self._factor)
            upto = int(np.searchsorted(due_ms, now_ms, side="right"))
            if upto > at:
                return upto
            wait = (int(due_ms[at]) - now_ms) / 1000 / self._factor
            self._stop.wait(min(max(wait, _LEAST_WAIT_SECONDS), 1.0))
        return at


class FullSpeed:
    """Everything is due."""

    def __init__(self, stop: threading.Event) -> None:
        """Go on until `stop`."""
        self._stop = stop

    def due(self, due_ms: NDArray[np.int64], at: int) -> int:
        """Return how far the items due now reach: to the end (`at` if stopped)."""
        return at if self._stop.is_set() else len(due_ms)
