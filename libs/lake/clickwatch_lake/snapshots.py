"""Snapshots of the tables: expiring old ones with the files that only they have, and going back to one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from clickwatch_service import UserError
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.manifest import ManifestFile
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot
from pyiceberg.table.update.snapshot import ExpireSnapshots
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from clickwatch_lake.catalog import LakeConflict, Overtaken, TableTransaction, database_errors, show, staging
from clickwatch_lake.lake import Lake
from clickwatch_lake.tables import LakeTable

KEEP = 40
"""Each commit reads and writes the list of snapshots: with about 50 it stays fast."""
_ATTEMPTS = 20


@dataclass(frozen=True)
class Expiry:
    """What an expiry did.

    Attributes:
        table: the table.
        snapshots: how many expired.
        files: how many files only they had; these are deleted.
    """

    table: LakeTable
    snapshots: int
    files: int


def expire(lake: Lake, table: LakeTable, keep: int = KEEP) -> Expiry:
    """Let all snapshots but the newest expire, and delete the files that no other snapshot has.

    A reader that planned as of an expired snapshot may find files gone, and plans anew. Killed before the files
    are deleted, it leaves them to the sweep.

    Args:
        lake: the lake.
        table: the table.
        keep: how many of the newest stay; the current one always does.

    Raises:
        LakeConflict: others changed the table again and again.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(CommitFailedException),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        stop=stop_after_attempt(_ATTEMPTS),
        retry_error_callback=lambda _: None,
    )
    expired = retrying(lambda: _expire_once(lake, table, max(1, keep)))
    if expired is None:
        raise LakeConflict(f"table {table}: others changed it {_ATTEMPTS} times during its expiry: try again")
    snapshots, dropped = expired
    lake.storage.delete(sorted(dropped))
    return Expiry(table, snapshots, len(dropped))


def rollback(lake: Lake, snapshots: Mapping[LakeTable, int]) -> None:
    """Let tables be again as they were at a snapshot, all of them in one transaction.

    It goes forward the same way, to a newer snapshot that has not expired. Records of batches stay: what a
    rollback takes out of a table is not written again by itself.

    Args:
        lake: the lake.
        snapshots: the snapshot per table; other tables stay as they are.

    Raises:
        UserError: a table lacks its snapshot.
        LakeConflict: a table changed meanwhile; nothing was done.
    """
    commits = []
    for name, snapshot_id in snapshots.items():
        table = lake.table(name)
        if table.snapshot_by_id(snapshot_id) is None:
            raise UserError(f"table {name} has no snapshot {snapshot_id}: it has expired or never was")
        current = table.current_snapshot()
        if current is not None and current.snapshot_id == snapshot_id:
            continue
        with staging() as staged:
            table.manage_snapshots().set_current_snapshot(snapshot_id).commit()
        commits += staged
    try:
        with lake.transaction() as connection:
            show(connection, commits)
    except Overtaken as overtaken:
        raise LakeConflict(
            f"table {overtaken}: it changed during the rollback, and nothing was done: stop what writes to it first"
        ) from None


def _expire_once(lake: Lake, name: LakeTable, keep: int) -> tuple[int, set[str]]:
    return lake.read(name, lambda table: _expire_in(table, keep))


def _expire_in(table: Table, keep: int) -> tuple[int, set[str]]:
    """Return how many snapshots have expired now, and the files that nobody has any more."""
    newest_first = sorted(table.snapshots(), key=lambda snapshot: snapshot.sequence_number or 0, reverse=True)
    current = table.current_snapshot()
    kept = [snapshot for snapshot in newest_first if snapshot == current] + [
        snapshot for snapshot in newest_first if snapshot != current
    ][: keep - 1]
    expired = [snapshot for snapshot in newest_first if snapshot not in kept]
    if not expired:
        return 0, set()
    dropped = _only_in(table, expired, kept)
    with database_errors():
        # As `table.maintenance` does it, but for the copies of all snapshots that each id would cost there.
        expiry = ExpireSnapshots(TableTransaction(table, autocommit=True))
        expiry.by_ids([snapshot.snapshot_id for snapshot in expired]).commit()
    return len(expired), dropped


def _only_in(table: Table, expired: list[Snapshot], kept: list[Snapshot]) -> set[str]:
    """Return the files that expired snapshots have and kept ones have not; the sweep finds what is left out."""
    # An append takes over the manifests of the snapshot before it: those of hundreds need not be read one by one.
    taken_over = {
        snapshot.parent_snapshot_id
        for snapshot in [*expired, *kept]
        if snapshot.summary is not None and snapshot.summary.operation is Operation.APPEND
    }
    ends = [snapshot for snapshot in expired if snapshot.snapshot_id not in taken_over]
    lists = {snapshot.manifest_list for snapshot in expired}
    if not ends:
        return lists
    manifests = manifests_of(table, kept)
    gone = {path: manifest for path, manifest in manifests_of(table, ends).items() if path not in manifests}
    dropped = data_files_of(table, gone.values())
    if dropped:
        dropped -= data_files_of(table, manifests.values())
    return dropped | set(gone) | lists


def manifests_of(table: Table, snapshots: list[Snapshot]) -> dict[str, ManifestFile]:
    """Return the manifests that snapshots have, by their paths."""
    return {manifest.manifest_path: manifest for snapshot in snapshots for manifest in snapshot.manifests(table.io)}


def data_files_of(table: Table, manifests: Iterable[ManifestFile]) -> set[str]:
    """Return the paths of the files that are alive in manifests."""
    return {
        entry.data_file.file_path
        for manifest in manifests
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True)
    }
