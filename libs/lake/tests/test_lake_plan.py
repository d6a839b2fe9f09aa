"""A plan names the files that hold a table's rows, all of them and no others."""

from datetime import date

import polars
import pytest
from clickwatch_lake.batches import commit
from clickwatch_lake.lake import Lake
from clickwatch_lake.plan import plan
from clickwatch_lake.tables import LakeTable
from clickwatch_service import UserError
from lake_batches import batch, expected_ids, ids

FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)


def test_a_plan_has_each_file_with_its_day_rows_and_size(lake: Lake) -> None:
    given = batch(lake, 0)
    commit(lake, given)

    planned = plan(lake, LakeTable.EVENTS)

    assert sorted(planned.paths) == sorted(given.files[LakeTable.EVENTS])
    assert [(file.day, file.rows) for file in planned.files] == [(FIRST, 10), (SECOND, 10)]
    sizes = lake.storage.found(planned.paths)
    assert {file.path: file.size_bytes for file in planned.files} == {
        path: file.size_bytes for path, file in sizes.items() if file is not None
    }


def test_a_plan_as_of_a_snapshot_has_what_was_there_then(lake: Lake) -> None:
    commit(lake, batch(lake, 0))
    then = plan(lake, LakeTable.EVENTS).snapshot_id
    commit(lake, batch(lake, 1))

    assert ids(lake, LakeTable.EVENTS, then) == expected_ids(0)[LakeTable.EVENTS]
    assert ids(lake, LakeTable.EVENTS) == expected_ids(0, 1)[LakeTable.EVENTS]


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        (None, None, [FIRST, SECOND]),
        (FIRST, FIRST, [FIRST]),
        (SECOND, None, [SECOND]),
        (None, FIRST, [FIRST]),
        (date(2026, 3, 3), None, []),
    ],
)
def test_a_plan_for_days_leaves_other_days_out(
    lake: Lake, first: date | None, last: date | None, days: list[date]
) -> None:
    commit(lake, batch(lake, 0))

    planned = plan(lake, LakeTable.EVENTS, first_day=first, last_day=last)

    assert [file.day for file in planned.files] == days


def test_a_plan_with_a_filter_leaves_out_files_in_which_no_row_can_match(lake: Lake) -> None:
    commit(lake, batch(lake, 0))
    commit(lake, batch(lake, 1))

    planned = plan(lake, LakeTable.EVENTS, where="kafka_offset = 1003")

    assert [(file.day, file.rows) for file in planned.files] == [(FIRST, 10)]


def test_a_table_without_rows_has_an_empty_plan(lake: Lake) -> None:
    assert plan(lake, LakeTable.EVENTS).snapshot_id is None
    assert plan(lake, LakeTable.EVENTS).paths == []


def test_a_snapshot_that_is_not_there_is_named(lake: Lake) -> None:
    commit(lake, batch(lake, 0))

    with pytest.raises(UserError, match="table events has no snapshot 815: it has expired or never was"):
        plan(lake, LakeTable.EVENTS, 815)


def test_polars_reads_a_plan(lake: Lake, request: pytest.FixtureRequest) -> None:
    commit(lake, batch(lake, 0))
    options = {}
    if lake.storage.is_s3:
        options = {
            "aws_endpoint_url": request.getfixturevalue("s3_endpoint"),
            "aws_access_key_id": "key",
            "aws_secret_access_key": "secret",
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
        }

    frame = polars.scan_parquet(plan(lake, LakeTable.EVENTS).paths, storage_options=options).collect()

    assert sorted(frame["event_id"]) == expected_ids(0)[LakeTable.EVENTS]


def test_pyiceberg_reads_the_table_by_its_name(lake: Lake, database_url: str) -> None:
    from pyiceberg.catalog import load_catalog

    commit(lake, batch(lake, 0))
    catalog = load_catalog(
        "clickwatch",
        type="sql",
        uri=database_url.replace("postgresql://", "postgresql+psycopg://") + "?options=-csearch_path%3Dlake",
        init_catalog_tables="false",
        **lake.storage.io_properties,
    )

    read = catalog.load_table("lake.events").scan("price_minor < 3", selected_fields=("event_id",)).to_arrow()

    assert sorted(read["event_id"].to_pylist()) == ["event_0", "event_1", "event_2"]
