"""A compaction changes files and never rows, beside whoever commits meanwhile."""

from collections.abc import Callable
from datetime import date

import clickwatch_lake.batches as batches
import clickwatch_lake.rewriting as rewriting
import pyarrow.parquet as pq
import pytest
from clickwatch_lake.batches import Batch, commit
from clickwatch_lake.compaction import compact
from clickwatch_lake.forgetting import forget
from clickwatch_lake.lake import Lake
from clickwatch_lake.plan import plan
from clickwatch_lake.storage import lake_storage
from clickwatch_lake.tables import LakeTable
from lake_batches import QUERY, SELECTS, all_ids, batch, expected_ids, ids, write

EVENTS = LakeTable.EVENTS


def meanwhile(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something once, between the rewriting of files and their replacement."""
    original = rewriting._replace_once
    waiting = [act]

    def later(*arguments: object) -> object:
        if waiting:
            waiting.pop()()
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(rewriting, "_replace_once", later)


def test_the_small_files_of_each_day_become_one_with_the_same_rows(lake: Lake) -> None:
    for number in range(3):
        commit(lake, batch(lake, number))

    done = list(compact(lake, EVENTS))

    assert [(each.day, each.before, each.rows) for each in done] == [
        (date(2026, 3, 1), 3, 30),
        (date(2026, 3, 2), 3, 30),
    ]
    assert [file.rows for file in plan(lake, EVENTS).files] == [30, 30]
    assert all_ids(lake) == expected_ids(0, 1, 2)


def test_one_day_alone_is_compacted_where_it_is_named(lake: Lake) -> None:
    for number in range(2):
        commit(lake, batch(lake, number))

    list(compact(lake, EVENTS, date(2026, 3, 2)))

    assert [(str(file.day), file.rows) for file in plan(lake, EVENTS).files] == [
        ("2026-03-01", 10),
        ("2026-03-01", 10),
        ("2026-03-02", 20),
    ]


def test_compacting_again_and_days_with_few_files_change_nothing(lake: Lake) -> None:
    for number in range(2):
        commit(lake, batch(lake, number))

    assert list(compact(lake, EVENTS, least_files=3)) == []
    assert len(list(compact(lake, EVENTS))) == 2
    assert list(compact(lake, EVENTS)) == []


def test_an_older_snapshot_keeps_its_files(lake: Lake) -> None:
    for number in range(2):
        commit(lake, batch(lake, number))
    before = plan(lake, EVENTS)

    list(compact(lake, EVENTS))

    assert plan(lake, EVENTS, before.snapshot_id) == before
    assert ids(lake, EVENTS, before.snapshot_id) == expected_ids(0, 1)[EVENTS]


def test_a_batch_that_lands_during_a_compaction_stays(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        commit(lake, batch(lake, number))
    meanwhile(monkeypatch, lambda: commit(lake, batch(lake, 2)))

    list(compact(lake, EVENTS))

    assert all_ids(lake) == expected_ids(0, 1, 2)


def test_a_batch_staged_before_a_compaction_lands_after_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        commit(lake, batch(lake, number))
    stage, waiting = batches.stage, [lambda: list(compact(lake, EVENTS))]

    def staged_and_overtaken(*arguments: object) -> object:
        staged = stage(*arguments)  # type: ignore[arg-type]
        if waiting:
            waiting.pop()()
        return staged

    monkeypatch.setattr(batches, "stage", staged_and_overtaken)

    commit(lake, batch(lake, 2))

    assert all_ids(lake) == expected_ids(0, 1, 2)
    assert [file.rows for file in plan(lake, EVENTS, first_day=date(2026, 3, 2)).files] in ([20, 10], [10, 20])


def test_a_user_forgotten_during_a_compaction_does_not_come_back(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        commit(lake, batch(lake, number))
    meanwhile(monkeypatch, lambda: forget(lake, ["user_3"]))

    assert [each.rows for each in compact(lake, EVENTS)] == []

    assert lake.table(EVENTS).scan("user_id = 'user_3'").to_arrow().num_rows == 0
    assert plan(lake, EVENTS).rows == 32


def test_two_compactions_at_once_do_not_double_a_row(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        commit(lake, batch(lake, number))
    meanwhile(monkeypatch, lambda: list(compact(lake, EVENTS)))

    list(compact(lake, EVENTS))

    assert all_ids(lake) == expected_ids(0, 1)


def test_files_of_an_older_release_get_the_newer_columns_empty(lake: Lake) -> None:
    select = SELECTS[EVENTS].format(first=1000, count=2, day="2026-03-01")
    older = write(lake, EVENTS, f"SELECT * EXCLUDE (session_id) FROM ({select})")
    commit(lake, batch(lake, 0))
    commit(lake, Batch(QUERY, 1, {}, {EVENTS: [older]}))

    list(compact(lake, EVENTS, date(2026, 3, 1)))

    read = lake.table(EVENTS).scan("kafka_offset >= 1000").to_arrow()
    assert read["session_id"].to_pylist() == [None, None]
    assert sorted(read["event_id"].to_pylist()) == ["event_1000", "event_1001"]


@pytest.mark.parametrize("all_judged", [True, False])
def test_a_file_says_of_its_events_what_all_its_sources_said(
    database_url: str, tmp_path: object, all_judged: bool
) -> None:
    lake = Lake(database_url, lake_storage(f"{tmp_path}/lake"))
    lake.make_tables()
    commit(lake, batch(lake, 0))
    file = batch(lake, 1).files[EVENTS][0]
    if not all_judged:
        pq.write_table(pq.read_table(file).replace_schema_metadata(None), file)
    commit(lake, Batch(QUERY, 1, {}, {EVENTS: [file]}))

    list(compact(lake, EVENTS, date(2026, 3, 1)))

    (compacted,) = plan(lake, EVENTS, last_day=date(2026, 3, 1)).paths
    said = pq.read_metadata(compacted).metadata or {}
    assert said.get(b"clickwatch.limits") == (b"1" if all_judged else None)
