"""The daily JSONL log."""

import os
from collections import OrderedDict
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from clickwatch_events import Event, to_line
from clickwatch_service import UserError

from clickwatch_simulator.ledger import day_of
from clickwatch_simulator.poison import Poison, Refused
from clickwatch_simulator.scenarios import Item

_DAY_MS = 86_400_000
_MOST_OPEN_FILES = 8


def log_file(folder: Path, day: str) -> Path:
    """Return the file of a UTC day (`YYYY-MM-DD`)."""
    return folder / f"clickstream_{day}.jsonl"


def line_of(item: Event | Poison) -> bytes:
    """Return an item's line: an event, or the malformed line that stands for a bad message."""
    return item.line if isinstance(item, Poison) else to_line(item)


class DayFiles:
    """Appends each event to the file of its UTC day; poison to the file of the day it is sent."""

    def __init__(self, folder: Path) -> None:
        """Write to `folder`, made where it is missing.

        Raises:
            UserError: it cannot be written to.
        """
        self._folder = _made(folder)
        self._open: OrderedDict[int, BinaryIO] = OrderedDict()
        self.lines = 0

    def write(self, items: list[Item]) -> None:
        """Append items, but no refused ones; they are on disk for other readers after `flush`."""
        day, lines = -1, list[bytes]()
        for item in items:
            if isinstance(item, Refused):
                continue
            item_day = item.timestamp_ms // _DAY_MS
            if item_day != day:
                self._append(day, lines)
                day, lines = item_day, []
            lines.append(line_of(item))
        self._append(day, lines)

    def flush(self) -> None:
        """Hand everything written to the operating system."""
        for file in self._open.values():
            file.flush()

    def close(self) -> None:
        """Close the files."""
        while self._open:
            self._open.popitem()[1].close()

    def _append(self, day: int, lines: list[bytes]) -> None:
        if not lines:
            return
        file = self._open.get(day)
        if file is None:
            if len(self._open) >= _MOST_OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            file = self._open[day] = _appendable(log_file(self._folder, day_of(day * _DAY_MS)))
        self._open.move_to_end(day)
        file.write(b"".join(lines))
        self.lines += len(lines)

    def __enter__(self) -> "DayFiles":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder}: cannot be made ({error.strerror}): set DATA_DIR to a folder of yours") from None
    if not os.access(folder, os.W_OK):
        raise UserError(f"{folder}: cannot be written to: set DATA_DIR to a folder of yours")
    return folder


def _appendable(path: Path) -> BinaryIO:
    """Open a log for appending; a line torn by a crash is ended first, so that it spoils no other."""
    file = path.open("a+b", buffering=1 << 20)
    if file.seek(0, 2) > 0:
        file.seek(-1, 2)
        if file.read(1) != b"\n":
            file.write(b"\n")
    return file


class ReplacedDay:
    """Writes a whole day beside its file and puts it in its place at the end, or not at all."""

    def __init__(self, folder: Path, day: str) -> None:
        """Replace the file of this UTC day (`YYYY-MM-DD`).

        Raises:
            UserError: the folder cannot be written to.
        """
        self.path = log_file(_made(folder), day)
        self._unfinished = self.path.with_name(f".{self.path.name}.unfinished")
        self._file = self._unfinished.open("wb", buffering=1 << 20)
        self.lines = 0

    def write(self, items: list[Item]) -> None:
        """Append items, which are all of this day."""
        lines = [line_of(item) for item in items if not isinstance(item, Refused)]
        self._file.write(b"".join(lines))
        self.lines += len(lines)

    def flush(self) -> None:
        """Nothing: nobody reads the day before it is whole."""

    def close(self) -> None:
        """Put the finished day in its place."""
        self._file.close()
        self._unfinished.replace(self.path)

    def __enter__(self) -> "ReplacedDay":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()
            self._unfinished.unlink()
