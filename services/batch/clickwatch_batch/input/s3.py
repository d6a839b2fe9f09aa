"""Files in a store that speaks S3, by pyarrow's own client.

Credentials and region come from the usual variables (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`,
`AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_PROFILE`, …) or from the machine's role; `AWS_ENDPOINT_URL` names a
store other than Amazon's.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow.fs as arrow_fs
from clickwatch_service import UserError
from fsspec.implementations.arrow import ArrowFSWrapper

from clickwatch_batch.input.stamp import Stamp

_CHUNK_BYTES = 8 << 20


class S3Store:
    """Files by their address `s3://bucket/path`."""

    def __init__(self) -> None:
        """Take credentials and endpoint from the environment; nothing is asked of the store yet."""
        self._files: Any = arrow_fs.S3FileSystem(
            endpoint_override=os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"),
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        )

    def for_duckdb(self) -> ArrowFSWrapper:
        """Return the store as DuckDB takes it: its own S3 support is a download that not every machine can make."""
        return ArrowFSWrapper(self._files)

    def stamp(self, address: str) -> Stamp | None:
        """Return size and time of a file; None where there is none."""
        with _explained(address):
            info = self._files.get_file_info(_key(address))
        return Stamp(info.size, info.mtime_ns or 0) if info.type == arrow_fs.FileType.File else None

    def file_names(self, address: str) -> list[str]:
        """Return the names of the files in a folder."""
        with _explained(address):
            found = self._files.get_file_info(arrow_fs.FileSelector(_key(address), allow_not_found=True))
        return [info.base_name for info in found if info.type == arrow_fs.FileType.File]

    @contextmanager
    def opened(self, address: str) -> Iterator[BinaryIO]:
        """Yield a file, to be read from its start. Raises OSError."""
        with self._files.open_input_stream(_key(address), compression=None) as file:
            yield cast(BinaryIO, file)

    def upload(self, file: Path, address: str) -> None:
        """Replace what is at an address by a file of this machine; nobody sees a part of it."""
        with _explained(address), file.open("rb") as source, self._files.open_output_stream(_key(address)) as target:
            while chunk := source.read(_CHUNK_BYTES):
                target.write(chunk)

    def remove(self, address: str) -> None:
        """Remove a file, or a folder with all in it, where there is one."""
        with _explained(address):
            info = self._files.get_file_info(_key(address))
            if info.type == arrow_fs.FileType.File:
                self._files.delete_file(_key(address))
            elif info.type == arrow_fs.FileType.Directory:
                self._files.delete_dir(_key(address))


@cache
def store() -> S3Store:
    """Return the one store of the process."""
    return S3Store()


def _key(address: str) -> str:
    return address.removeprefix("s3://")


@contextmanager
def _explained(address: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{address}: the store refuses or does not answer ({reason}); check the bucket, the AWS_* variables "
            "and AWS_ENDPOINT_URL"
        ) from None
