"""One run: from batches of items to the outputs, at a pace, until the end or a stop."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Protocol

import numpy as np
from clickwatch_service import UserError
from numpy.typing import NDArray

from clickwatch_simulator.ledger import Ledger
from clickwatch_simulator.progress import Progress
from clickwatch_simulator.scenarios import Batch, Fate, Item

_ITEMS_AT_ONCE = 2000
"""After so many the run looks at the stop again and reports progress."""
_BARRIER = timedelta(minutes=2)
"""Event time after which everything sent must be acknowledged before more is sent.

At full speed two simulated minutes can be a millisecond: without this, one partition could run
hours of event time ahead of another whose messages still wait in the client, and a reader would
rightly take those for late. With events at most five minutes out of order, nothing is ever more
than seven minutes behind the newest event in the topic; the watermark is ten.
"""


class Pace(Protocol):
    """Says when items are due."""

    def due(self, due_ms: NDArray[np.int64], at: int) -> int:
        """Wait until item `at` is due; return how far the items due now reach (`at` if stopped)."""
        ...


class Output(Protocol):
    """Takes messages in order."""

    def flush(self) -> None:
        """Return once everything taken is safe."""
        ...


class KafkaOutput(Output, Protocol):
    """The topic."""

    def send(self, items: list[Item]) -> None:
        """Take items."""
        ...


class LogOutput(Output, Protocol):
    """The daily log."""

    def write(self, items: list[Item]) -> None:
        """Take items."""
        ...


def deliver(
    batches: Iterable[Batch],
    pace: Pace,
    progress: Progress,
    topic: KafkaOutput | None,
    log_files: LogOutput | None,
    ledger: Ledger | None,
) -> bool:
    """Send everything; return whether it came to the end (False: it was stopped).

    Whatever was sent is acknowledged and flushed when this returns.

    Raises:
        UserError: messages were not acknowledged.
    """
    barrier = round(_BARRIER / timedelta(milliseconds=1))
    era: int | None = None
    for items, due_ms, fates in _flushed_when_broken(batches, topic, log_files):
        at = 0
        while at < len(items):
            upto = pace.due(due_ms, at)
            if upto <= at:
                _flush(topic, log_files)
                return False
            now = int(due_ms[at]) // barrier
            if era is not None and now != era and topic is not None:
                topic.flush()
            era = now
            upto = min(upto, at + _ITEMS_AT_ONCE, int(np.searchsorted(due_ms, (now + 1) * barrier)))
            chunk = items[at:upto]
            if topic is not None:
                topic.send(chunk)
            if log_files is not None:
                log_files.write(chunk)
            if ledger is not None:
                _count(ledger, chunk, None if fates is None else fates[at:upto])
            at = upto
            if progress.sent(len(chunk)) and log_files is not None:
                log_files.flush()
    _flush(topic, log_files)
    return True


def _flushed_when_broken(
    batches: Iterable[Batch], topic: KafkaOutput | None, log_files: LogOutput | None
) -> Iterator[Batch]:
    """Return the batches; if their source breaks off, what came before is safe first."""
    source = iter(batches)
    while True:
        try:
            batch = next(source, None)
        except UserError:
            _flush(topic, log_files)
            raise
        if batch is None:
            return
        yield batch


def _count(ledger: Ledger, items: list[Item], fates: NDArray[np.uint8] | None) -> None:
    if fates is None:
        for item in items:
            ledger.sent(item, Fate.ON_TIME)
    else:
        for item, fate in zip(items, fates.tolist(), strict=True):
            ledger.sent(item, Fate(fate))


def _flush(topic: KafkaOutput | None, log_files: LogOutput | None) -> None:
    if log_files is not None:
        log_files.flush()
    if topic is not None:
        topic.flush()
