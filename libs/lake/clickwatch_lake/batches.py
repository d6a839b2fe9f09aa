"""A batch in the lake: in all its tables or in none, and once.

The files of a batch lie in the store before it is committed, written by whoever could. A commit writes what makes
them part of each table (manifests, metadata), which nobody sees. Then one short transaction of PostgreSQL inserts
the batch's record under its key and lets all tables point to their new metadata.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from clickwatch_service import UserError
from psycopg.errors import UniqueViolation
from sqlalchemy import Row, text
from sqlalchemy.exc import IntegrityError
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from clickwatch_lake.catalog import LakeConflict, Overtaken, StagedCommit, TableTransaction, show, staging
from clickwatch_lake.lake import Lake
from clickwatch_lake.tables import LakeTable

FILES_STAY_FRESH = timedelta(hours=12)
"""How long after it was written a file may be committed. What is much older may be swept at any moment."""

QUERY_ID = "clickwatch.query-id"
BATCH_ID = "clickwatch.batch-id"

_ATTEMPTS = 8

_FIND = text("""
    SELECT query_id, batch_id, record, snapshots, committed_at
    FROM lake.batches
    WHERE query_id = :query_id AND batch_id = :batch_id
""")
_FIND_LAST = text("""
    SELECT query_id, batch_id, record, snapshots, committed_at
    FROM lake.batches
    WHERE CAST(:query_id AS text) IS NULL OR query_id = :query_id
    ORDER BY committed_at DESC, batch_id DESC
    LIMIT 1
""")
_INSERT = text("""
    INSERT INTO lake.batches (query_id, batch_id, record, snapshots)
    VALUES (:query_id, :batch_id, CAST(:record AS jsonb), CAST(:snapshots AS jsonb))
""")


@dataclass(frozen=True)
class Batch:
    """What is to be committed.

    Attributes:
        query_id: the query that it belongs to.
        batch_id: its number in the query, from 0.
        record: what the query must know of it later, as JSON.
        files: Parquet files per table, each within one day (UTC), none for a table that gets no row.
    """

    query_id: str
    batch_id: int
    record: Mapping[str, object]
    files: Mapping[LakeTable, Sequence[str]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"batch {self.batch_id} of query {self.query_id}"


@dataclass(frozen=True)
class StoredBatch:
    """A batch that is in the lake.

    Attributes:
        query_id: the query that it belongs to.
        batch_id: its number in the query.
        record: what was committed with it.
        snapshots: the snapshot it made of each table that it has rows in.
        committed_at: when.
    """

    query_id: str
    batch_id: int
    record: Mapping[str, object]
    snapshots: Mapping[LakeTable, int]
    committed_at: datetime


@dataclass(frozen=True)
class Committed:
    """The batch is in the lake now, by this commit."""

    snapshots: Mapping[LakeTable, int]


@dataclass(frozen=True)
class AlreadyCommitted:
    """The batch was in the lake before; nothing was changed, and its files given now belong to nobody."""

    batch: StoredBatch


def find_batch(lake: Lake, query_id: str, batch_id: int) -> StoredBatch | None:
    """Return a batch; None where it is not in the lake."""
    with lake.transaction() as connection:
        return _stored(connection.execute(_FIND, {"query_id": query_id, "batch_id": batch_id}).one_or_none())


def last_batch(lake: Lake, query_id: str | None = None) -> StoredBatch | None:
    """Return the batch that was committed last, of one query or of all; None before the first."""
    with lake.transaction() as connection:
        return _stored(connection.execute(_FIND_LAST, {"query_id": query_id}).one_or_none())


def commit(lake: Lake, batch: Batch, now: datetime | None = None) -> Committed | AlreadyCommitted:
    """Put a batch into the lake, in all its tables or in none.

    Killed at any moment, or ended by an error: call it again with the same key. It says whether the batch had
    landed. Files that belong to no batch in the end are swept (`orphans.py`).

    Args:
        lake: the lake, with its tables made.
        batch: what to commit.
        now: the time by which files are fresh; the clock's where it is None.

    Raises:
        LakeConflict: another process committed this batch while this call was at work (two drivers of one query),
            or others changed the tables again and again.
        UserError: a file is missing, or too old to be committed safely.
        ValueError: a file does not fit its table: it spans days, or a column has another type.
        psycopg.OperationalError: the database is gone; whether the batch landed is known by the next call.
        OSError: the store does not answer.
    """
    if (stored := find_batch(lake, batch.query_id, batch.batch_id)) is not None:
        return AlreadyCommitted(stored)
    _require_fresh(lake, batch, now or datetime.now(UTC))
    retrying = Retrying(
        retry=retry_if_exception_type(Overtaken),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        stop=stop_after_attempt(_ATTEMPTS),
    )
    try:
        return retrying(lambda: publish(lake, batch, stage(lake, batch)))
    except RetryError:
        raise LakeConflict(
            f"{batch}: others changed the lake's tables {_ATTEMPTS} times while it was being committed: "
            "try again, and see what writes to the lake so often"
        ) from None


def stage(lake: Lake, batch: Batch) -> list[StagedCommit]:
    """Write what makes a batch's files part of their tables; nobody sees it.

    Raises:
        Overtaken: a table moved on, and what it stood on is gone.
    """
    tables = [table for table in LakeTable if batch.files.get(table)]
    if not tables:
        return []
    properties = {QUERY_ID: batch.query_id, BATCH_ID: str(batch.batch_id)}
    # A store answers in tens of milliseconds: three tables at once instead of one after the other.
    with ThreadPoolExecutor(len(tables)) as pool:
        return list(pool.map(lambda table: _stage_table(lake, table, batch.files[table], properties), tables))


def publish(lake: Lake, batch: Batch, staged: Sequence[StagedCommit]) -> Committed:
    """Show a staged batch: its record and all its snapshots, in one transaction.

    Raises:
        LakeConflict: the batch is there since it was staged.
        Overtaken: a table has moved on since.
    """
    snapshots = {LakeTable(commit.name): _snapshot_id(commit) for commit in staged}
    key = {"query_id": batch.query_id, "batch_id": batch.batch_id}
    texts = {"record": json.dumps(batch.record), "snapshots": json.dumps(snapshots)}
    try:
        with lake.transaction() as connection:
            connection.execute(_INSERT, {**key, **texts})
            show(connection, staged)
    except IntegrityError as error:
        if not isinstance(error.orig, UniqueViolation):
            raise
        raise LakeConflict(
            f"{batch}: another process committed it while this one was at work: two drivers run the same query, "
            "stop one of them"
        ) from None
    return Committed(snapshots)


def _stage_table(lake: Lake, name: LakeTable, files: Sequence[str], properties: Mapping[str, str]) -> StagedCommit:
    table = lake.table(name)
    base_location = table.metadata_location
    try:
        with staging() as staged, TableTransaction(table) as transaction:
            # Whether the table has these files is not looked up: that reads all its manifests, and the batch's
            # key says it.
            transaction.add_files(list(files), dict(properties), check_duplicate_files=False)
    except FileNotFoundError:
        # Snapshots expire: what this commit stood on may be gone.
        if lake.table(name).metadata_location != base_location:
            raise Overtaken(name) from None
        raise
    (commit,) = staged
    return commit


def _require_fresh(lake: Lake, batch: Batch, now: datetime) -> None:
    """Refuse files that are not there, or that a sweep could delete while they are being committed."""
    for path, file in lake.storage.found(_all_files(batch)).items():
        if file is None:
            raise UserError(f"{batch}: its file {path} is not there: write the batch's files anew, then commit it")
        if now - file.modified_at > FILES_STAY_FRESH and _is_swept(lake, path):
            raise UserError(
                f"{batch}: its file {path} is from {file.modified_at:%Y-%m-%d %H:%M} and may be swept at any moment: "
                "write the batch's files anew, then commit it"
            )


def _all_files(batch: Batch) -> Iterable[str]:
    return (path for files in batch.files.values() for path in files)


def _is_swept(lake: Lake, path: str) -> bool:
    return any(path.startswith(f"{lake.data_folder(table)}/") for table in LakeTable)


def _snapshot_id(commit: StagedCommit) -> int:
    snapshot_id = commit.metadata.current_snapshot_id
    assert snapshot_id is not None
    return snapshot_id


def _stored(row: Row[tuple[object, ...]] | None) -> StoredBatch | None:
    if row is None:
        return None
    snapshots = {LakeTable(name): int(snapshot_id) for name, snapshot_id in row.snapshots.items()}
    return StoredBatch(row.query_id, row.batch_id, row.record, snapshots, row.committed_at)
