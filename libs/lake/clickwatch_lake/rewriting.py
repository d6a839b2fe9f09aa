"""Files of a table written anew and put in the place of others, beside whoever commits meanwhile."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.io.pyarrow import parquet_file_to_data_file
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from clickwatch_lake.catalog import LakeConflict, TableTransaction, database_errors
from clickwatch_lake.lake import Lake
from clickwatch_lake.plan import PlannedFile
from clickwatch_lake.tables import LakeTable

_ATTEMPTS = 20


class SourcesChanged(Exception):
    """Files that were to be replaced are not in the table any more: another process was faster."""


@dataclass(frozen=True)
class Work:
    """What a DuckDB that rewrites files may use.

    Attributes:
        memory_limit: its memory, as DuckDB spells it.
        threads: its threads.
        target_bytes: files are put together up to about this size.
    """

    memory_limit: str = "512MB"
    threads: int = 1
    target_bytes: int = 256 << 20


def groups_of_days(files: Iterable[PlannedFile], target_bytes: int) -> Iterator[list[PlannedFile]]:
    """Yield files of one day each, together up to about the size of one file."""
    days: dict[object, list[PlannedFile]] = defaultdict(list)
    for file in files:
        days[file.day].append(file)
    for of_day in days.values():
        group: list[PlannedFile] = []
        for file in of_day:
            group.append(file)
            if sum(member.size_bytes for member in group) >= target_bytes:
                yield group
                group = []
        if group:
            yield group


def rewrite(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    table: LakeTable,
    sources: Sequence[PlannedFile],
    select: str = "SELECT * FROM source",
    parameters: Sequence[object] = (),
) -> str | None:
    """Write a query's rows to a new file of the table, and return its path; None where there are no rows.

    Args:
        lake: the lake.
        connection: a DuckDB of its storage.
        table: the table.
        sources: the files of one day that the query sees as `source`.
        select: the query.
        parameters: the values of its parameters.

    Raises:
        SourcesChanged: one of `sources` is gone, because its snapshot expired meanwhile.
    """
    path = f"{lake.data_folder(table)}/{sources[0].day}-{uuid.uuid4().hex}.parquet"
    lake.storage.make_folder_of(path)
    paths = [file.path for file in sources]
    with sources_may_go(lake, paths):
        connection.read_parquet(paths, union_by_name=True, hive_partitioning=False).create_view("source", replace=True)
        options = f"FORMAT parquet, COMPRESSION zstd{_kept_metadata(connection, paths)}"
        copied = connection.execute(f"COPY ({select}) TO '{_quoted(path)}' ({options})", list(parameters)).fetchone()
    if copied is None or copied[0] == 0:
        lake.storage.delete([path])
        return None
    return path


@contextmanager
def sources_may_go(lake: Lake, paths: Sequence[str]) -> Iterator[None]:
    """Raise SourcesChanged where reading fails because a file is gone."""
    try:
        yield
    except (duckdb.Error, OSError):
        if all(lake.storage.found(paths).values()):
            raise
        raise SourcesChanged from None


def replace(
    lake: Lake, table: LakeTable, sources: Sequence[PlannedFile], new: Sequence[str], properties: dict[str, str]
) -> int:
    """Put new files in the place of others, in one snapshot, and return its id.

    What others append meanwhile stays.

    Raises:
        SourcesChanged: one of `sources` is not in the table any more; nothing was done.
        LakeConflict: others changed the table again and again.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(CommitFailedException),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        stop=stop_after_attempt(_ATTEMPTS),
    )
    try:
        return retrying(lambda: _replace_once(lake, table, sources, new, properties))
    except RetryError:
        raise LakeConflict(
            f"table {table}: others changed it {_ATTEMPTS} times while files were being replaced: try again"
        ) from None


def _replace_once(
    lake: Lake, name: LakeTable, sources: Sequence[PlannedFile], new: Sequence[str], properties: dict[str, str]
) -> int:
    table, there = lake.read(
        name, lambda table: (table, {task.file.file_path: task.file for task in table.scan().plan_files()})
    )
    if not all(source.path in there for source in sources):
        raise SourcesChanged
    try:
        with (
            database_errors(),
            TableTransaction(table) as transaction,
            transaction.update_snapshot(properties).overwrite() as overwrite,
        ):
            for source in sources:
                overwrite.delete_data_file(there[source.path])
            for path in new:
                overwrite.append_data_file(parquet_file_to_data_file(table.io, table.metadata, path))
    except ValidationException:
        raise SourcesChanged from None
    return overwrite.snapshot_id


def _kept_metadata(connection: duckdb.DuckDBPyConnection, paths: Sequence[str]) -> str:
    """Return the option that gives a file the key-value metadata on which all its sources agree."""
    agreed = connection.execute(
        """
        SELECT decode(key), decode(value) FROM parquet_kv_metadata(?)
        WHERE decode(key) LIKE 'clickwatch.%' GROUP BY ALL HAVING count(DISTINCT file_name) = ? ORDER BY ALL
        """,
        [list(paths), len(paths)],
    ).fetchall()
    pairs = ", ".join(f"'{_quoted(key)}': '{_quoted(value)}'" for key, value in agreed)
    return f", KV_METADATA {{{pairs}}}" if pairs else ""


def _quoted(text: str) -> str:
    return text.replace("'", "''")
