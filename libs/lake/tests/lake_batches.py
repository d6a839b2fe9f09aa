"""Batches whose rows are known, written by DuckDB as the lake query writes them, and what a reader then sees."""

import os
import uuid
from collections.abc import Mapping
from functools import cache

import duckdb
from clickwatch_lake.batches import Batch
from clickwatch_lake.lake import Lake
from clickwatch_lake.plan import plan
from clickwatch_lake.tables import LakeTable

QUERY = "5f0c7c1e-query"
DAY = "2026-03-01"

SELECTS = {
    LakeTable.EVENTS: """
        SELECT
            'event_' || number AS event_id, 'user_' || number % 5 AS user_id, 'product_' || number % 3 AS product_id,
            'gaming' AS product_category, 'view' AS event_type,
            (DATE '{day}' + TO_SECONDS(number % 86400))::TIMESTAMPTZ AS timestamp,
            NULL::VARCHAR AS session_id, number::BIGINT AS price_minor, 'EUR' AS currency, 1::INTEGER AS schema_id,
            0::INTEGER AS kafka_partition, number::BIGINT AS kafka_offset, NULL::TIMESTAMPTZ AS late_at
        FROM range({first}, {first} + {count}) AS numbers (number)
    """,
    LakeTable.WINDOW_STATS: """
        SELECT
            (DATE '{day}' + TO_MINUTES(5 * (number % 200)::INTEGER))::TIMESTAMPTZ AS window_start,
            (DATE '{day}' + TO_MINUTES(5 * (number % 200)::INTEGER + 10))::TIMESTAMPTZ AS window_end,
            'product_' || number AS product_id, 'gaming' AS product_category,
            1::BIGINT AS views, 0::BIGINT AS carts, 0::BIGINT AS purchases, 1::BIGINT AS total_events
        FROM range({first}, {first} + {count}) AS numbers (number)
    """,
    LakeTable.DEAD_LETTERS: """
        SELECT
            'event_' || number AS event_id, 'product_1' AS product_id, 'view' AS event_type,
            TIMESTAMPTZ '2099-01-01 00:00:00Z' AS timestamp, 'future_timestamp' AS reason,
            0::INTEGER AS kafka_partition, number::BIGINT AS kafka_offset,
            (DATE '{day}')::TIMESTAMPTZ AS kafka_timestamp
        FROM range({first}, {first} + {count}) AS numbers (number)
    """,
}
IDS = {
    LakeTable.EVENTS: "event_id",
    LakeTable.WINDOW_STATS: "product_id",
    LakeTable.DEAD_LETTERS: "event_id",
}


@cache
def session(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Return a DuckDB that reads and writes the lake's files, in UTC."""
    connection = lake.storage.duckdb()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def write(lake: Lake, table: LakeTable, select: str) -> str:
    """Write the rows of a query to a file of the table's folder, and return its path."""
    path = f"{lake.data_folder(table)}/{uuid.uuid4()}.parquet"
    lake.storage.make_folder_of(path)
    options = "FORMAT parquet, KV_METADATA {'clickwatch.limits': '1'}"
    session(lake).execute(f"COPY ({select}) TO '{path}' ({options})")
    return path


def rows_file(lake: Lake, table: LakeTable, first: int, count: int, day: str = DAY) -> str:
    """Write `count` rows, numbered from `first`, to a file, and return its path."""
    return write(lake, table, SELECTS[table].format(first=first, count=count, day=day))


def batch(lake: Lake, batch_id: int, count: int = 10, query_id: str = QUERY) -> Batch:
    """Return a batch with rows of its own in all three tables; events and windows of two days."""
    first = batch_id * 1000
    files = {table: [rows_file(lake, table, first, count)] for table in LakeTable}
    files[LakeTable.EVENTS].append(rows_file(lake, LakeTable.EVENTS, first + 500, count, "2026-03-02"))
    return Batch(query_id, batch_id, {"batch": batch_id, "pid": os.getpid()}, files)


def ids(lake: Lake, table: LakeTable, snapshot_id: int | None = None) -> list[str]:
    """Return the ids of a table's rows as a reader of plain Parquet sees them, sorted."""
    paths = plan(lake, table, snapshot_id).paths
    if not paths:
        return []
    query = f"SELECT {IDS[table]} FROM read_parquet(?, hive_partitioning = false) ORDER BY ALL"
    return [str(row[0]) for row in session(lake).cursor().execute(query, [paths]).fetchall()]


def expected_ids(*batch_ids: int, count: int = 10) -> Mapping[LakeTable, list[str]]:
    """Return the ids that the tables hold after some batches, from the numbers of their rows."""
    plain = [number for batch_id in batch_ids for number in range(batch_id * 1000, batch_id * 1000 + count)]
    second_day = [number + 500 for number in plain]
    return {
        LakeTable.EVENTS: sorted(f"event_{number}" for number in plain + second_day),
        LakeTable.WINDOW_STATS: sorted(f"product_{number}" for number in plain),
        LakeTable.DEAD_LETTERS: sorted(f"event_{number}" for number in plain),
    }


def all_ids(lake: Lake) -> Mapping[LakeTable, list[str]]:
    """Return what all tables hold."""
    return {table: ids(lake, table) for table in LakeTable}
