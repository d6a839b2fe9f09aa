"""A batch is in all tables or in none, once, whoever else commits."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from clickwatch_lake.batches import (
    AlreadyCommitted,
    Batch,
    Committed,
    commit,
    find_batch,
    last_batch,
    publish,
    stage,
)
from clickwatch_lake.catalog import LakeConflict, Overtaken
from clickwatch_lake.lake import Lake
from clickwatch_lake.plan import plan
from clickwatch_lake.storage import Storage
from clickwatch_lake.tables import LakeTable
from clickwatch_service import UserError
from lake_batches import QUERY, SELECTS, all_ids, batch, expected_ids, ids, rows_file, write


def test_a_batch_is_in_all_tables_with_its_record_and_its_snapshots(lake: Lake) -> None:
    outcome = commit(lake, batch(lake, 0))

    assert isinstance(outcome, Committed)
    assert all_ids(lake) == expected_ids(0)
    stored = find_batch(lake, QUERY, 0)
    assert stored is not None
    assert stored.record["batch"] == 0
    assert stored.snapshots == outcome.snapshots == {table: plan(lake, table).snapshot_id for table in LakeTable}


def test_each_snapshot_names_the_batch_that_made_it(lake: Lake) -> None:
    commit(lake, batch(lake, 7))

    snapshot = lake.table(LakeTable.EVENTS).current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary.additional_properties["clickwatch.query-id"] == QUERY
    assert snapshot.summary.additional_properties["clickwatch.batch-id"] == "7"


def test_a_batch_that_is_there_is_recognised_by_its_key_and_changes_nothing(lake: Lake) -> None:
    commit(lake, batch(lake, 0))

    outcome = commit(lake, batch(lake, 0))

    assert isinstance(outcome, AlreadyCommitted)
    assert outcome.batch == find_batch(lake, QUERY, 0)
    assert all_ids(lake) == expected_ids(0)


def test_batches_of_another_query_have_keys_of_their_own(lake: Lake) -> None:
    commit(lake, batch(lake, 0))

    assert isinstance(commit(lake, batch(lake, 1, query_id="another")), Committed)

    assert find_batch(lake, "another", 0) is None
    last, last_of_ours = last_batch(lake), last_batch(lake, QUERY)
    assert last is not None
    assert last.query_id == "another"
    assert last_of_ours is not None
    assert last_of_ours.batch_id == 0


def test_a_batch_without_rows_is_a_record(lake: Lake) -> None:
    assert commit(lake, Batch(QUERY, 0, {"nothing": True})) == Committed({})

    stored = last_batch(lake)
    assert stored is not None
    assert stored.record == {"nothing": True}
    assert all_ids(lake) == {table: [] for table in LakeTable}


def test_of_three_drivers_that_commit_one_batch_one_wins(lake: Lake, database_url: str) -> None:
    rivals = [Lake(database_url, lake.storage) for _ in range(3)]
    batches = [batch(rival, 0) for rival in rivals]
    start = Barrier(3)

    def drive(number: int) -> object:
        start.wait()
        try:
            return commit(rivals[number], batches[number])
        except LakeConflict as error:
            return error

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(drive, range(3)))

    (winner,) = (number for number, outcome in enumerate(outcomes) if isinstance(outcome, Committed))
    for number, outcome in enumerate(outcomes):
        if number != winner:
            assert isinstance(outcome, AlreadyCommitted) or "two drivers run the same query" in str(outcome)
    assert all_ids(lake) == expected_ids(0)
    assert set(plan(lake, LakeTable.EVENTS).paths) == set(batches[winner].files[LakeTable.EVENTS])


def test_drivers_that_commit_different_batches_at_once_all_land(lake: Lake, database_url: str) -> None:
    drivers = [Lake(database_url, lake.storage) for _ in range(3)]
    batches = [batch(driver, number) for number, driver in enumerate(drivers)]

    with ThreadPoolExecutor(3) as pool:
        outcomes = list(pool.map(lambda number: commit(drivers[number], batches[number]), range(3)))

    assert all(isinstance(outcome, Committed) for outcome in outcomes)
    assert all_ids(lake) == expected_ids(0, 1, 2)


def test_two_stale_stagings_of_one_batch_do_not_both_land(lake: Lake) -> None:
    one, other = batch(lake, 0), batch(lake, 0)
    staged, staged_too = stage(lake, one), stage(lake, other)

    publish(lake, one, staged)
    with pytest.raises(LakeConflict, match="two drivers run the same query"):
        publish(lake, other, staged_too)

    assert all_ids(lake) == expected_ids(0)


def test_a_stale_staging_of_another_batch_does_not_drop_what_landed_since(lake: Lake) -> None:
    one, other = batch(lake, 0), batch(lake, 1)
    staged, staged_too = stage(lake, one), stage(lake, other)

    publish(lake, one, staged)
    with pytest.raises(Overtaken):
        publish(lake, other, staged_too)

    assert find_batch(lake, QUERY, 1) is None
    assert all_ids(lake) == expected_ids(0)


def test_what_is_staged_is_seen_by_nobody(lake: Lake) -> None:
    stage(lake, batch(lake, 0))

    assert all_ids(lake) == {table: [] for table in LakeTable}


def test_a_file_that_is_not_there_is_named(lake: Lake) -> None:
    missing = f"{lake.data_folder(LakeTable.EVENTS)}/gone.parquet"

    with pytest.raises(UserError, match=r"gone\.parquet is not there: write the batch's files anew"):
        commit(lake, Batch(QUERY, 0, {}, {LakeTable.EVENTS: [missing]}))

    assert last_batch(lake) is None


def test_a_file_that_a_sweep_could_delete_is_not_committed(lake: Lake) -> None:
    late = datetime.now(UTC) + timedelta(hours=13)

    with pytest.raises(UserError, match="may be swept at any moment"):
        commit(lake, batch(lake, 0), late)

    assert last_batch(lake) is None


def test_a_file_that_spans_days_is_refused_with_the_whole_batch(lake: Lake) -> None:
    good = rows_file(lake, LakeTable.WINDOW_STATS, 0, 10)
    days = " UNION ALL ".join(
        SELECTS[LakeTable.EVENTS].format(first=0, count=1, day=day) for day in ("2026-03-01", "2026-03-02")
    )
    spanning = write(lake, LakeTable.EVENTS, days)

    with pytest.raises(ValueError, match="more than one partition values"):
        commit(lake, Batch(QUERY, 0, {}, {LakeTable.WINDOW_STATS: [good], LakeTable.EVENTS: [spanning]}))

    assert all_ids(lake) == {table: [] for table in LakeTable}
    assert last_batch(lake) is None


def test_a_column_of_another_type_is_refused(lake: Lake) -> None:
    select = SELECTS[LakeTable.EVENTS].format(first=0, count=1, day="2026-03-01")
    wrong = write(lake, LakeTable.EVENTS, f"SELECT * REPLACE (price_minor / 100 AS price_minor) FROM ({select})")

    with pytest.raises(ValueError, match="price_minor"):
        commit(lake, Batch(QUERY, 0, {}, {LakeTable.EVENTS: [wrong]}))

    assert ids(lake, LakeTable.EVENTS) == []


def test_an_older_file_without_a_newer_column_reads_as_null(lake: Lake) -> None:
    select = SELECTS[LakeTable.EVENTS].format(first=0, count=3, day="2026-03-01")
    older = write(lake, LakeTable.EVENTS, f"SELECT * EXCLUDE (session_id, late_at) FROM ({select})")

    commit(lake, Batch(QUERY, 0, {}, {LakeTable.EVENTS: [older]}))

    read = lake.table(LakeTable.EVENTS).scan().to_arrow()
    assert read["session_id"].to_pylist() == [None] * 3
    assert sorted(read["event_id"].to_pylist()) == ["event_0", "event_1", "event_2"]


def test_a_lake_elsewhere_is_not_mistaken_for_the_one_in_the_catalog(lake: Lake, database_url: str) -> None:
    with pytest.raises(UserError, match="set LAKE_URL to where the tables are"):
        Lake(database_url, Storage("/somewhere/else")).make_tables()
