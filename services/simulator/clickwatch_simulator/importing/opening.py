"""A file as text, whatever it is packed with and however it is encoded: told by its first bytes, not by its name."""

import bz2
import codecs
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard
from clickwatch_service import UserError

SAMPLE_BYTES = 1 << 18
_BUFFER_BYTES = 1 << 20

_Unpack = Callable[[BinaryIO], "_Readable"]
_PACKED: dict[str, tuple[bytes, _Unpack]] = {
    "gzip": (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    "zstd": (
        b"\x28\xb5\x2f\xfd",
        lambda file: zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True, closefd=False),
    ),
    "bzip2": (b"BZh", lambda file: bz2.BZ2File(file)),
    "xz": (b"\xfd7zXZ\0", lambda file: lzma.LZMAFile(file)),  # noqa: SIM115  # closing the file below it is enough
}
_NO_TEXT = {
    b"PK\x03\x04": "a zip archive or a spreadsheet (xlsx): unpack it, or export it as CSV",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet (xls): export it as CSV",
    b"PAR1\x15": "a Parquet file: export it as JSON lines or CSV",
    b"ORC\x08": "an ORC file: export it as JSON lines or CSV",
    b"ORC\x0a": "an ORC file: export it as JSON lines or CSV",
    b"Obj\x01": "an Avro file: export it as JSON lines",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
    b"\x04\x22\x4d\x18": "packed with lz4: unpack it",
    b"%PDF": "a PDF: export the data as CSV",
    b"SQLite format 3": "a SQLite database: export a table as CSV",
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = re.compile(
    "[\u20ac\u201a\u201e\u2026\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u2122\u0160\u0161\u0152\u0153\u017d\u017e\u0178"
    "\xa0\xa1\xa3\xa7\xa9\xaa\xab\xae\xb0\xb2\xb3\xb4\xb5\xb7\xba\xbb\xbd\xbf"
    "\xc0-\xcf\xd1-\xd6\xd8-\xdd\xdf-\xef\xf1-\xf6\xf8-\xfd]*"
)
"""Characters that Western European texts use: bytes that are all of them are text, others are damage."""
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError, zstandard.ZstdError)
"""What the packed formats raise for a file that is cut off or broken."""


@dataclass(frozen=True)
class Opened:
    """A file, ready to be read.

    Attributes:
        text: what it holds. Bytes that the encoding does not know come through as surrogates or U+FFFD.
        sample: its beginning.
        packing: how it is packed, such as gzip; empty for a plain file.
        encoding: its encoding's name.
        encoding_is_guessed: whether the bytes only fit this encoding and do not prove it.
    """

    text: io.TextIOWrapper
    sample: str
    packing: str
    encoding: str
    encoding_is_guessed: bool


@contextmanager
def opened(path: Path, encoding: str | None = None) -> Iterator[Opened]:
    """Open a file for the length of the block.

    Args:
        path: a file or a pipe.
        encoding: a name that Python knows, where the file is known not to tell.

    Raises:
        UserError: it cannot be read, is empty, holds no text, or no encoding has that name.
    """
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except LookupError:
            raise UserError(f"--encoding={encoding}: not known: give a name such as utf-8 or cp1252") from None
    try:
        file = io.BufferedReader(io.FileIO(path), _BUFFER_BYTES)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): check the path and its permissions") from None
    with file:
        packing = _packing(file.peek(16))
        unpacked: _Readable = _PACKED[packing][1](file) if packing else file
        try:
            sample = unpacked.read(SAMPLE_BYTES)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
        except DAMAGE as error:
            raise UserError(f"{path}: says it is packed with {packing}, but is damaged ({error})") from None
        if not sample.strip():
            raise UserError(f"{path}: empty: nothing to replay")
        kind = next((words for magic, words in _NO_TEXT.items() if sample.startswith(magic)), None)
        if kind is not None:
            raise UserError(f"{path}: is {kind}")
        found, is_guessed = (encoding, False) if encoding is not None else encoding_of(sample)
        errors = "replace" if found.startswith(("utf-16", "utf-32")) else "surrogateescape"
        binary = io.BufferedReader(_Again(sample, unpacked), _BUFFER_BYTES)
        yield Opened(
            io.TextIOWrapper(binary, encoding=found, errors=errors, newline=""),
            codecs.getincrementaldecoder(found)(errors).decode(sample),
            packing,
            {"utf-8-sig": "UTF-8"}.get(found, found.upper().replace("CP", "cp")),
            is_guessed,
        )


def encoding_of(sample: bytes) -> tuple[str, bool]:
    """Return the encoding of a text by its first bytes, and whether that is a guess."""
    for mark, encoding in _MARKS:
        if sample.startswith(mark):
            return encoding, False
    even, odd = sample[:4096:2], sample[1:4096:2]
    if sample[:4096].count(0) > len(sample[:4096]) // 3:
        for encoding, zeros in (("utf-16-le", odd), ("utf-16-be", even)):
            if zeros.count(0) > len(zeros) * 2 // 3 and zeros.count(0) > 4 * (
                even.count(0) + odd.count(0) - zeros.count(0)
            ):
                return encoding, True
    text = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode(sample)
    if not any(character > "\x7f" for character in text):
        return "utf-8", False
    others = [character for character in text if character > "\x7f"]
    strange = bytes(ord(character) - 0xDC00 for character in others if "\udc80" <= character <= "\udcff")
    # Sound characters of several bytes prove UTF-8: what else there is, is damage.
    is_western = len(strange) == len(others) and _WESTERN.fullmatch(strange.decode("cp1252", "replace")) is not None
    return ("cp1252", True) if is_western else ("utf-8", False)


def _packing(head: bytes) -> str:
    return next((name for name, (magic, _) in _PACKED.items() if head.startswith(magic)), "")


class _Readable(Protocol):
    """Where bytes come from."""

    def read(self, size: int, /) -> bytes: ...


class _Again(io.RawIOBase):
    """Bytes that were read already, and then the rest of where they came from."""

    def __init__(self, head: bytes, rest: _Readable) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed has no name for a buffer here
        data = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)
