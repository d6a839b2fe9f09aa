"""The lake's folder: where files lie, how they appear, and which of them hold a stretch of time.

    lake/events/event_date=YYYY-MM-DD/batch-0000000012-00.parquet          readers list these
    lake/window_stats/window_date=YYYY-MM-DD/batch-0000000012-00.parquet   and these
    lake/dead_letters/kafka_date=YYYY-MM-DD/batch-0000000012-00.parquet    and these
    lake/_batches/0000000012.json      the record of a batch that is complete
    lake/_staging/0000000012/          a batch in the making; `sealed.json` in it says that all is written
    lake/_parked/0000000012.parquet    messages up to that batch that wait for the registry
    lake/_lock                         held while a batch runs and while compaction changes folders

A file gets into a listed folder by a rename alone, whole and once. What a batch publishes lies under
`_staging/<id>/publish` at the path it is going to have, so publishing again after a kill moves what
is left, whatever had been moved before.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from clickwatch_streaming.lake.record import BatchRecord, read_record, sync_folder, write_record

SLOT_MS = 300_000
"""Length of a time slot, the grain in which the lake knows what times a file holds."""
_EPOCH = date(1970, 1, 1)
_SLOTS_PER_DAY = 86_400_000 // SLOT_MS
_RECORDS_KEPT = 100


@dataclass(frozen=True)
class LakeFolder:
    """A lake on disk.

    Attributes:
        root: the folder `lake`.
    """

    root: Path
    _slots: dict[Path, frozenset[int]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def events(self) -> Path:
        """Every valid event, by the UTC day of its timestamp."""
        return self.root / "events"

    @property
    def window_stats(self) -> Path:
        """Every closed window, by the UTC day of its start."""
        return self.root / "window_stats"

    @property
    def dead_letters(self) -> Path:
        """Which events are among the dead letters, by the day of Kafka's time."""
        return self.root / "dead_letters"

    @property
    def staging(self) -> Path:
        """Batches in the making."""
        return self.root / "_staging"

    @property
    def batches(self) -> Path:
        """Records of complete batches."""
        return self.root / "_batches"

    def staged(self, batch_id: int) -> Path:
        """The folder a batch is made in."""
        return self.staging / f"{batch_id:010d}"

    def publication(self, batch_id: int) -> Path:
        """What a batch is going to publish, laid out as in the lake."""
        return self.staged(batch_id) / "publish"

    def parked(self, batch_id: int) -> Path:
        """The file of messages that wait for the registry after a batch; there is none where none wait."""
        return self.root / "_parked" / f"{batch_id:010d}.parquet"

    def staged_parked(self, batch_id: int) -> Path:
        """Where a batch in the making has that file."""
        return self.staged(batch_id) / "parked.parquet"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lake: no other batch runs and no compaction changes a folder meanwhile."""
        self.root.mkdir(parents=True, exist_ok=True)
        with open(self.root / "_lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def last_batch(self) -> BatchRecord | None:
        """The record of the last complete batch, None before the first."""
        newest = max(self.batches.glob("*.json"), default=None)
        return None if newest is None else read_record(newest)

    def sealed_batch(self, batch_id: int) -> BatchRecord | None:
        """The record of a batch that is written but perhaps not published."""
        path = self.staged(batch_id) / "sealed.json"
        return read_record(path) if path.exists() else None

    def stage(self, batch_id: int) -> Path:
        """Return an empty folder to make a batch in; an unsealed attempt is thrown away."""
        folder = self.staged(batch_id)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def lay_out(self, batch_id: int, table: Path, written: Path) -> list[Path]:
        """Move the Parquet files Spark wrote to where and as what they are going to be published.

        Args:
            batch_id: the batch they belong to.
            table: `events` or `window_stats` of this lake.
            written: a folder of `column=value` folders as Spark's `partitionBy` makes them.

        Returns:
            The files, still in staging, safe on disk.
        """
        files = []
        for day in sorted(written.glob("*=*")):
            folder = self.publication(batch_id) / table.relative_to(self.root) / day.name
            folder.mkdir(parents=True)
            for number, part in enumerate(sorted(day.glob("*.parquet"))):
                file = folder / f"batch-{batch_id:010d}-{number:02d}.parquet"
                part.rename(file)
                sync_file(file)
                files.append(file)
        return files

    def seal(self, record: BatchRecord) -> None:
        """Declare a batch written: from here on it is published, never made again."""
        write_record(record, self.staged(record.batch_id) / "sealed.json")

    def publish(self, batch_id: int) -> Iterator[Path]:
        """Move each file a sealed batch still holds into the lake, and yield it as it appears."""
        publication = self.publication(batch_id)
        for file in sorted(publication.rglob("*.parquet")):
            target = self.root / file.relative_to(publication)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
            sync_folder(target.parent)
            yield target

    def unpublished(self, batch_id: int, table: Path) -> list[Path]:
        """The files of a table that a sealed batch has yet to publish."""
        return sorted((self.publication(batch_id) / table.relative_to(self.root)).rglob("*.parquet"))

    def complete(self, record: BatchRecord) -> None:
        """Record a batch as complete and clear what it was made of; old records go too."""
        waiting, parked = self.staged_parked(record.batch_id), self.parked(record.batch_id)
        if waiting.exists():
            parked.parent.mkdir(exist_ok=True)
            waiting.replace(parked)
            sync_folder(parked.parent)
        self.batches.mkdir(exist_ok=True)
        write_record(record, self.batches / f"{record.batch_id:010d}.json")
        for earlier in parked.parent.glob("*.parquet"):
            if earlier != parked:
                earlier.unlink()
        shutil.rmtree(self.staged(record.batch_id))
        (self.batches / f"{record.batch_id - _RECORDS_KEPT:010d}.json").unlink(missing_ok=True)

    def clear_leftovers(self) -> None:
        """Remove what killed batches left in staging, except sealed ones: those get published."""
        last = self.last_batch()
        for folder in self.staging.glob("*"):
            is_complete = last is not None and int(folder.name) <= last.batch_id
            if is_complete or not (folder / "sealed.json").exists():
                shutil.rmtree(folder)

    def files_with(self, slots: range | frozenset[int]) -> list[Path]:
        """The published files of events that hold any of the slots (`timestamp_ms // SLOT_MS`)."""
        days = _days_of(slots)
        folders = (folder for folder in sorted(self.events.glob("event_date=*")) if _day_of(folder) in days)
        files = (file for folder in folders for file in sorted(folder.glob("*.parquet")))
        return [file for file in files if any(slot in slots for slot in self._slots_of(file))]

    def _slots_of(self, file: Path) -> frozenset[int]:
        # Published files never change, so each is looked at once in the life of the process.
        if file not in self._slots:
            self._slots[file] = _slots_in(file)
        return self._slots[file]


def _days_of(slots: range | frozenset[int]) -> range | frozenset[int]:
    """The days that slots lie in, counted from the epoch."""
    if isinstance(slots, range):
        return range(slots.start // _SLOTS_PER_DAY, (slots.stop - 1) // _SLOTS_PER_DAY + 1)
    return frozenset(slot // _SLOTS_PER_DAY for slot in slots)


def _day_of(folder: Path) -> int:
    return (date.fromisoformat(folder.name.partition("=")[2]) - _EPOCH).days


def _slots_in(file: Path) -> frozenset[int]:
    slots: set[int] = set()
    with pq.ParquetFile(file) as parquet:
        for rows in parquet.iter_batches(columns=["timestamp"]):
            milliseconds = rows["timestamp"].cast(pa.timestamp("ms", "UTC")).cast(pa.int64())
            slots.update(int(slot.as_py()) for slot in pc.unique(pc.divide(milliseconds, SLOT_MS)))
    return frozenset(slots)


def sync_file(file: Path) -> None:
    """Make what a file holds last through a power cut."""
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
