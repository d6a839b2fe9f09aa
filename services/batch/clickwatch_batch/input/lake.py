"""A day in the lake of the streaming service: the files of one folder, which may change while it is read.

Files appear whole, by a rename, and never change. Compaction puts a new folder in the old one's place: who
listed before it and opens a file after it finds that file gone, and lists again.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from clickwatch_service import UserError

from clickwatch_batch.input.storage import Location
from clickwatch_batch.input.whole_day import end_of

LISTINGS = 5
"""How often a day of the lake is listed again when a file of it has gone while it was read."""

T = TypeVar("T")


@dataclass(frozen=True)
class LakeDay:
    """The events of a UTC day as the lake had them when its folder was listed.

    Attributes:
        place: the folder they lie in.
        files: all its files, by name.
    """

    place: Location
    files: tuple[Location, ...]

    def read(self, read_files: Callable[[tuple[Location, ...]], T], is_gone: type[Exception]) -> T:
        """Return what `read_files` makes of the files; listed again where it fails and they have changed.

        Args:
            read_files: takes the files of one listing.
            is_gone: what it raises where a file cannot be read.

        Raises:
            UserError: they change faster than they can be read.
            Exception: `is_gone`, where they have not changed.
        """
        files = self.files
        for _ in range(LISTINGS):
            try:
                return read_files(files)
            except is_gone:
                listed = _parquet_files(self.place)
                if listed == files:
                    raise
                files = listed
        raise UserError(f"{self.place}: changes all the time; run the day again when its compaction is done")


def find_lake_day(lake: Location, day: date) -> LakeDay:
    """Return a day of the lake.

    Raises:
        UserError: it holds no event of that day.
    """
    folder = lake / "events" / f"event_date={day}"
    files = _parquet_files(folder)
    if not files:
        raise UserError(
            f"{folder}: no input for {day}, the lake has no file of that day; wait for the streaming service to "
            "write it, point LAKE_URL to the right lake, or analyse the log by BATCH_SOURCE=jsonl"
        )
    return LakeDay(folder, files)


def has_whole_day(lake: Location, day: date) -> bool:
    """Whether the lake has all of a day: it had begun before, it has events of the day, and has come to its end."""
    until = closed_until(lake)
    folders = [lake / "events" / f"event_date={one}" for one in (day - timedelta(days=1), day)]
    return until is not None and until >= end_of(day) and all(_parquet_files(folder) for folder in folders)


def closed_until(lake: Location) -> datetime | None:
    """Return up to when the speed layer has closed its windows; None where the lake does not tell."""
    records = [file for file in (lake / "_batches").files() if file.name.endswith(".json")]
    milliseconds = json.loads(records[-1].read_text())["closed_until_ms"] if records else None
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)


def _parquet_files(folder: Location) -> tuple[Location, ...]:
    return tuple(file for file in folder.files() if file.name.endswith(".parquet"))
