"""A day's log: finding it, counting its lines, and picking lines out by their place."""

import gzip
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO, cast

from clickwatch_service import UserError

from clickwatch_batch.input.log_content import HEAD_BYTES, why_no_lines, why_not_gzip
from clickwatch_batch.input.stamp import Stamp
from clickwatch_batch.input.storage import Location

MAX_LINE_BYTES = 1 << 20
"""A longer line is no event: engines hold whole lines in memory and stop at some length of their own."""

_CHUNK_BYTES = MAX_LINE_BYTES  # so that a line inside one chunk is never too long
_PLACEHOLDER = b"!\n"  # as malformed as the line it stands for


@dataclass(frozen=True)
class LogFile:
    """A day's log as it was when counted.

    Attributes:
        place: where it lies; `.gz` is read through gzip.
        stamp: its size and when it was last written.
        lines: all its lines, blank ones too; the last may lack its newline.
        too_long: numbers of the lines beyond MAX_LINE_BYTES, the first line is 1.
    """

    place: Location
    stamp: Stamp
    lines: int
    too_long: tuple[int, ...]


def find_log(logs: Location, day: date) -> Location:
    """Return the log of a day.

    Raises:
        UserError: there is none, or one plain and one compressed.
    """
    plain = logs / f"clickstream_{day}.jsonl"
    compressed = logs / f"clickstream_{day}.jsonl.gz"
    found = [place for place in (plain, compressed) if place.exists()]
    if not found:
        raise UserError(
            f"{plain}: no input for {day}, there is no such file (nor {compressed.name}); "
            "bring the day's log there, or point LOGS_URL to the folder that holds it, or DATA_DIR to the one above"
        )
    if len(found) == 2:
        raise UserError(f"{plain}: lies beside {compressed.name}; keep the one that is {day}'s log")
    return found[0]


def refuse_other_content(place: Location) -> None:
    """Make sure by its first bytes that a file may hold lines, so that no packed file passes for malformed ones.

    Raises:
        UserError: it holds something else, which the message names, or cannot be read.
    """
    try:
        with place.opened() as file:
            head = file.read(HEAD_BYTES)
    except OSError as error:
        raise UserError(f"{place}: cannot be read: {error}") from None
    if place.name.endswith(".gz"):
        reason = why_not_gzip(head)
        if reason is None:
            with _opened(place) as log:
                reason = why_no_lines(log.read(HEAD_BYTES))
    else:
        reason = why_no_lines(head)
    if reason is not None:
        raise UserError(f"{place}: {reason}")


def count_lines(place: Location) -> LogFile:
    """Return the log with its lines counted.

    Raises:
        UserError: it cannot be read, holds nothing, or something else than lines.
    """
    refuse_other_content(place)
    stamp = place.stamp()
    if stamp is None:
        raise UserError(f"{place}: cannot be read: there is no such file")
    lines = 0
    too_long: list[int] = []
    open_bytes = 0  # of the line that the last chunk left unfinished
    with _opened(place) as log:
        while chunk := log.read(_CHUNK_BYTES):
            newlines = chunk.count(b"\n")
            if newlines == 0:
                open_bytes += len(chunk)
                continue
            if open_bytes + chunk.find(b"\n") > MAX_LINE_BYTES:
                too_long.append(lines + 1)
            lines += newlines
            open_bytes = len(chunk) - 1 - chunk.rfind(b"\n")
    if open_bytes > 0:
        lines += 1
        if open_bytes > MAX_LINE_BYTES:
            too_long.append(lines)
    if lines == 0:
        raise UserError(f"{place}: no input for the day, the file is empty; bring the day's log there")
    return LogFile(place, stamp, lines, tuple(too_long))


def refuse_if_changed(log: LogFile) -> None:
    """Make sure that the file is still the one that was counted.

    Raises:
        UserError: it has been written to since.
    """
    if log.place.stamp() != log.stamp:
        raise UserError(f"{log.place}: was written to while it was read; run the day again when its log is complete")


def frozen_copy(place: Location, folder: Path) -> Location:
    """Return a copy of a log that grows, with the whole lines that it has now.

    What is packed, and what lies in a store, is returned as it is: neither is written to line by line.
    """
    if place.path is None or place.name.endswith(".gz"):
        return place
    copy = folder / place.name
    with _opened(place) as log, copy.open("w+b") as out:
        shutil.copyfileobj(log, out, _CHUNK_BYTES)
        # The last line may be written to in this moment: it ends at the newline before it.
        end = out.tell()
        while end > 0:
            start = max(0, end - _CHUNK_BYTES)
            out.seek(start)
            newline = out.read(end - start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        out.truncate(end)
    return Location(str(copy))


def readable_log(log: LogFile, spill_dir: Path) -> Location:
    """Return a file with the same lines in the same places that an engine of this machine can read.

    That is the log itself, unless it holds lines too long for an engine: then a copy in `spill_dir`
    in which a malformed placeholder stands for each of them.
    """
    if not log.too_long:
        return log.place
    copy = spill_dir / log.place.name.removesuffix(".gz")
    too_long = frozenset(log.too_long)
    with copy.open("wb") as out:
        for number, line in _numbered_lines(log.place):
            out.write(_PLACEHOLDER if number in too_long else line + b"\n")
    return Location(str(copy))


def lines_at(log: LogFile, places: Iterable[int], blank_lines: int) -> Iterator[tuple[int, bytes]]:
    """Yield number and bytes of each blank line and of each line at `places`, in the order of the file.

    A line beyond MAX_LINE_BYTES is cut one byte after it.

    Args:
        log: the log.
        places: ascending; 0 is the first line that is not blank, as engines count.
        blank_lines: how many lines are blank; none lets most of the file pass unsplit.
    """
    remaining = iter(places)
    wanted = next(remaining, None)
    if blank_lines == 0:
        for first_number, chunk in _whole_line_chunks(log.place):
            newlines = chunk.count(b"\n")
            lines: list[bytes] | None = None
            while wanted is not None and wanted + 1 < first_number + newlines:
                lines = chunk.split(b"\n") if lines is None else lines
                yield wanted + 1, lines[wanted + 1 - first_number][: MAX_LINE_BYTES + 1]
                wanted = next(remaining, None)
            if wanted is None:
                return
        return
    place = 0
    for number, line in _numbered_lines(log.place):
        if not line.strip():
            yield number, line
        else:
            if place == wanted:
                yield number, line
                wanted = next(remaining, None)
            place += 1


def _numbered_lines(place: Location) -> Iterator[tuple[int, bytes]]:
    """Yield each line without its newline, cut at MAX_LINE_BYTES + 1; the first has number 1."""
    for first_number, chunk in _whole_line_chunks(place):
        lines = chunk.split(b"\n")
        for offset, line in enumerate(lines[:-1]):
            yield first_number + offset, line[: MAX_LINE_BYTES + 1]


def _whole_line_chunks(place: Location) -> Iterator[tuple[int, bytes]]:
    """Yield the number of a first line and the bytes of some whole lines, each ended by a newline.

    Of a line beyond MAX_LINE_BYTES only its beginning is held in memory.
    """
    number = 1
    rest = b""
    with _opened(place) as log:
        while chunk := log.read(_CHUNK_BYTES):
            end = chunk.rfind(b"\n") + 1
            if end == 0:
                if len(rest) <= MAX_LINE_BYTES:
                    rest += chunk
                continue
            whole = rest + chunk[:end]
            yield number, whole
            number += whole.count(b"\n")
            rest = chunk[end:]
    if rest:
        yield number, rest + b"\n"


@contextmanager
def _opened(place: Location) -> Iterator[BinaryIO]:
    try:
        with place.opened() as file:
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if place.name.endswith(".gz") else file
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{place}: cannot be read: {error}") from None
