"""A row that a table refuses costs itself: everything else of the day is published, and the row is kept and counted."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from batch_days import DAY, line, write_log
from clickwatch_batch.analyses.daily import ProductPerformance, UserSegment
from clickwatch_batch.serving.postgres import ServingLayer
from clickwatch_service import UserError
from test_batch_postgres import CATEGORIES, LATER, PRODUCTS, REPORT, physical_rows, rows
from test_batch_run import batch

SEGMENTS = [UserSegment(f"user_{number:02}", "buyer") for number in range(40)]


@pytest.fixture
def serving_layer(database_url: str) -> ServingLayer:
    return ServingLayer(database_url, timedelta(seconds=10))


@pytest.fixture
def planted(database_url: str) -> Iterator[str]:
    """A database whose tables refuse what no contract foresees."""
    rules = {
        "user_segments": "CHECK (user_id <> 'planted')",
        "product_performance": "CHECK (product_id NOT LIKE '%planted%')",
    }
    with psycopg.connect(database_url) as connection:
        for table, rule in rules.items():
            connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT planted {rule}")
    yield database_url
    with psycopg.connect(database_url) as connection:
        for table in rules:
            connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT planted")


@pytest.mark.parametrize("user", ["planted", "a\0b", "\ud800"], ids=["check", "nul", "surrogate"])
def test_a_refused_row_is_left_out_and_returned_with_the_words_of_the_database(
    serving_layer: ServingLayer, planted: str, user: str
) -> None:
    refused = UserSegment(user, "buyer")

    published = serving_layer.publish(REPORT, [*SEGMENTS[:9], refused, *SEGMENTS[9:]], PRODUCTS, CATEGORIES)

    (one,) = published.refused
    assert (one.table, one.row) == ("user_segments", {"user_id": user, "segment": "buyer"})
    assert one.error
    assert rows(planted, "user_segments", "user_id") == [(segment.user_id,) for segment in SEGMENTS]
    assert rows(planted, "product_performance", "product_id") == [("p1",), ("p2",)]
    assert rows(planted, "daily_summary", "total_events, refused_records") == [(7, 1)]


def test_a_rerun_with_the_same_refused_row_touches_nothing(serving_layer: ServingLayer, planted: str) -> None:
    segments = [*SEGMENTS, UserSegment("planted", "buyer")]
    first = serving_layer.publish(REPORT, segments, PRODUCTS, CATEGORIES)
    before = physical_rows(planted)

    again = serving_layer.publish(replace(REPORT, generated_at=LATER), segments, PRODUCTS, CATEGORIES)

    assert again == first
    assert physical_rows(planted) == before


def test_a_row_that_is_taken_by_now_is_published_and_no_longer_counted(
    serving_layer: ServingLayer, planted: str
) -> None:
    segments = [*SEGMENTS, UserSegment("planted", "buyer")]
    serving_layer.publish(REPORT, segments, PRODUCTS, CATEGORIES)
    with psycopg.connect(planted) as connection:
        connection.execute("ALTER TABLE user_segments DROP CONSTRAINT planted")
        connection.execute("ALTER TABLE user_segments ADD CONSTRAINT planted CHECK (user_id <> 'another')")

    published = serving_layer.publish(replace(REPORT, generated_at=LATER), segments, PRODUCTS, CATEGORIES)

    assert published == (LATER, ())
    assert rows(planted, "daily_summary", "refused_records") == [(0,)]


def test_a_row_that_another_unique_rule_forbids_is_refused_and_not_passed_over(
    serving_layer: ServingLayer, database_url: str
) -> None:
    # Ranks have no ties, by a unique index of the table.
    tied = [*PRODUCTS, ProductPerformance("p3", 1, 0, 0, 2)]

    published = serving_layer.publish(REPORT, SEGMENTS, tied, CATEGORIES)

    assert [one.row["product_id"] for one in published.refused] == ["p3"]
    assert "product_performance_by_rank" in published.refused[0].error


def test_a_table_that_refuses_a_whole_day_is_no_fault_of_its_rows(serving_layer: ServingLayer, planted: str) -> None:
    products = [ProductPerformance(f"planted_{number}", 1, 0, 0, number + 1) for number in range(1_001)]

    with pytest.raises(UserError, match="product_performance refuses more than 1,000 rows of 2025-06-01") as caught:
        serving_layer.publish(REPORT, SEGMENTS, products, CATEGORIES)

    assert "running it again changes nothing" in str(caught.value)
    assert rows(planted, "user_segments") == []


def test_a_refused_summary_is_refused_for_good(serving_layer: ServingLayer, database_url: str) -> None:
    impossible = replace(REPORT, summary=REPORT.summary._replace(total_events=-1))

    with pytest.raises(UserError, match=r"the database refuses the day: .*running it again changes nothing"):
        serving_layer.publish(impossible, SEGMENTS, PRODUCTS, CATEGORIES)

    assert rows(database_url, "user_segments") == []


def test_rows_that_can_be_read_only_once_are_no_input(serving_layer: ServingLayer) -> None:
    with pytest.raises(TypeError, match="not an iterator"):
        serving_layer.publish(REPORT, iter(SEGMENTS), PRODUCTS, CATEGORIES)


def test_a_run_keeps_the_row_aside_and_says_so_everywhere(tmp_path: Path, planted: str) -> None:
    good = [line(user_id=f"user_{number}") for number in range(30)]
    write_log(tmp_path / "logs", [*good, line(user_id="planted", product_id="planted \u202e product")])

    done = batch(tmp_path, "run", "--date", "2025-06-01", DATABASE_URL=planted)

    assert done.returncode == 0, done.stderr
    assert "refused_records" in done.stderr
    assert "Rows the database refused                2" in done.stdout
    document = json.loads((tmp_path / "reports" / "summary_2025-06-01.json").read_text())
    assert document["refused_records"] == 2
    kept = (tmp_path / "quarantine" / f"refused_{DAY}.jsonl").read_text()
    assert "\u202e" not in kept
    first, second = map(json.loads, kept.splitlines())
    assert first["table"] == "user_segments"
    assert first["row"] == {"user_id": "planted", "segment": "window_shopper"}
    assert "SQLSTATE 23514" in first["error"]
    assert second["row"]["product_id"] == "planted \u202e product"
    assert len(rows(planted, "user_segments")) == 30
