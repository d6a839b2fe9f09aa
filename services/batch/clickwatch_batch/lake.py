"""A day in the lake of the streaming service: the files of one folder, which may change while it is read.

Files appear whole, by a rename, and never change. Compaction puts a new folder in the old one's place: who
listed before it and opens a file after it finds that file gone, and lists again.
"""

from dataclasses import dataclass
from datetime import date

from clickwatch_service import UserError

from clickwatch_batch.storage import Location


@dataclass(frozen=True)
class LakeDay:
    """The events of a UTC day as the lake had them when its folder was listed.

    Attributes:
        place: the folder they lie in.
        files: all its files, by name.
    """

    place: Location
    files: tuple[Location, ...]

    def listed_again(self) -> "LakeDay | None":
        """Return the day as it is by now; None where its files are still the same."""
        files = _parquet_files(self.place)
        return LakeDay(self.place, files) if files != self.files else None


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


def _parquet_files(folder: Location) -> tuple[Location, ...]:
    return tuple(file for file in folder.files() if file.name.endswith(".parquet"))
