"""A user's rows taken out of the events, or given a pseudonym, until none is left and no snapshot holds one."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import duckdb
from pyiceberg.expressions import BooleanExpression, In

from clickwatch_lake.catalog import LakeConflict
from clickwatch_lake.lake import Lake
from clickwatch_lake.plan import PlannedFile, plan
from clickwatch_lake.rewriting import SourcesChanged, Work, groups_of_days, replace, rewrite, sources_may_go
from clickwatch_lake.snapshots import expire
from clickwatch_lake.tables import LakeTable

_ROUNDS = 20
_EVENTS = LakeTable.EVENTS

_HOLDERS = """
    SELECT DISTINCT filename
    FROM read_parquet(?, union_by_name = true, hive_partitioning = false, filename = true)
    WHERE list_contains(?, user_id)
"""
_WITHOUT = "SELECT * FROM source WHERE NOT coalesce(list_contains(?, user_id), false)"
_RENAMED = "SELECT * REPLACE (CASE WHEN list_contains(?, user_id) THEN ? ELSE user_id END AS user_id) FROM source"


@dataclass(frozen=True)
class Forgotten:
    """What was done to forget a user.

    Attributes:
        files: how many files held the user, and are written anew or gone.
        snapshots: how many snapshots expired, because they may have held the user.
    """

    files: int
    snapshots: int


def forget(lake: Lake, names: Sequence[str], pseudonym: str | None = None, work: Work | None = None) -> Forgotten:
    """Take a user's rows out of the events, or give them a pseudonym, and let go of every snapshot that has them.

    A batch that is on its way may bring the user again: what is committed while this runs is looked at again
    until nothing is left, what comes later is the caller's to keep out. Killed at any moment: call it again.

    Args:
        lake: the lake.
        names: what the user is called.
        pseudonym: what the user is called afterwards; None takes the rows out.
        work: what it may use.

    Raises:
        LakeConflict: the user came again and again.
    """
    work = work or Work()
    files = 0
    with closing(lake.storage.duckdb(work.memory_limit, work.threads)) as connection:
        for _ in range(_ROUNDS):
            try:
                holding = _holding(lake, connection, names)
            except SourcesChanged:
                continue
            if not holding:
                # No older snapshot is kept: one that was made before may hold the user.
                return Forgotten(files, expire(lake, _EVENTS, keep=1).snapshots)
            for group in groups_of_days(holding, work.target_bytes):
                files += _without(lake, connection, group, names, pseudonym)
    raise LakeConflict(
        f"table {_EVENTS}: the user came again {_ROUNDS} times while being forgotten: stop what sends the user's events"
    )


def _holding(lake: Lake, connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[PlannedFile]:
    """Return the files of the current snapshot that have a row of the user.

    Raises:
        SourcesChanged: files went meanwhile: look again.
    """
    possible = plan(lake, _EVENTS, where=_any_of("user_id", names)).files
    if not possible:
        return []
    looked_at = [file.path for file in possible]
    with sources_may_go(lake, looked_at):
        found = connection.execute(_HOLDERS, [looked_at, list(names)]).fetchall()
    paths = {str(row[0]) for row in found}
    return [file for file in possible if file.path in paths]


def _any_of(column: str, values: Sequence[str]) -> BooleanExpression:
    make: Any = In  # pyiceberg's expressions are made by position, which their generated signatures deny
    expression: BooleanExpression = make(column, list(values))
    return expression


def _without(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    group: Sequence[PlannedFile],
    names: Sequence[str],
    pseudonym: str | None,
) -> int:
    """Return how many files were replaced: all of the group, or none where another process was faster."""
    new: list[str] = []
    try:
        if pseudonym is None:
            path = rewrite(lake, connection, _EVENTS, group, _WITHOUT, [list(names)])
        else:
            path = rewrite(lake, connection, _EVENTS, group, _RENAMED, [list(names), pseudonym])
        new = [] if path is None else [path]
        replace(lake, _EVENTS, group, new, {"clickwatch.change": "forgetting"})
    except SourcesChanged:
        lake.storage.delete(new)
        return 0
    return len(group)
