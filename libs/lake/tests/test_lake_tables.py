"""The tables are made once, by whoever is first, and never by DDL."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from clickwatch_lake.batches import commit
from clickwatch_lake.forgetting import forget
from clickwatch_lake.lake import Lake
from clickwatch_lake.plan import plan
from clickwatch_lake.storage import Storage, lake_storage
from clickwatch_lake.tables import LakeTable
from clickwatch_service import UserError
from lake_batches import all_ids, batch, expected_ids
from sqlalchemy import text

COLUMNS = {
    LakeTable.EVENTS: "event_id user_id product_id product_category event_type timestamp session_id price_minor"
    " currency schema_id kafka_partition kafka_offset late_at",
    LakeTable.WINDOW_STATS: "window_start window_end product_id product_category views carts purchases total_events",
    LakeTable.DEAD_LETTERS: "event_id product_id event_type timestamp reason kafka_partition kafka_offset"
    " kafka_timestamp",
}
PARTITIONS = {
    LakeTable.EVENTS: "timestamp_day: day(timestamp)",
    LakeTable.WINDOW_STATS: "window_start_day: day(window_start)",
    LakeTable.DEAD_LETTERS: "kafka_timestamp_day: day(kafka_timestamp)",
}


@pytest.mark.parametrize("table", list(LakeTable))
def test_a_table_has_the_columns_and_the_days_of_the_spec(lake: Lake, table: LakeTable) -> None:
    made = lake.table(table)

    assert made.schema().column_names == COLUMNS[table].split()
    (partition,) = made.spec().fields
    source = made.schema().find_column_name(partition.source_id)
    assert f"{partition.name}: {partition.transform}({source})" == PARTITIONS[table]
    assert made.metadata.format_version == 2
    assert made.properties["schema.name-mapping.default"]


def test_tables_are_made_once_by_whoever_is_first(database_url: str, storage: Storage) -> None:
    lakes = [Lake(database_url, storage) for _ in range(4)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(Lake.make_tables, lakes))
    uuids = [[lake.table(table).metadata.table_uuid for table in LakeTable] for lake in lakes]

    assert uuids == [uuids[0]] * 4


def test_making_tables_again_keeps_their_rows(lake: Lake, database_url: str) -> None:
    commit(lake, batch(lake, 0))

    Lake(database_url, lake.storage).make_tables()

    assert all_ids(lake) == expected_ids(0)


def test_streaming_may_make_commit_and_read_with_the_rights_it_has(
    database_url: str, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_streaming = _as_role(database_url, "clickwatch_streaming")
    lake = Lake(as_streaming, storage)
    lake.make_tables()

    commit(lake, batch(lake, 0))

    assert all_ids(Lake(_as_role(database_url, "clickwatch_reader"), storage)) == expected_ids(0)


def test_privacy_may_forget_a_user_with_the_rights_it_has_and_no_more(lake: Lake, database_url: str) -> None:
    commit(lake, batch(lake, 0))
    privacy = Lake(_as_role(database_url, "clickwatch_privacy"), lake.storage)

    assert forget(privacy, ["user_3"]).files == 2

    assert plan(lake, LakeTable.EVENTS).rows == 16
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        commit(privacy, batch(lake, 1))


def test_a_reader_cannot_commit(lake: Lake, database_url: str) -> None:
    reader = Lake(_as_role(database_url, "clickwatch_reader"), lake.storage)

    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        commit(reader, batch(lake, 0))

    assert all_ids(lake) == {table: [] for table in LakeTable}


def test_the_library_changes_no_table_of_postgresql(lake: Lake, database_url: str) -> None:
    def tables() -> list[object]:
        with lake.transaction() as connection:
            query = text(
                "SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON relnamespace = n.oid ORDER BY 1, 2"
            )
            return [tuple(row) for row in connection.execute(query) if not str(row[0]).startswith("pg_")]

    before = tables()
    Lake(database_url, lake.storage).make_tables()
    commit(lake, batch(lake, 0))

    assert tables() == before


def test_a_database_without_the_catalog_is_told_what_to_do(postgres_url: str, tmp_path: object) -> None:
    with pytest.raises(UserError, match="bring it up to date by `db-migrations upgrade`"):
        Lake(postgres_url, lake_storage(str(tmp_path)))


@pytest.mark.parametrize("address", ["mysql://localhost/clickwatch", "nonsense"])
def test_an_address_of_another_database_is_refused(address: str, tmp_path: object) -> None:
    with pytest.raises(UserError, match="DATABASE_URL: must be an address such as"):
        Lake(address, lake_storage(str(tmp_path)))


@pytest.mark.parametrize("address", ["hdfs://name/lake", "s3://", "https://shop.example/lake"])
def test_a_place_that_is_neither_folder_nor_s3_is_refused(address: str) -> None:
    with pytest.raises(UserError, match="must be a folder or an address such as s3://"):
        lake_storage(address)


def test_the_store_is_the_one_that_the_variables_name() -> None:
    variables = {"AWS_ENDPOINT_URL": "http://any:1", "AWS_ENDPOINT_URL_S3": "http://s3:2", "AWS_REGION": "eu-west-1"}

    assert lake_storage("s3://shop/lake/", variables) == Storage("s3://shop/lake", "http://s3:2", "eu-west-1")
    assert lake_storage("s3://shop/lake", {}) == Storage("s3://shop/lake", None, None)
    assert lake_storage("file:///srv/lake", {}) == Storage("/srv/lake")


def _as_role(database_url: str, role: str) -> str:
    """Return an address whose sessions have a role's rights; roles have no passwords here."""
    with psycopg.connect(database_url) as owner:
        owner.execute(f"GRANT {role} TO CURRENT_USER WITH SET TRUE")
    separator = "&" if "?" in database_url else "?"
    return f"{database_url}{separator}options=-crole%3D{role}"
