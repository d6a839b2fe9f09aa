"""A user forgotten in the files of DATA_DIR: the lake, the daily logs and what is made of them.

Each file, and of the lake each day, changes in one step; what a kill leaves undone the next run does.
"""

import gzip
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import IO, Literal, NamedTuple, cast
from uuid import uuid4

import pyarrow.parquet as pq

from clickwatch_streaming.lake.compaction import exchange, sole_change
from clickwatch_streaming.lake.folder import LakeFolder, sync_file
from clickwatch_streaming.lake.record import sync_folder
from clickwatch_streaming.privacy.forgetting import Forgetting

_UNFINISHED = ".forgetting"


class Forgotten(NamedTuple):
    """What was done with a file or folder.

    Attributes:
        place: the file or folder.
        rows: rows or lines that were the user's.
        left: why it was left as it is; empty where it was not.
    """

    place: Path
    rows: int
    left: str = ""


def forget_in_lake(lake: LakeFolder, forgetting: Forgetting) -> Iterator[Forgotten]:
    """Forget a user in `lake/events`, day by day; safe beside a running service, compaction waits.

    Raises:
        UserError: there is no lake, a compaction runs, or the file system cannot exchange folders.
    """
    with sole_change(lake.root):
        # What compaction replaced lies there, the user's rows among it.
        shutil.rmtree(lake.root / "_compacting", ignore_errors=True)
        with lake.locked():
            # A batch holds the lock to its end, so these are of batches that were killed.
            lake.clear_leftovers()
            for batch in sorted(lake.staging.glob("*")):
                for decoded in [*batch.glob("decoded*"), *batch.glob("unparked")]:
                    shutil.rmtree(decoded)
                for file in sorted((batch / "publish" / "events").rglob("*.parquet")):
                    yield from _forget_in_parquet(file, forgetting)
        for folder in sorted(lake.events.glob("event_date=*")):
            yield from _forget_in_day(lake, folder, forgetting)


def _forget_in_day(lake: LakeFolder, folder: Path, forgetting: Forgetting) -> Iterator[Forgotten]:
    rewritten = {file: rows for file in sorted(folder.glob("*.parquet")) if (rows := forgetting.rows(file))}
    if not rewritten:
        return
    new = lake.root / "_compacting" / folder.parent.name / folder.name
    new.mkdir(parents=True)
    for file in rewritten:
        forgetting.rewrite(file, new / f"rewritten-{uuid4().hex}.parquet")
    # A batch may have published to the folder meanwhile, and may not while the folders change places.
    with lake.locked():
        for file in sorted(set(folder.glob("*.parquet")) - rewritten.keys()):
            rows = forgetting.rows(file)
            if rows:
                rewritten[file] = rows
                forgetting.rewrite(file, new / f"rewritten-{uuid4().hex}.parquet")
            else:
                os.link(file, new / file.name)
        sync_folder(new)
        exchange(folder, new)
        sync_folder(folder.parent)
    # Not kept for readers that may have it open, as compaction does: it holds what is to be forgotten.
    shutil.rmtree(new)
    yield Forgotten(folder, sum(rewritten.values()))


def forget_in_logs(logs: Path, forgetting: Forgetting, today: date) -> Iterator[Forgotten]:
    """Forget a user in the daily logs, plain or gzip; one still written to or damaged is left as it is, and said."""
    for log in sorted([*logs.glob("clickstream_*.jsonl"), *logs.glob("clickstream_*.jsonl.gz")]):
        day = log.name.removeprefix("clickstream_").partition(".")[0]
        if day >= today.isoformat():
            if _lines_of(log, forgetting.line):
                yield Forgotten(log, 0, "its day is not over: run this again when it is")
        else:
            yield from _forget_in_text(log, forgetting.line)


def forget_in_results(data_dir: Path, forgetting: Forgetting) -> Iterator[Forgotten]:
    """Forget a user in what the batch layer has made of the events: results by user, lines kept aside."""
    for file in sorted((data_dir / "results").rglob("*.parquet")):
        if "user_id" in pq.read_schema(file).names:
            yield from _forget_in_parquet(file, forgetting)
    for file in sorted((data_dir / "quarantine").glob("*.jsonl")):
        yield from _forget_in_text(file, forgetting.text)


def utc_today() -> date:
    """Return the day whose log is being written."""
    return datetime.now(UTC).date()


def _forget_in_parquet(file: Path, forgetting: Forgetting) -> Iterator[Forgotten]:
    rows = forgetting.rows(file)
    if rows:
        new = file.with_name(f".{file.name}{_UNFINISHED}")
        forgetting.rewrite(file, new)
        if new.exists():
            new.replace(file)
        else:
            file.unlink()
        sync_folder(file.parent)
        yield Forgotten(file, rows)


def _forget_in_text(file: Path, change: Callable[[bytes], bytes | None]) -> Iterator[Forgotten]:
    try:
        lines = _lines_of(file, change)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield Forgotten(file, 0, f"it cannot be unpacked ({error}): mend or delete it, and run this again")
        return
    if not lines:
        return
    if _is_open(file):
        yield Forgotten(file, 0, "a program has it open: stop that, and run this again")
        return
    before = file.stat()
    new = file.with_name(f".{file.name}{_UNFINISHED}")
    with _binary(file) as source, _binary(new, "wb") as target:
        for line in source:
            changed = change(line)
            if changed is not None:
                target.write(changed)
    shutil.copystat(file, new)
    sync_file(new)
    after = file.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        new.unlink()
        yield Forgotten(file, 0, "it was written to meanwhile: run this again")
        return
    new.replace(file)
    sync_folder(file.parent)
    yield Forgotten(file, lines)


def _lines_of(file: Path, change: Callable[[bytes], bytes | None]) -> int:
    with _binary(file) as source:
        return sum(change(line) != line for line in source)


def _binary(file: Path, mode: Literal["rb", "wb"] = "rb") -> IO[bytes]:
    return cast(IO[bytes], gzip.open(file, mode) if ".gz" in file.suffixes else file.open(mode))


def _is_open(file: Path) -> bool:
    """Whether a process that we may look at has a file open; Linux tells, elsewhere nobody does."""
    target = file.resolve()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(link.readlink() == target for link in (process / "fd").iterdir()):
                return True
        except OSError:
            continue  # the process or its file is gone, or not ours to look at
    return False
