"""Every revision up, down and up again on a real PostgreSQL."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from migration_runs import catalogue, downgrade, migrate, roles, upgrade
from psycopg import sql
from sqlalchemy.engine import make_url

SERVICE_ROLES = {
    "clickwatch_streaming",
    "clickwatch_batch",
    "clickwatch_reader",
    "clickwatch_privacy",
    "clickwatch_notifier",
}

# The spec's serving layer, column by column, and what stands beside it.
COLUMNS = {
    "daily_summary": "report_date total_events buyer_count window_shopper_count buyer_rate revenue_minor"
    " duplicate_events malformed_lines other_day_events generated_at unfinished refused_records",
    "user_segments": "report_date user_id segment",
    "product_performance": "report_date product_id view_count cart_count purchase_count rank",
    "category_conversion": "report_date category views carts purchases conversion_rate revenue_minor",
    "revenue_by_currency": "report_date currency revenue_minor",
    "flash_sale_alerts": "product_id window_start window_end product_category views purchases status"
    " detected_at updated_at",
    "reconciliation": "report_date metric product_id speed_value batch_value difference late duplicate quarantined"
    " unexplained",
    "quality_gates": "report_date gate measured warn_at fail_at verdict note",
    "stream_offsets": "consumer topic partition next_offset closed_until",
    "stream_status": "topic updated_at messages_per_second alerts_unread lake_unread newest_event_time closed_until"
    " lake_written_at events duplicates late dead_letters troubles",
    "stream_dead_letters": "topic reason messages",
    "stream_schemas": "topic schema_id version messages last_seen",
    "window_counts": "window_start product_id window_end product_category views carts purchases",
    "alert_outbox": "id product_id window_start window_end product_category views purchases status_before status"
    " changed_at planned_at",
    "notification_channels": "channel first_seen",
    "notification_messages": "id channel key kind state attempts next_attempt last_error made_at ended_at",
    "notification_deliveries": "outbox_id channel state message_id planned_at",
    "notification_snoozes": "id product_id snoozed_from snoozed_until who",
    "iceberg_tables": "catalog_name table_namespace table_name metadata_location previous_metadata_location"
    " iceberg_type",
    "iceberg_namespace_properties": "catalog_name namespace property_key property_value",
    "batches": "query_id batch_id record snapshots committed_at",
}


def test_upgrade_creates_the_tables_of_the_spec(database_url: str) -> None:
    upgrade(database_url)

    columns = {tuple(column.split(" ")[0].split(".")) for column in catalogue(database_url)["columns"]}
    assert columns == {(table, column) for table, names in COLUMNS.items() for column in names.split()}


def test_every_instant_has_a_zone_and_every_count_and_amount_is_exact(database_url: str) -> None:
    upgrade(database_url)

    columns = catalogue(database_url)["columns"]
    assert not [column for column in columns if "without time zone" in column]
    assert all("bigint" in column for column in columns if "_minor" in column)
    inexact = [column.split()[0] for column in columns if "double" in column or " real" in column]
    assert inexact == ["stream_status.messages_per_second"]


def test_up_down_up_ends_where_the_first_up_did(database_url: str) -> None:
    upgrade(database_url)
    first = catalogue(database_url)

    downgrade(database_url, "base")
    between = catalogue(database_url)
    upgrade(database_url)

    assert between == {what: [] for what in first}
    assert catalogue(database_url) == first


def test_each_step_down_undoes_exactly_its_step_up(database_url: str) -> None:
    numbers = [line.split()[0] for line in migrate(database_url, "history").stdout.splitlines()]
    seen = {}
    for number in numbers:
        upgrade(database_url, number)
        seen[number] = catalogue(database_url)

    for number in reversed(numbers[:-1]):
        downgrade(database_url, number)
        assert catalogue(database_url) == seen[number]


def test_a_repeated_upgrade_keeps_rows(database_url: str) -> None:
    upgrade(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO user_segments VALUES ('2025-06-01', 'user_1', 'buyer')")

    upgrade(database_url)

    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM user_segments").fetchone() == (1,)


def test_two_upgrades_at_once_are_one_after_the_other(database_url: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda _: migrate(database_url, "upgrade"), range(2)))

    assert [each.returncode for each in done] == [0, 0], [each.stderr for each in done]
    assert migrate(database_url, "current").stdout.strip() == "0009"


def test_downgrade_drops_the_roles_it_created(database_url: str) -> None:
    upgrade(database_url)
    assert roles(database_url) == SERVICE_ROLES

    downgrade(database_url, "base")

    assert roles(database_url) == set()


def test_downgrade_keeps_roles_that_another_database_uses(database_url: str) -> None:
    name = f"neighbour_{uuid.uuid4().hex}"
    neighbour = make_url(database_url).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(database_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            upgrade(database_url)
            upgrade(neighbour)

            downgrade(database_url, "base")

            assert roles(neighbour) == SERVICE_ROLES
            assert any("clickwatch_batch INSERT" in grant for grant in catalogue(neighbour)["grants"])
            downgrade(neighbour, "base")
            assert roles(database_url) == set()
        finally:
            server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


@pytest.mark.parametrize(
    "row",
    [
        "user_segments VALUES ('2025-06-01', 'user_1', 'browser')",
        "product_performance VALUES ('2025-06-01', 'product_1', -1, 0, 0, 1)",
        "product_performance VALUES ('2025-06-01', 'product_1', 1, 0, 0, 0)",
        "category_conversion VALUES ('2025-06-01', 'gaming', 1, 1, 1, -1, 0)",
        "daily_summary VALUES ('2025-06-01', 1, 1, 0, 100.01, 0, 0, 0, 0, now())",
        "flash_sale_alerts VALUES ('p', now(), now(), 'gaming', 1, 1, 'active', now(), now())",
        "flash_sale_alerts VALUES ('p', now(), now() + interval '10 min', 'gaming', 1, 1, 'over', now(), now())",
        "reconciliation VALUES ('2025-06-01', 'views', '', 10, 8, 3, 3, 0, 0, 0)",
        "reconciliation VALUES ('2025-06-01', 'views', '', 10, 8, 2, 1, 0, 0, 0)",
        "reconciliation VALUES ('2025-06-01', 'clicks', '', 10, 8, 2, 2, 0, 0, 0)",
        "quality_gates VALUES ('2025-06-01', 'malformed', 0.5, 0.1, 0.2, 'bad', '')",
        "stream_status VALUES ('events', now(), -1, 0, 0, NULL, NULL, NULL, 0, 0, 0, 0)",
        "stream_dead_letters VALUES ('events', 'bad_framing', -1)",
        "window_counts VALUES (now(), 'p', now() + interval '10 min', 'gaming', -1, 0, 0)",
        "stream_offsets VALUES ('projector', 'alerts', -1, 0)",
        "lake.batches VALUES ('query', -1, '{}', '{}')",
        "alert_outbox VALUES (DEFAULT, 'p', now(), now() + interval '1 min', 'toys', 1, 1, 'active', 'active', now())",
        "alert_outbox VALUES (DEFAULT, 'p', now(), now() + interval '10 min', 'gaming', 1, 1, NULL, 'over', now())",
        "alert_outbox VALUES (DEFAULT, 'p', now(), now(), 'gaming', 1, 1, NULL, 'active', now())",
    ],
)
def test_tables_refuse_what_cannot_be(database_url: str, row: str) -> None:
    upgrade(database_url)

    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(f"INSERT INTO {row}")


def test_every_statement_that_changes_alerts_is_one_notification(database_url: str) -> None:
    upgrade(database_url)
    alert = "('{}', '2025-06-01T10:00Z', '2025-06-01T10:10Z', 'gaming', 101, 1, 'active', now(), now())"

    with psycopg.connect(database_url, autocommit=True) as listener, psycopg.connect(database_url) as writer:
        listener.execute("LISTEN flash_sale_alerts")
        writer.execute(f"INSERT INTO flash_sale_alerts VALUES {alert.format('p1')}, {alert.format('p2')}")
        writer.commit()
        heard = list(listener.notifies(timeout=60, stop_after=1))
        writer.execute("UPDATE flash_sale_alerts SET status = 'confirmed'")
        writer.commit()
        heard += listener.notifies(timeout=60, stop_after=1)

    assert [(notification.channel, notification.payload) for notification in heard] == [("flash_sale_alerts", "")] * 2
