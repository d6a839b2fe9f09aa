"""Which files hold a table's rows, as of a snapshot: a list that every reader of Parquet takes."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from clickwatch_service import UserError
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.table import FileScanTask, Table

from clickwatch_lake.lake import Lake
from clickwatch_lake.tables import LakeTable

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class PlannedFile:
    """A Parquet file of a table.

    Attributes:
        path: a path of this machine, or `s3://…`.
        day: the day (UTC) of all its rows.
        rows: how many it has.
        size_bytes: its size.
    """

    path: str
    day: date
    rows: int
    size_bytes: int


@dataclass(frozen=True)
class Plan:
    """The files that hold a table's rows, all of them and no others.

    Attributes:
        table: the table.
        snapshot_id: as of when; None for a table without any snapshot.
        files: the files, by day and path. A row that was filtered for may still need the filter: a file is
            left out only where none of its rows can match.
    """

    table: LakeTable
    snapshot_id: int | None
    files: tuple[PlannedFile, ...]

    @property
    def paths(self) -> list[str]:
        """The paths of the files."""
        return [file.path for file in self.files]

    @property
    def rows(self) -> int:
        """The number of rows in the files."""
        return sum(file.rows for file in self.files)


def plan(
    lake: Lake,
    table: LakeTable,
    snapshot_id: int | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    where: BooleanExpression | str | None = None,
) -> Plan:
    """Return the files that hold a table's rows.

    Args:
        lake: the lake.
        table: the table.
        snapshot_id: the snapshot to read; None: the current one.
        first_day: leave out earlier days (UTC).
        last_day: leave out later days (UTC).
        where: leave out files in which no row can match; pyiceberg's text such as `product_id = 'product_1'` too.

    Raises:
        UserError: the table lacks this snapshot.
    """
    return lake.read(table, lambda loaded: _plan(loaded, table, snapshot_id, first_day, last_day, where))


def _plan(
    loaded: Table,
    table: LakeTable,
    snapshot_id: int | None,
    first_day: date | None,
    last_day: date | None,
    where: BooleanExpression | str | None,
) -> Plan:
    snapshot = loaded.current_snapshot() if snapshot_id is None else loaded.snapshot_by_id(snapshot_id)
    if snapshot is None:
        if snapshot_id is None:
            return Plan(table, None, ())
        raise UserError(f"table {table} has no snapshot {snapshot_id}: it has expired or never was; take a newer one")
    scan = loaded.scan(where or AlwaysTrue(), snapshot_id=snapshot.snapshot_id)
    if first_day is not None:
        scan = scan.filter(f"{table.time_column} >= '{_start(first_day)}'")
    if last_day is not None:
        scan = scan.filter(f"{table.time_column} < '{_start(last_day + timedelta(days=1))}'")
    files = sorted((planned_file(task) for task in scan.plan_files()), key=lambda file: (file.day, file.path))
    return Plan(table, snapshot.snapshot_id, tuple(files))


def planned_file(task: FileScanTask) -> PlannedFile:
    """Return what is known of a file that pyiceberg planned."""
    file = task.file
    return PlannedFile(
        file.file_path, _EPOCH + timedelta(days=int(file.partition[0])), file.record_count, file.file_size_in_bytes
    )


def _start(day: date) -> str:
    return datetime.combine(day, time(), UTC).isoformat()
