"""Where logs, the lake and reports lie: a path on this machine or an address such as s3://bucket/folder.

A file is replaced as a whole: a reader sees the old one or the new one, never a part.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from clickwatch_service import UserError

from clickwatch_batch.input.stamp import Stamp

if TYPE_CHECKING:
    from clickwatch_batch.input.s3 import S3Store


@dataclass(frozen=True)
class Location:
    """A file or folder, there or not.

    Attributes:
        address: a path, or `s3://bucket/path`; never with a slash at its end. Text of it is made by `str()`.
    """

    address: str

    def __str__(self) -> str:
        return self.address

    def __truediv__(self, name: str) -> "Location":
        return Location(f"{self.address}/{name}")

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.address.rpartition("/")[2]

    @property
    def path(self) -> Path | None:
        """The path on this machine; None for what lies elsewhere."""
        return None if "://" in self.address else Path(self.address)

    def stamp(self) -> Stamp | None:
        """Return size and time of the file; None where there is no such file.

        Raises:
            UserError: the store does not answer, or refuses.
        """
        if self.path is None:
            return _s3().stamp(self.address)
        if not self.path.is_file():
            return None
        status = self.path.stat()
        return Stamp(status.st_size, status.st_mtime_ns)

    def exists(self) -> bool:
        """Whether there is such a file."""
        return self.stamp() is not None

    def files(self) -> list["Location"]:
        """Return the files that lie in this folder itself, by name; none where there is no such folder."""
        if self.path is None:
            names = _s3().file_names(self.address)
        else:
            names = [file.name for file in self.path.iterdir() if file.is_file()] if self.path.is_dir() else []
        return [self / name for name in sorted(names)]

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Yield the file, to be read from its start without a buffer.

        Raises:
            OSError: there is none, or it cannot be read.
        """
        if self.path is None:
            with _s3().opened(self.address) as file:
                yield file
        else:
            with self.path.open("rb", buffering=0) as file:
                yield cast(BinaryIO, file)

    def read_text(self) -> str:
        """Return what the file holds, as UTF-8.

        Raises:
            FileNotFoundError: there is none.
            OSError: it cannot be read.
        """
        if self.path is not None:
            return self.path.read_text(encoding="utf-8")
        if not self.exists():
            raise FileNotFoundError(self.address)
        with self.opened() as file:
            return file.read().decode("utf-8")

    @contextmanager
    def replacing_file(self) -> Iterator[Path]:
        """Yield an empty file of this machine that takes the place of this one when the block ends without an error.

        Raises:
            UserError: it cannot be written there.
        """
        try:
            folder = None if self.path is None else self.path.parent
            if folder is not None:
                folder.mkdir(parents=True, exist_ok=True)
            descriptor, name = tempfile.mkstemp(dir=folder, prefix=f".{self.name}.")
        except OSError as error:
            raise UserError(f"{self}: cannot be written: {error}") from None
        os.close(descriptor)
        draft = Path(name)
        try:
            yield draft
            if self.path is None:
                _s3().upload(draft, self.address)
            else:
                _make_last(draft)
                draft.replace(self.path)
        finally:
            draft.unlink(missing_ok=True)

    @contextmanager
    def replacing(self) -> Iterator[IO[str]]:
        r"""Yield a UTF-8 text (lines end in `\n`) that takes the place of this file as in `replacing_file`."""
        with self.replacing_file() as draft, draft.open("w", encoding="utf-8", newline="\n") as out:
            yield out
            out.flush()

    def remove(self) -> None:
        """Remove the file, or the folder with all that is in it, where there is one."""
        if self.path is None:
            _s3().remove(self.address)
        elif self.path.is_dir():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def location(text: str) -> Location:
    """Return the place that a setting names.

    Raises:
        ValueError: it is an address of a kind that cannot be read.
    """
    scheme = urlsplit(text).scheme if "://" in text else ""
    if scheme == "file":
        text = unquote(urlsplit(text).path)
    elif scheme == "s3a":  # Hadoop's word for it
        text = "s3" + text[3:]
    elif scheme not in ("", "s3"):
        raise ValueError("must be a path or an address such as s3://bucket/folder")
    if text.startswith("s3://") and not text.removeprefix("s3://").strip("/"):
        raise ValueError("must name a bucket, as in s3://bucket/folder")
    return Location(text.rstrip("/") or "/")


def _make_last(file: Path) -> None:
    """Make what a file holds last through a power cut, and readable to others."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fchmod(descriptor, 0o644)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _s3() -> "S3Store":
    # Imported where it is needed: pyarrow takes 40 MB and a tenth of a second that local files do without.
    from clickwatch_batch.input.s3 import store

    return store()
