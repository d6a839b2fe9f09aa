"""Each login role may do what its service does, and nothing else."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from migration_runs import downgrade, migrate, upgrade
from sqlalchemy.engine import make_url

ROLES = (
    "clickwatch_streaming",
    "clickwatch_batch",
    "clickwatch_reader",
    "clickwatch_privacy",
    "clickwatch_notifier",
)
DAILY_TABLES = (
    "daily_summary",
    "user_segments",
    "product_performance",
    "category_conversion",
    "revenue_by_currency",
    "reconciliation",
    "quality_gates",
)
ALERT_TABLES = ("flash_sale_alerts", "stream_offsets")
STATUS_TABLES = ("stream_status", "stream_dead_letters", "stream_schemas", "window_counts")
SPEED_TABLES = ALERT_TABLES + STATUS_TABLES
NOTICE_TABLES = (
    "notification_channels",
    "notification_messages",
    "notification_deliveries",
    "notification_snoozes",
)
CATALOG_TABLES = ("lake.iceberg_tables", "lake.iceberg_namespace_properties")
LAKE_TABLES = (*CATALOG_TABLES, "lake.batches")
PASSWORD = "a password, with 'quotes' and ümlauts"


@pytest.fixture
def passwords_dir(tmp_path: Path) -> Path:
    for role in ROLES:
        (tmp_path / role).write_text(f"{PASSWORD} of {role}\n")
    return tmp_path


@pytest.fixture
def migrated_url(database_url: str, passwords_dir: Path) -> Iterator[str]:
    upgrade(database_url, ROLE_PASSWORDS_DIR=str(passwords_dir))
    yield database_url
    downgrade(database_url, "base")


def connect(database_url: str, role: str) -> psycopg.Connection:
    return psycopg.connect(database_url, user=role, password=f"{PASSWORD} of {role}", autocommit=True)


def privileges(connection: psycopg.Connection, table: str) -> set[str]:
    asked = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    return {
        privilege
        for privilege in asked
        if connection.execute("SELECT has_table_privilege(%s, %s)", (table, privilege)).fetchone() == (True,)
    }


def updatable_columns(connection: psycopg.Connection, table: str) -> set[str]:
    found = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND has_column_privilege(attrelid, attnum, 'UPDATE')",
        [table],
    )
    return {str(row[0]) for row in found}


def test_the_reader_reads_every_table_and_writes_none(migrated_url: str) -> None:
    with connect(migrated_url, "clickwatch_reader") as reader:
        for table in DAILY_TABLES + SPEED_TABLES + NOTICE_TABLES + LAKE_TABLES + ("alert_outbox",):
            assert privileges(reader, table) == {"SELECT"}
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            reader.execute("DELETE FROM daily_summary")


def test_streaming_keeps_alerts_replaces_its_status_and_touches_no_daily_table(migrated_url: str) -> None:
    with connect(migrated_url, "clickwatch_streaming") as streaming:
        for table in ALERT_TABLES:
            assert privileges(streaming, table) == {"SELECT", "INSERT", "UPDATE"}
        for table in STATUS_TABLES:
            assert privileges(streaming, table) == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        assert privileges(streaming, "alert_outbox") == {"INSERT"}
        for table in DAILY_TABLES + NOTICE_TABLES:
            assert privileges(streaming, table) == set()
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            streaming.execute("INSERT INTO user_segments VALUES ('2025-06-01', 'user_1', 'buyer')")


def test_batch_replaces_daily_rows_and_touches_no_alert(migrated_url: str) -> None:
    with connect(migrated_url, "clickwatch_batch") as batch:
        for table in DAILY_TABLES:
            assert privileges(batch, table) == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        for table in SPEED_TABLES:
            assert privileges(batch, table) == set()


def test_privacy_touches_the_one_table_that_names_users(migrated_url: str) -> None:
    with connect(migrated_url, "clickwatch_privacy") as privacy:
        for table in DAILY_TABLES + SPEED_TABLES:
            expected = {"SELECT", "UPDATE", "DELETE"} if table == "user_segments" else set()
            assert privileges(privacy, table) == expected


def test_the_notifier_keeps_deliveries_and_changes_no_alert(migrated_url: str) -> None:
    with connect(migrated_url, "clickwatch_notifier") as notifier:
        for table in NOTICE_TABLES:
            assert privileges(notifier, table) == {"SELECT", "INSERT", "UPDATE", "DELETE"}
        assert privileges(notifier, "alert_outbox") == {"SELECT", "DELETE"}
        assert updatable_columns(notifier, "alert_outbox") == {"planned_at"}
        for table in DAILY_TABLES + SPEED_TABLES:
            assert privileges(notifier, table) == set()


def test_streaming_commits_to_the_lake_and_never_drops_a_table_or_changes_a_batch(migrated_url: str) -> None:
    with connect(migrated_url, "clickwatch_streaming") as streaming:
        for table in LAKE_TABLES:
            assert privileges(streaming, table) == {"SELECT", "INSERT"}
        assert updatable_columns(streaming, "lake.iceberg_tables") == {
            "metadata_location",
            "previous_metadata_location",
        }
        for table in LAKE_TABLES[1:]:
            assert updatable_columns(streaming, table) == set()


def test_privacy_commits_to_tables_that_are_there_and_sees_no_batch(migrated_url: str) -> None:
    with connect(migrated_url, "clickwatch_privacy") as privacy:
        for table in CATALOG_TABLES:
            assert privileges(privacy, table) == {"SELECT"}
        assert updatable_columns(privacy, "lake.iceberg_tables") == {"metadata_location", "previous_metadata_location"}
        assert privileges(privacy, "lake.batches") == set()


def test_batch_and_readers_only_read_the_lake(migrated_url: str) -> None:
    for role in ("clickwatch_batch", "clickwatch_reader"):
        with connect(migrated_url, role) as connection:
            for table in LAKE_TABLES:
                assert privileges(connection, table) == {"SELECT"}
                assert updatable_columns(connection, table) == set()
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute("UPDATE lake.iceberg_tables SET metadata_location = 'elsewhere'")


def test_only_batch_makes_temporary_tables_and_nobody_makes_others(migrated_url: str) -> None:
    with connect(migrated_url, "clickwatch_batch") as batch:
        batch.execute("CREATE TEMPORARY TABLE staged (user_id text)")
    for role in ("clickwatch_streaming", "clickwatch_reader", "clickwatch_privacy", "clickwatch_notifier"):
        with connect(migrated_url, role) as other, pytest.raises(psycopg.errors.InsufficientPrivilege):
            other.execute("CREATE TEMPORARY TABLE staged (user_id text)")
    for role in ROLES:
        for schema in ("public", "lake"):
            with connect(migrated_url, role) as any_role, pytest.raises(psycopg.errors.InsufficientPrivilege):
                any_role.execute(f"CREATE TABLE {schema}.mine (user_id text)")


def test_a_new_password_file_rotates_the_password(migrated_url: str, passwords_dir: Path) -> None:
    (passwords_dir / "clickwatch_reader").write_text("rotated")

    upgrade(migrated_url, ROLE_PASSWORDS_DIR=str(passwords_dir))

    with psycopg.connect(migrated_url, user="clickwatch_reader", password="rotated") as reader:
        assert reader.execute("SELECT current_user").fetchone() == ("clickwatch_reader",)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(migrated_url, "clickwatch_reader")


def test_a_missing_password_file_is_named_before_anything_changes(database_url: str, passwords_dir: Path) -> None:
    (passwords_dir / "clickwatch_batch").unlink()

    done = migrate(database_url, "upgrade", ROLE_PASSWORDS_DIR=str(passwords_dir))

    assert done.returncode == 1
    assert str(passwords_dir / "clickwatch_batch") in done.stderr
    assert migrate(database_url, "current").stdout == "none\n"


def test_a_role_that_may_not_change_the_schema_is_told_so(migrated_url: str) -> None:
    address = make_url(migrated_url).set(username="clickwatch_reader", password=f"{PASSWORD} of clickwatch_reader")

    done = migrate(address.render_as_string(hide_password=False), "downgrade", "base")

    assert done.returncode == 1
    assert done.stderr.startswith("error: DATABASE_URL=")
    assert "its role may not do this" in done.stderr
