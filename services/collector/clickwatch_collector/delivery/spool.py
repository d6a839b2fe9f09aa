"""Messages on this machine's disk, in order, until Kafka has them.

Segment files hold frames: length and CRC-32 in four bytes each, then the message. What was appended is on the disk
before `append` returns (fsync). A frame that a kill cut short is the last of its file, and nobody was promised it, so
it is cut off at the next start. `position` names the first frame that Kafka does not have yet. A kill between a
delivery and its mark sends some messages twice, which readers drop by `event_id`.
"""

import fcntl
import json
import os
import struct
import threading
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import structlog
from clickwatch_service import UserError

log = structlog.get_logger()

_HEADER = struct.Struct(">II")
_SEGMENT_BYTES = 16 * 1024 * 1024
_SUFFIX = ".spool"


class SpoolFull(Exception):
    """The spool has no room left, or its disk has none."""


class Position(NamedTuple):
    """A place in the spool: the number of a segment, and the first byte after what was read of it."""

    segment: int
    offset: int


class Spool:
    """The spool of one folder. Any thread may call it."""

    def __init__(self, folder: Path, max_bytes: int, segment_bytes: int = _SEGMENT_BYTES) -> None:
        """Open the spool, and cut off what a kill left unfinished.

        Args:
            folder: is made where it is missing. One process at a time has it.
            max_bytes: how much may wait.
            segment_bytes: where a new file is begun.

        Raises:
            UserError: the folder cannot be used, or another collector uses it.
        """
        self._folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = segment_bytes
        self._lock = threading.Lock()
        self._has_unread = threading.Event()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(self._folder_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._open()
        except BlockingIOError:
            raise UserError(
                f"COLLECTOR_SPOOL_DIR={str(folder)!r}: another collector uses it: give each one a folder of its own"
            ) from None
        except OSError as error:
            raise UserError(
                f"COLLECTOR_SPOOL_DIR={str(folder)!r}: cannot be used ({error.strerror}): choose a folder that can be "
                "written to"
            ) from None

    def _open(self) -> None:
        numbers = sorted(int(file.stem) for file in self._folder.glob(f"*{_SUFFIX}"))
        self._read = self._stored_position(numbers)
        for number in [one for one in numbers if one < self._read.segment]:
            self._file(number).unlink()
        numbers = [one for one in numbers if one >= self._read.segment]
        self._sizes = {}
        for number in numbers:
            self._sizes[number] = self._sound_bytes(number)
        self._segment = max([*numbers, self._read.segment])
        self._sizes.setdefault(self._segment, 0)
        self._out = self._opened(self._segment)
        if self._has_more():
            self._has_unread.set()

    def _stored_position(self, numbers: list[int]) -> Position:
        try:
            stored = json.loads((self._folder / "position").read_text("utf-8"))
            position = Position(int(stored["segment"]), int(stored["offset"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return Position(min(numbers, default=1), 0)
        # Segments may be gone whose end could not be kept.
        return max(position, Position(min(numbers, default=position.segment), 0))

    def _sound_bytes(self, number: int) -> int:
        """Return where the last whole frame ends, and cut off what follows."""
        file = self._file(number)
        data = file.read_bytes()
        end = self._read.offset if number == self._read.segment else 0
        end = min(end, len(data))
        while (frame := _frame_at(data, end)) is not None:
            end += _HEADER.size + len(frame)
        if end < len(data):
            log.warning("spool_end_cut_off", file=file.name, bytes=len(data) - end)
            os.truncate(file, end)
        return end

    def _opened(self, number: int) -> int:
        descriptor = os.open(self._file(number), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.fsync(self._folder_fd)
        return descriptor

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:012d}{_SUFFIX}"

    @property
    def size_bytes(self) -> int:
        """How many bytes wait."""
        with self._lock:
            return self._waiting()

    @property
    def max_bytes(self) -> int:
        """How many may."""
        return self._max_bytes

    @property
    def is_empty(self) -> bool:
        """Whether Kafka has all that was ever appended."""
        return not self._has_unread.is_set()

    def wait(self, timeout_seconds: float) -> bool:
        """Return once something waits, or after the timeout; whether something waits."""
        return self._has_unread.wait(timeout_seconds)

    def room_for(self, size: int) -> bool:
        """Whether so many bytes more may wait."""
        with self._lock:
            return self._waiting() + size <= self._max_bytes

    def append(self, messages: Iterable[bytes]) -> None:
        """Return once the messages are on the disk, all of them.

        Raises:
            SpoolFull: there is no room; none of them is.
        """
        data = b"".join(_HEADER.pack(len(one), zlib.crc32(one)) + one for one in messages)
        with self._lock:
            if self._waiting() + len(data) > self._max_bytes:
                raise SpoolFull(f"the spool holds {self._waiting()} of at most {self._max_bytes} bytes")
            if self._sizes[self._segment] >= self._segment_bytes:
                self._begin_segment()
            before = self._sizes[self._segment]
            try:
                _write_all(self._out, data)
                os.fdatasync(self._out)
            except OSError as error:
                # What is on the disk of it may be anything, so it is taken back.
                os.ftruncate(self._out, before)
                raise SpoolFull(f"the spool's disk takes nothing more ({error.strerror})") from error
            self._sizes[self._segment] = before + len(data)
            self._has_unread.set()

    def _begin_segment(self) -> None:
        try:
            fresh = self._opened(self._segment + 1)
        except OSError as error:
            raise SpoolFull(f"the spool's disk takes nothing more ({error.strerror})") from error
        os.close(self._out)
        self._out = fresh
        self._segment += 1
        self._sizes[self._segment] = 0

    def unread(self, most: int) -> tuple[list[bytes], Position]:
        """Return the next messages in order, at most so many, and the position after them."""
        with self._lock:
            place, ends = self._read, dict(self._sizes)
        found: list[bytes] = []
        segment, offset = place
        while len(found) < most:
            end = ends.get(segment, 0)
            if offset >= end:
                if segment + 1 not in ends:
                    break
                segment, offset = segment + 1, 0
                continue
            offset = self._read_segment(segment, offset, end, most, found)
        return found, Position(segment, offset)

    def _read_segment(self, segment: int, offset: int, end: int, most: int, found: list[bytes]) -> int:
        with self._file(segment).open("rb") as file:
            file.seek(offset)
            while offset < end and len(found) < most:
                length, checksum = _HEADER.unpack(file.read(_HEADER.size))
                message = file.read(length)
                offset += _HEADER.size + length
                if zlib.crc32(message) == checksum:
                    found.append(message)
                else:
                    log.error("spool_frame_damaged", segment=segment, offset=offset, bytes=length)
        return offset

    def mark(self, position: Position) -> None:
        """Remember that Kafka has everything before a position, and delete what is not needed any more.

        Where the disk does not take the position, this goes on without: a kill then lets messages be sent again.
        """
        try:
            self._keep(position)
        except OSError as error:
            log.warning("spool_position_not_kept", reason=error.strerror)
        with self._lock:
            self._read = position
            for number in [one for one in self._sizes if one < position.segment]:
                self._file(number).unlink(missing_ok=True)
                del self._sizes[number]
            if not self._has_more():
                self._has_unread.clear()

    def _keep(self, position: Position) -> None:
        draft = self._folder / "position.unfinished"
        with draft.open("w", encoding="utf-8") as file:
            json.dump(position._asdict(), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / "position")
        os.fsync(self._folder_fd)

    def close(self) -> None:
        """Leave the folder to another process."""
        os.close(self._out)
        os.close(self._folder_fd)

    def _has_more(self) -> bool:
        return self._segment > self._read.segment or self._sizes[self._segment] > self._read.offset

    def _waiting(self) -> int:
        return sum(self._sizes.values()) - min(self._read.offset, self._sizes.get(self._read.segment, 0))


def _frame_at(data: bytes, at: int) -> bytes | None:
    if at + _HEADER.size > len(data):
        return None
    length, checksum = _HEADER.unpack_from(data, at)
    message = data[at + _HEADER.size : at + _HEADER.size + length]
    return message if len(message) == length and zlib.crc32(message) == checksum else None


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
