"""Where the lake's files lie: a folder of this machine, or a store that speaks S3, by pyarrow's own client.

Credentials come from the usual variables (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
`AWS_PROFILE`, …) or from the machine's role. `AWS_REGION` names the region, `AWS_ENDPOINT_URL_S3` or
`AWS_ENDPOINT_URL` a store other than Amazon's.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pyarrow.fs as arrow_fs
from clickwatch_service import UserError
from fsspec.implementations.arrow import ArrowFSWrapper
from pyiceberg.io import PY_IO_IMPL, S3_CONNECT_TIMEOUT, S3_ENDPOINT, S3_REGION, S3_REQUEST_TIMEOUT

_S3 = "s3://"
_CONNECT_SECONDS = 10.0
_REQUEST_SECONDS = 60.0


@dataclass(frozen=True)
class StoredFile:
    """A file as the store lists it."""

    path: str
    size_bytes: int
    modified_at: datetime


@dataclass(frozen=True)
class Storage:
    """The folder of the lake, and how to reach it.

    Attributes:
        root: an absolute path, or `s3://bucket/folder`; never with a slash at its end.
        endpoint: the address of the S3 store; None for Amazon's, or for a folder.
        region: its region; None lets the client find it.
    """

    root: str
    endpoint: str | None = None
    region: str | None = None

    @property
    def is_s3(self) -> bool:
        """Whether the files lie in a store that speaks S3."""
        return self.root.startswith(_S3)

    @property
    def io_properties(self) -> dict[str, str]:
        """What pyiceberg must know to read and write here."""
        properties = {PY_IO_IMPL: "pyiceberg.io.pyarrow.PyArrowFileIO"}
        if self.is_s3:
            properties |= {S3_CONNECT_TIMEOUT: str(_CONNECT_SECONDS), S3_REQUEST_TIMEOUT: str(_REQUEST_SECONDS)}
            properties |= {S3_ENDPOINT: self.endpoint} if self.endpoint else {}
            properties |= {S3_REGION: self.region} if self.region else {}
        return properties

    @cached_property
    def _files(self) -> Any:  # pyarrow brings no types
        if not self.is_s3:
            return arrow_fs.LocalFileSystem()
        return arrow_fs.S3FileSystem(
            endpoint_override=self.endpoint,
            region=self.region,
            connect_timeout=_CONNECT_SECONDS,
            request_timeout=_REQUEST_SECONDS,
        )

    def listed(self, folder: str) -> Iterator[StoredFile]:
        """Yield all files in a folder and its folders; none where there is no such folder."""
        selector = arrow_fs.FileSelector(_key(folder), recursive=True, allow_not_found=True)
        scheme = _S3 if self.is_s3 else ""
        for info in self._files.get_file_info(selector):
            if info.type == arrow_fs.FileType.File:
                yield StoredFile(scheme + info.path, info.size, info.mtime)

    def found(self, paths: Iterable[str]) -> dict[str, StoredFile | None]:
        """Return each path with its file, None where there is none."""
        asked = list(paths)
        infos = self._files.get_file_info([_key(path) for path in asked])
        return {
            path: StoredFile(path, info.size, info.mtime) if info.type == arrow_fs.FileType.File else None
            for path, info in zip(asked, infos, strict=True)
        }

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; one that is gone already is no error."""
        for path in paths:
            try:
                self._files.delete_file(_key(path))
            except FileNotFoundError:
                continue

    def make_folder_of(self, path: str) -> None:
        """Make the folder that a file is to lie in; a store needs none."""
        if not self.is_s3:
            Path(path).parent.mkdir(parents=True, exist_ok=True)

    def duckdb(self, memory_limit: str = "512MB", threads: int = 1) -> duckdb.DuckDBPyConnection:
        """Return a DuckDB that reads and writes the lake's files.

        Its own S3 support is a download that not every machine can make.
        """
        connection = duckdb.connect(
            config={"memory_limit": memory_limit, "threads": threads, "preserve_insertion_order": "false"}
        )
        if self.is_s3:
            connection.register_filesystem(_S3ForDuckDB(self._files))
        return connection


class _S3ForDuckDB(ArrowFSWrapper):  # type: ignore[misc]  # fsspec brings no types
    """The store as DuckDB takes it, by addresses that begin with s3://."""

    protocol = "s3"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return _key(path)


def lake_storage(url: str, variables: Mapping[str, str] = os.environ) -> Storage:
    """Return the place that LAKE_URL names.

    Args:
        url: a folder, or `s3://bucket/folder`.
        variables: where the AWS_* variables are looked up.

    Raises:
        UserError: it is neither.
    """
    parts = urlsplit(url) if "://" in url else None
    if parts is None or parts.scheme == "file":
        return Storage(str(Path(parts.path if parts else url).absolute()))
    if parts.scheme != "s3" or not parts.netloc:
        raise UserError(f"LAKE_URL={url!r}: must be a folder or an address such as s3://bucket/lake")
    endpoint = variables.get("AWS_ENDPOINT_URL_S3") or variables.get("AWS_ENDPOINT_URL")
    region = variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION")
    # A store of one's own seldom cares for regions, and Amazon is not to be asked for its bucket's.
    return Storage(url.rstrip("/"), endpoint, region or ("us-east-1" if endpoint else None))


def _key(path: str) -> str:
    return path.removeprefix(_S3)
