"""Files in the tables' folders that no snapshot has: of killed batches, lost races and old metadata."""

from datetime import UTC, datetime, timedelta

from pyiceberg.table import Table

from clickwatch_lake.batches import FILES_STAY_FRESH
from clickwatch_lake.lake import Lake
from clickwatch_lake.snapshots import data_files_of, manifests_of
from clickwatch_lake.storage import StoredFile
from clickwatch_lake.tables import LakeTable

GRACE = 2 * FILES_STAY_FRESH
"""How old a file must be to be swept. Younger ones may belong to a batch that is on its way."""


def orphans(lake: Lake, table: LakeTable, now: datetime | None = None, grace: timedelta = GRACE) -> list[StoredFile]:
    """Return the files that nobody has and that are older than the grace, by path.

    Args:
        lake: the lake.
        table: the table.
        now: the time; the clock's where it is None.
        grace: how old they must be.

    Raises:
        ValueError: the grace is shorter than a batch may take from its files to its commit.
    """
    if grace <= FILES_STAY_FRESH:
        raise ValueError(f"grace {grace}: must be longer than {FILES_STAY_FRESH}, in which a file may be committed")
    before = (now or datetime.now(UTC)) - grace
    # Listed before the table is loaded: what is committed in between is known then.
    folders = (lake.data_folder(table), f"{lake.location(table)}/metadata")
    old = [file for folder in folders for file in lake.storage.listed(folder) if file.modified_at < before]
    if not old:
        return []
    known = lake.read(table, _known)
    return sorted((file for file in old if file.path not in known), key=lambda file: file.path)


def sweep(lake: Lake, table: LakeTable, now: datetime | None = None, grace: timedelta = GRACE) -> list[StoredFile]:
    """Delete the orphans of a table, and return them. Killed, it is called again.

    Raises:
        ValueError: the grace is too short.
    """
    found = orphans(lake, table, now, grace)
    lake.storage.delete(file.path for file in found)
    return found


def _known(table: Table) -> set[str]:
    """Return all files that a table has, in any of its snapshots."""
    snapshots = table.snapshots()
    manifests = manifests_of(table, snapshots)
    return {
        table.metadata_location,
        *(entry.metadata_file for entry in table.metadata.metadata_log),
        *(snapshot.manifest_list for snapshot in snapshots),
        *manifests,
        *data_files_of(table, manifests.values()),
    }
