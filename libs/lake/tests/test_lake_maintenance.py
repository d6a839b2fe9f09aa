"""Snapshots expire, orphans are swept, tables go back, users are forgotten: each beside whoever commits."""

from datetime import UTC, datetime, timedelta

import clickwatch_lake.rewriting as rewriting
import pytest
from clickwatch_lake.batches import commit, publish, stage
from clickwatch_lake.catalog import LakeConflict
from clickwatch_lake.compaction import compact
from clickwatch_lake.forgetting import forget
from clickwatch_lake.lake import Lake
from clickwatch_lake.orphans import orphans, sweep
from clickwatch_lake.plan import plan
from clickwatch_lake.snapshots import expire, rollback
from clickwatch_lake.status import status
from clickwatch_lake.tables import LakeTable
from clickwatch_service import UserError
from lake_batches import IDS, all_ids, batch, expected_ids, ids, rows_file, session

EVENTS = LakeTable.EVENTS


def tomorrow() -> datetime:
    """A time at which all that lies around is old."""
    return datetime.now(UTC) + timedelta(days=2)


def stored(lake: Lake) -> set[str]:
    """The files that lie in the lake."""
    return {file.path for table in LakeTable for file in lake.storage.listed(lake.location(table))}


def test_old_snapshots_expire_and_no_row_is_lost(lake: Lake) -> None:
    for number in range(5):
        commit(lake, batch(lake, number))

    done = expire(lake, EVENTS, keep=2)

    assert done.snapshots == 3
    assert len(lake.table(EVENTS).snapshots()) == 2
    assert all_ids(lake) == expected_ids(*range(5))


def test_the_newest_snapshots_can_still_be_read(lake: Lake) -> None:
    for number in range(4):
        commit(lake, batch(lake, number))
    newest = [snapshot.snapshot_id for snapshot in lake.table(EVENTS).snapshots()][-2:]

    expire(lake, EVENTS, keep=2)

    assert [ids(lake, EVENTS, snapshot) for snapshot in newest] == [
        expected_ids(0, 1, 2)[EVENTS],
        expected_ids(0, 1, 2, 3)[EVENTS],
    ]


def test_files_that_only_expired_snapshots_have_are_deleted_with_them(lake: Lake) -> None:
    for number in range(3):
        commit(lake, batch(lake, number))
    replaced = set(plan(lake, EVENTS).paths)
    list(compact(lake, EVENTS))
    assert replaced <= stored(lake)

    expire(lake, EVENTS, keep=1)

    assert not replaced & stored(lake)
    assert all_ids(lake) == expected_ids(0, 1, 2)


def test_a_batch_staged_before_an_expiry_lands_after_it(lake: Lake) -> None:
    for number in range(3):
        commit(lake, batch(lake, number))
    late = batch(lake, 3)
    stage(lake, late)
    expire(lake, EVENTS, keep=1)

    commit(lake, late)

    assert all_ids(lake) == expected_ids(0, 1, 2, 3)


def test_a_young_table_has_nothing_to_expire(lake: Lake) -> None:
    assert expire(lake, EVENTS).snapshots == 0
    commit(lake, batch(lake, 0))

    assert expire(lake, EVENTS).snapshots == 0


def test_what_a_killed_batch_left_is_swept_and_nothing_else(lake: Lake) -> None:
    commit(lake, batch(lake, 0))
    killed = batch(lake, 1)
    stage(lake, killed)
    left = [path for paths in killed.files.values() for path in paths]
    before = stored(lake)

    swept = {file.path for table in LakeTable for file in sweep(lake, table, tomorrow())}

    assert swept >= set(left)
    assert stored(lake) == before - swept
    assert [orphans(lake, table, tomorrow()) for table in LakeTable] == [[], [], []]
    assert all_ids(lake) == expected_ids(0)
    commit(lake, batch(lake, 1))
    assert all_ids(lake) == expected_ids(0, 1)


def test_a_sweep_leaves_what_a_batch_on_its_way_needs(lake: Lake) -> None:
    commit(lake, batch(lake, 0))
    on_its_way = batch(lake, 1)
    staged = stage(lake, on_its_way)

    assert [sweep(lake, table) for table in LakeTable] == [[], [], []]

    publish(lake, on_its_way, staged)
    assert all_ids(lake) == expected_ids(0, 1)


def test_a_grace_in_which_files_may_still_be_committed_is_refused(lake: Lake) -> None:
    with pytest.raises(ValueError, match="must be longer than"):
        sweep(lake, EVENTS, grace=timedelta(hours=1))


def test_snapshots_of_each_age_can_be_read_after_a_sweep(lake: Lake) -> None:
    commit(lake, batch(lake, 0))
    oldest = plan(lake, EVENTS).snapshot_id
    commit(lake, batch(lake, 1))
    list(compact(lake, EVENTS))

    for table in LakeTable:
        sweep(lake, table, tomorrow())

    assert ids(lake, EVENTS, oldest) == expected_ids(0)[EVENTS]
    assert all_ids(lake) == expected_ids(0, 1)


def test_tables_go_back_to_snapshots_and_forward_again(lake: Lake) -> None:
    commit(lake, batch(lake, 0))
    before = {table: plan(lake, table).snapshot_id or 0 for table in LakeTable}
    commit(lake, batch(lake, 1))
    after = {table: plan(lake, table).snapshot_id or 0 for table in LakeTable}

    rollback(lake, before)
    assert all_ids(lake) == expected_ids(0)
    rollback(lake, after)

    assert all_ids(lake) == expected_ids(0, 1)


def test_a_rollback_of_all_tables_is_one_transaction(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(lake, batch(lake, 0))
    before = {table: plan(lake, table).snapshot_id or 0 for table in LakeTable}
    commit(lake, batch(lake, 1))
    transaction = lake.transaction

    def after_a_batch() -> object:
        monkeypatch.undo()
        commit(lake, batch(lake, 2))
        return transaction()

    monkeypatch.setattr(lake, "transaction", after_a_batch)

    with pytest.raises(LakeConflict, match="changed during the rollback, and nothing was done"):
        rollback(lake, before)

    assert all_ids(lake) == expected_ids(0, 1, 2)


def test_a_rollback_to_a_snapshot_that_is_not_there_is_named(lake: Lake) -> None:
    commit(lake, batch(lake, 0))

    with pytest.raises(UserError, match="table events has no snapshot 815"):
        rollback(lake, {EVENTS: 815})


def user_rows(lake: Lake, user: str) -> int:
    """Rows of a user in any file that lies in the lake, in whatever snapshot."""
    paths = [path for path in stored(lake) if path.endswith(".parquet") and "/events/" in path]
    query = "SELECT count(*) FROM read_parquet(?, union_by_name = true) WHERE user_id = ?"
    row = session(lake).cursor().execute(query, [paths, user]).fetchone()
    assert row is not None
    return int(row[0])


def test_a_user_is_forgotten_in_all_files_and_all_snapshots_and_nobody_else(lake: Lake) -> None:
    for number in range(3):
        commit(lake, batch(lake, number))
    assert user_rows(lake, "user_3") == 12

    done = forget(lake, ["user_3"])

    assert done.files == 6
    assert user_rows(lake, "user_3") == 0
    assert len(lake.table(EVENTS).snapshots()) == 1
    others = [name for name in expected_ids(0, 1, 2)[EVENTS] if int(name.removeprefix("event_")) % 5 != 3]
    assert ids(lake, EVENTS) == others


def test_a_user_gets_a_pseudonym_and_no_row_is_lost(lake: Lake) -> None:
    commit(lake, batch(lake, 0))

    forget(lake, ["user_3"], pseudonym="anon-1")

    assert user_rows(lake, "user_3") == 0
    assert user_rows(lake, "anon-1") == 4
    assert all_ids(lake) == expected_ids(0)


def test_a_file_that_only_holds_the_user_goes(lake: Lake) -> None:
    commit(lake, batch(lake, 0, count=1))

    forget(lake, ["user_0"])

    assert plan(lake, EVENTS).paths == []
    assert ids(lake, LakeTable.WINDOW_STATS) == expected_ids(0, count=1)[LakeTable.WINDOW_STATS]


def test_a_user_who_comes_with_a_batch_meanwhile_is_forgotten_too(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(lake, batch(lake, 0))
    original, coming = rewriting.replace, [batch(lake, 1)]

    def replaced_beside_a_batch(*arguments: object) -> object:
        if coming:
            commit(lake, coming.pop())
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("clickwatch_lake.forgetting.replace", replaced_beside_a_batch)

    forget(lake, ["user_3"])

    assert user_rows(lake, "user_3") == 0
    assert plan(lake, EVENTS).rows == 32


def test_forgetting_that_was_killed_is_ended_by_its_repetition(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit(lake, batch(lake, 0))

    def killed(*_: object, **__: object) -> object:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("clickwatch_lake.forgetting.expire", killed)
        with pytest.raises(KeyboardInterrupt):
            forget(lake, ["user_3"])
    assert user_rows(lake, "user_3") == 4

    forget(lake, ["user_3"])

    assert user_rows(lake, "user_3") == 0


def test_a_user_whom_nobody_knows_changes_no_file(lake: Lake) -> None:
    commit(lake, batch(lake, 0))
    before = plan(lake, EVENTS)

    assert forget(lake, ["it's nobody"]).files == 0

    assert plan(lake, EVENTS) == before


def test_the_status_counts_what_is_there(lake: Lake) -> None:
    commit(lake, batch(lake, 0))
    commit(lake, batch(lake, 1))
    orphan = rows_file(lake, EVENTS, 0, 1)

    seen = status(lake, now=tomorrow())

    assert [(table.table, table.rows, table.files, table.snapshots) for table in seen.tables] == [
        (EVENTS, 40, 4, 2),
        (LakeTable.WINDOW_STATS, 20, 2, 2),
        (LakeTable.DEAD_LETTERS, 20, 2, 2),
    ]
    for table in seen.tables:
        planned = plan(lake, table.table)
        assert table.size_bytes == sum(file.size_bytes for file in planned.files)
        assert table.snapshot_id == planned.snapshot_id
    assert seen.last_batch is not None
    assert seen.last_batch.batch_id == 1
    assert seen.orphans is not None
    assert seen.orphans.files == 1
    assert seen.orphans.size_bytes == next(f.size_bytes for f in lake.storage.found([orphan]).values() if f)


def test_the_status_of_an_empty_lake_is_a_status(lake: Lake) -> None:
    seen = status(lake, with_orphans=False)

    assert [(table.rows, table.snapshots, table.changed_at) for table in seen.tables] == [(0, 0, None)] * len(IDS)
    assert seen.last_batch is None
    assert seen.orphans is None
