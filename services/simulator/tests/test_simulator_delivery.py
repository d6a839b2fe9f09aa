"""The way from batches to outputs, and its pace."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest
from clickwatch_events import Event, EventType
from clickwatch_service import UserError
from clickwatch_simulator.delivery import deliver
from clickwatch_simulator.pacing import FullSpeed, RecordedSpeed, WallClock
from clickwatch_simulator.progress import Progress
from clickwatch_simulator.scenarios import Batch, Item

START_MS = 1_748_736_030_000  # half a minute after midnight
MINUTE_MS = 60_000


def event(at_ms: int) -> Event:
    return Event("6b0e7e0e-6f1e-4b7e-8a53-9d2a6c1f0b11", "user_1", "product_1", "tablets", EventType.VIEW, at_ms)


def batch(*offsets_ms: int) -> Batch:
    times = [START_MS + offset for offset in offsets_ms]
    return Batch([event(at) for at in times], np.array(times, dtype=np.int64), None)


@dataclass
class Recorder:
    """Both outputs: what was taken and when it was flushed."""

    calls: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)

    def send(self, items: list[Item]) -> None:
        self.calls.append(f"send {len(items)}")
        self.times += [item.timestamp_ms - START_MS for item in items]

    def write(self, items: list[Item]) -> None:
        self.send(items)

    def flush(self) -> None:
        self.calls.append("flush")


class Clock:
    """A stop event whose waiting moves the time."""

    def __init__(self, stop_at: float = float("inf")) -> None:
        self.now = START_MS / 1000
        self.stop_at = stop_at

    def is_set(self) -> bool:
        return self.now >= self.stop_at

    def wait(self, timeout: float) -> bool:
        self.now += timeout
        return self.is_set()

    def read(self) -> float:
        return self.now


def run(batches: list[Batch], pace: WallClock | FullSpeed | RecordedSpeed, recorder: Recorder) -> bool:
    with Progress("events", None) as progress:
        return deliver(batches, pace, progress, recorder, None, None)


def test_everything_is_sent_in_order_and_flushed_at_the_end() -> None:
    recorder = Recorder()

    finished = run([batch(0, 1, 2), batch(3)], FullSpeed(threading.Event()), recorder)

    assert finished
    assert recorder.calls == ["send 3", "send 1", "flush"]
    assert recorder.times == [0, 1, 2, 3]


def test_at_full_speed_nothing_is_sent_before_what_happened_two_minutes_earlier_is_acknowledged() -> None:
    recorder = Recorder()
    minutes = batch(*(minute * MINUTE_MS for minute in range(7)))

    run([minutes], FullSpeed(threading.Event()), recorder)

    assert recorder.calls == ["send 2", "flush", "send 2", "flush", "send 2", "flush", "send 1", "flush"]


def test_a_stop_ends_the_run_with_a_flush() -> None:
    stop = threading.Event()
    stop.set()
    recorder = Recorder()

    assert not run([batch(0)], FullSpeed(stop), recorder)
    assert recorder.calls == ["flush"]


def test_a_source_that_breaks_off_is_reported_after_what_came_before_is_safe() -> None:
    def breaking() -> Iterator[Batch]:
        yield batch(0)
        raise UserError("the file is damaged")

    recorder = Recorder()

    with pytest.raises(UserError, match="damaged"), Progress("events", None) as progress:
        deliver(breaking(), FullSpeed(threading.Event()), progress, recorder, None, None)

    assert recorder.calls == ["send 1", "flush"]


def test_by_the_wall_clock_the_past_is_caught_up_with_at_once_and_the_future_waits() -> None:
    clock = Clock()
    recorder = Recorder()
    pace = WallClock(clock, clock.read)  # type: ignore[arg-type]  # a stand-in for threading.Event

    run([batch(-3000, -2000, 0, 500, 1500)], pace, recorder)

    assert recorder.calls == ["send 3", "send 1", "send 1", "flush"]
    assert clock.now * 1000 - START_MS == pytest.approx(1500, abs=10)


def test_a_stop_ends_the_waiting() -> None:
    clock = Clock(stop_at=START_MS / 1000 + 5)
    recorder = Recorder()
    pace = WallClock(clock, clock.read)  # type: ignore[arg-type]  # a stand-in for threading.Event

    assert not run([batch(0, 3_600_000)], pace, recorder)
    assert recorder.times == [0]


def test_at_recorded_speed_times_ten_ten_seconds_take_one() -> None:
    clock = Clock()
    recorder = Recorder()
    pace = RecordedSpeed(clock, 10.0, clock.read)  # type: ignore[arg-type]  # a stand-in for threading.Event

    run([batch(0, 10_000), batch(20_000)], pace, recorder)

    assert recorder.times == [0, 10_000, 20_000]
    assert clock.now * 1000 - START_MS == pytest.approx(2000, abs=20)
