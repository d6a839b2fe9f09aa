"""Many small files of a day made into few, beside whoever commits meanwhile."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from clickwatch_lake.lake import Lake
from clickwatch_lake.plan import plan
from clickwatch_lake.rewriting import SourcesChanged, Work, groups_of_days, replace, rewrite
from clickwatch_lake.tables import LakeTable

SMALL_BYTES = 64 << 20
"""Files below this are put together."""


@dataclass(frozen=True)
class Compaction:
    """What became of some files of a day.

    Attributes:
        table: their table.
        day: their day.
        before: how many there were; one has taken their place.
        rows: the rows in them.
        snapshot_id: the snapshot from which on readers see the one file.
    """

    table: LakeTable
    day: date
    before: int
    rows: int
    snapshot_id: int


def compact(
    lake: Lake,
    table: LakeTable,
    day: date | None = None,
    least_files: int = 2,
    small_bytes: int = SMALL_BYTES,
    work: Work | None = None,
) -> Iterator[Compaction]:
    """Put small files of a day together, and yield each group when it is done.

    Rows neither change nor move to another snapshot's past: older snapshots keep their files until they expire.
    Killed, it leaves a file that nobody sees, which is swept; call it again.

    Args:
        lake: the lake.
        table: the table.
        day: the one day to compact; all if None.
        least_files: leave days alone that have fewer small files.
        small_bytes: what a small file is.
        work: what it may use.

    Raises:
        LakeConflict: others changed the table again and again.
    """
    work = work or Work()
    small = [file for file in plan(lake, table, None, day, day).files if file.size_bytes < small_bytes]
    with closing(lake.storage.duckdb(work.memory_limit, work.threads)) as connection:
        for group in groups_of_days(small, work.target_bytes):
            if len(group) < max(2, least_files):
                continue
            new: list[str] = []
            try:
                path = rewrite(lake, connection, table, group)
                new = [] if path is None else [path]
                snapshot_id = replace(lake, table, group, new, {"clickwatch.change": "compaction"})
            except SourcesChanged:
                # A user was forgotten in one of them, or another compaction was faster: the next one sees to the rest.
                lake.storage.delete(new)
                continue
            yield Compaction(table, group[0].day, len(group), sum(file.rows for file in group), snapshot_id)
