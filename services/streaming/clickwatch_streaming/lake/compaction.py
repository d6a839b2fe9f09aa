"""Many small files of a day made into few, without a moment at which a reader sees a row twice or not.

Replacing several files by one cannot be atomic in a folder that readers list: between two renames a
row would be there twice, or missing. So the day's whole folder is made anew beside the lake, and the
two folders are exchanged in one step (`renameat2` with RENAME_EXCHANGE, Linux; a folder on a file
system that cannot do it stays as it is). A reader that listed before the exchange and opens a file after
it finds that the file is gone, an error it can answer by listing again, never a wrong answer: names are
not used twice. The old folder lies in `_compacting` until the next compaction, because a reader may have
it open and be about to list it.
"""

import ctypes
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from clickwatch_events.limits import JUDGED
from clickwatch_service import UserError

from clickwatch_streaming.lake.folder import LakeFolder, sync_file
from clickwatch_streaming.lake.record import sync_folder

_ROWS_PER_FILE = 5_000_000
_ROWS_AT_A_TIME = 122_880
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@dataclass(frozen=True)
class Compaction:
    """What became of a day's folder.

    Attributes:
        folder: the folder, such as `lake/events/event_date=2026-03-01`.
        before: files it had.
        after: files it has.
    """

    folder: Path
    before: int
    after: int


def compact(lake: LakeFolder, day: str | None = None) -> Iterator[Compaction]:
    """Compact the days of both tables that have several small files; yield each when it is done.

    It may run while the lake is written to; what is written meanwhile stays as it is.

    Args:
        lake: the lake.
        day: the one day to compact as YYYY-MM-DD, all days if None.

    Raises:
        UserError: there is no lake, another compaction runs, or the file system cannot exchange folders.
    """
    with sole_change(lake.root):
        shutil.rmtree(lake.root / "_compacting", ignore_errors=True)
        for table in (lake.events, lake.window_stats):
            for folder in sorted(table.glob(f"*={day or '*'}")):
                small = [file for file in sorted(folder.glob("*.parquet")) if _rows(file) < _ROWS_PER_FILE]
                if len(small) > 1:
                    yield _compact_folder(lake, folder, small)


@contextmanager
def sole_change(root: Path) -> Iterator[None]:
    """Hold the right to lay folders of the lake anew.

    Raises:
        UserError: there is no lake, or another process holds it.
    """
    if not root.is_dir():
        raise UserError(f"there is no lake in {root}: set DATA_DIR to the data folder of the streaming service")
    with open(root / "_compaction_lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"{root}: another command is changing it (compact, forget-user); let that end first"
            ) from None
        yield


def _compact_folder(lake: LakeFolder, folder: Path, small: list[Path]) -> Compaction:
    new = lake.root / "_compacting" / folder.parent.name / folder.name
    new.mkdir(parents=True)
    _merge(small, new)
    # A batch may have published to the folder meanwhile, and may not while the folders change places.
    with lake.locked():
        before = sorted(folder.glob("*.parquet"))
        for file in set(before) - set(small):
            os.link(file, new / file.name)
        sync_folder(new)
        after = len(list(new.iterdir()))
        exchange(folder, new)
        sync_folder(folder.parent)
    return Compaction(folder, len(before), after)


def _merge(files: list[Path], folder: Path) -> None:
    """Write the rows of some files into as few as they fit in."""
    # A file of an earlier release may lack columns, which are empty for its rows.
    schemas = [pq.read_schema(file) for file in reversed(files)]
    key, value = (text.encode() for text in JUDGED)
    judged = all((schema.metadata or {}).get(key) == value for schema in schemas)
    schema = pa.unify_schemas(schemas).with_metadata({key: value} if judged else None)
    for group in _groups(files):
        target = folder / f"compacted-{uuid4().hex}.parquet"
        with pq.ParquetWriter(target, schema, compression="zstd") as writer:
            for file in group:
                with pq.ParquetFile(file) as source:
                    for rows in source.iter_batches(_ROWS_AT_A_TIME):
                        writer.write_batch(_with_columns(rows, schema))
        sync_file(target)


def _with_columns(rows: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.schema.names else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _groups(files: list[Path]) -> Iterator[list[Path]]:
    """Yield files to be merged into one: in their order, until they hold `_ROWS_PER_FILE` rows."""
    group: list[Path] = []
    rows = 0
    for file in files:
        group.append(file)
        rows += _rows(file)
        if rows >= _ROWS_PER_FILE:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _rows(file: Path) -> int:
    return int(pq.read_metadata(file).num_rows)


def exchange(one: Path, other: Path) -> None:
    """Let two folders change names in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise UserError("compaction needs renameat2, which Linux has; the lake is unchanged")
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise UserError(f"the file system of {one} cannot exchange folders ({reason}); the lake is unchanged")
