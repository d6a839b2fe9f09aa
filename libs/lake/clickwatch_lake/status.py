"""How the lake is, for operators."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pyiceberg.table import Table

from clickwatch_lake.batches import StoredBatch, last_batch
from clickwatch_lake.lake import Lake
from clickwatch_lake.orphans import orphans
from clickwatch_lake.tables import LakeTable


@dataclass(frozen=True)
class TableStatus:
    """How a table is.

    Attributes:
        table: the table.
        rows: rows in the current snapshot.
        files: Parquet files in it.
        size_bytes: their size.
        snapshots: how many snapshots there are.
        snapshot_id: the current one; None before the first.
        changed_at: when it was made.
    """

    table: LakeTable
    rows: int
    files: int
    size_bytes: int
    snapshots: int
    snapshot_id: int | None
    changed_at: datetime | None


@dataclass(frozen=True)
class OrphanStatus:
    """Files that nobody has and that a sweep would delete now.

    Attributes:
        files: how many.
        size_bytes: their size.
    """

    files: int
    size_bytes: int


@dataclass(frozen=True)
class LakeStatus:
    """How the lake is.

    Attributes:
        tables: each table.
        last_batch: the batch that was committed last; None before the first.
        orphans: what a sweep would delete; None where it was not looked for.
    """

    tables: tuple[TableStatus, ...]
    last_batch: StoredBatch | None
    orphans: OrphanStatus | None


def status(lake: Lake, with_orphans: bool = True, now: datetime | None = None) -> LakeStatus:
    """Return how the lake is.

    Args:
        lake: the lake.
        with_orphans: whether orphans are looked for, which lists all files; the rest reads one file a table.
        now: the time by which files are orphans; the clock's where it is None.
    """
    found = [file for table in LakeTable for file in orphans(lake, table, now)] if with_orphans else None
    return LakeStatus(
        tuple(_table_status(name, lake.table(name)) for name in LakeTable),
        last_batch(lake),
        None if found is None else OrphanStatus(len(found), sum(file.size_bytes for file in found)),
    )


def _table_status(name: LakeTable, table: Table) -> TableStatus:
    snapshot = table.current_snapshot()
    if snapshot is None:
        return TableStatus(name, 0, 0, 0, 0, None, None)
    summary = snapshot.summary.additional_properties if snapshot.summary else {}
    return TableStatus(
        name,
        rows=int(summary.get("total-records", 0)),
        files=int(summary.get("total-data-files", 0)),
        size_bytes=int(summary.get("total-files-size", 0)),
        snapshots=len(table.snapshots()),
        snapshot_id=snapshot.snapshot_id,
        changed_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
    )
