"""Publishing a day: all tables at once, only that day, and only what differs."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Generic, TypeVar

import psycopg
import pytest
from clickwatch_batch.analyses.daily import (
    CategoryConversion,
    CurrencyRevenue,
    DailyReport,
    DailySummary,
    Dropped,
    ProductPerformance,
    UserSegment,
)
from clickwatch_batch.serving.postgres import ServingLayer
from clickwatch_service import UserError
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

DAY = date(2025, 6, 1)
FIRST_TIME = datetime(2025, 6, 2, 2, tzinfo=UTC)
LATER = FIRST_TIME + timedelta(hours=5)
TABLES = ("daily_summary", "user_segments", "product_performance", "category_conversion", "revenue_by_currency")

T = TypeVar("T")

REPORT = DailyReport(
    report_date=DAY,
    generated_at=FIRST_TIME,
    log_name="clickstream_2025-06-01.jsonl",
    log_lines=13,
    dropped=Dropped(duplicate_events=1, malformed_lines=2, other_day_events=3),
    summary=DailySummary(7, 4, 1, 2, 0, 1, 1, Decimal("50.00"), 3579),
    revenue=(CurrencyRevenue("EUR", 3579),),
    top_products=(),
    categories=(),
)
SEGMENTS = [UserSegment("ann", "buyer"), UserSegment("bob\t\\N", "window_shopper")]
PRODUCTS = [ProductPerformance("p1", 3, 1, 2, 1), ProductPerformance("p2", 1, 0, 0, 2)]
CATEGORIES = [CategoryConversion("gaming", 4, 1, 2, Decimal("50.00"), 3579)]


class repeatable(Generic[T]):  # noqa: N801 (used as a decorator)
    """What a generator function yields, anew each time it is iterated."""

    def __init__(self, make: Callable[[], Iterator[T]]) -> None:
        self.make = make

    def __iter__(self) -> Iterator[T]:
        return self.make()


@pytest.fixture
def serving_layer(database_url: str) -> ServingLayer:
    return ServingLayer(database_url, timedelta(seconds=10))


def rows(database_url: str, table: str, columns: str = "*") -> list[tuple[object, ...]]:
    with psycopg.connect(database_url) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)


def physical_rows(database_url: str) -> list[list[tuple[object, ...]]]:
    """Return every row with the transaction that wrote it and the place it lies in."""
    return [rows(database_url, table, f"xmin::text, ctid::text, {table}::text") for table in TABLES]


def test_a_day_appears_in_all_tables(serving_layer: ServingLayer, database_url: str) -> None:
    serving_layer.publish(REPORT, SEGMENTS, PRODUCTS, CATEGORIES)

    assert rows(database_url, "daily_summary") == [
        (DAY, 7, 1, 1, Decimal("50.00"), 3579, 1, 2, 3, FIRST_TIME, False, 0)
    ]
    assert rows(database_url, "user_segments") == [(DAY, "ann", "buyer"), (DAY, "bob\t\\N", "window_shopper")]
    assert rows(database_url, "product_performance") == [(DAY, "p1", 3, 1, 2, 1), (DAY, "p2", 1, 0, 0, 2)]
    assert rows(database_url, "category_conversion") == [(DAY, "gaming", 4, 1, 2, Decimal("50.00"), 3579)]


def test_a_rerun_with_the_same_result_touches_no_row(serving_layer: ServingLayer, database_url: str) -> None:
    serving_layer.publish(REPORT, SEGMENTS, PRODUCTS, CATEGORIES)
    before = physical_rows(database_url)

    published = serving_layer.publish(replace(REPORT, generated_at=LATER), SEGMENTS, PRODUCTS, CATEGORIES)

    assert physical_rows(database_url) == before
    assert published == (FIRST_TIME, ())


def test_a_rerun_with_another_result_replaces_the_day_alone(serving_layer: ServingLayer, database_url: str) -> None:
    neighbour = replace(REPORT, report_date=DAY + timedelta(days=1))
    serving_layer.publish(REPORT, SEGMENTS, PRODUCTS, CATEGORIES)
    serving_layer.publish(neighbour, SEGMENTS, PRODUCTS, CATEGORIES)
    swapped = [product._replace(rank=3 - product.rank) for product in PRODUCTS]

    published = serving_layer.publish(
        replace(REPORT, generated_at=LATER), [UserSegment("cat", "buyer"), SEGMENTS[0]], swapped, []
    )

    assert published.generated_at == LATER
    days = rows(database_url, "daily_summary", "report_date, generated_at")
    assert days == [(DAY, LATER), (neighbour.report_date, FIRST_TIME)]
    segments = rows(database_url, "user_segments")
    assert [row[1] for row in segments if row[0] == DAY] == ["ann", "cat"]
    assert [row[1] for row in segments if row[0] != DAY] == ["ann", "bob\t\\N"]
    ranks = rows(database_url, "product_performance", "report_date, product_id, rank")
    assert [row[1:] for row in ranks if row[0] == DAY] == [("p1", 2), ("p2", 1)]
    assert [row[0] for row in rows(database_url, "category_conversion")] == [neighbour.report_date]


def test_another_segment_under_the_same_counts_moves_the_time(serving_layer: ServingLayer) -> None:
    serving_layer.publish(REPORT, SEGMENTS, PRODUCTS, CATEGORIES)
    others = [UserSegment("ann", "window_shopper"), UserSegment("bob\t\\N", "buyer")]

    published = serving_layer.publish(replace(REPORT, generated_at=LATER), others, PRODUCTS, CATEGORIES)

    assert published.generated_at == LATER


def test_a_publish_that_fails_leaves_the_old_day(serving_layer: ServingLayer, database_url: str) -> None:
    serving_layer.publish(REPORT, SEGMENTS, PRODUCTS, CATEGORIES)
    before = physical_rows(database_url)

    @repeatable
    def broken() -> Iterator[CategoryConversion]:
        yield CATEGORIES[0]._replace(views=5)
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError):
        serving_layer.publish(REPORT, SEGMENTS[:1], PRODUCTS[:1], broken)

    assert physical_rows(database_url) == before


def lose_the_session(database_url: str) -> None:
    with psycopg.connect(database_url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name = 'clickwatch-batch'"
        )


def test_a_database_lost_while_publishing_is_waited_for(serving_layer: ServingLayer, database_url: str) -> None:
    serving_layer.publish(REPORT, SEGMENTS, PRODUCTS, CATEGORIES)
    times = iter([True])

    @repeatable
    def losing_the_database_once() -> Iterator[CategoryConversion]:
        if next(times, False):
            lose_the_session(database_url)
        yield CATEGORIES[0]._replace(views=5)

    serving_layer.publish(replace(REPORT, generated_at=LATER), SEGMENTS[:1], PRODUCTS[:1], losing_the_database_once)

    assert rows(database_url, "user_segments") == [(DAY, "ann", "buyer")]
    assert rows(database_url, "category_conversion", "views") == [(5,)]


def test_a_database_lost_again_and_again_leaves_the_old_day(serving_layer: ServingLayer, database_url: str) -> None:
    serving_layer.publish(REPORT, SEGMENTS, PRODUCTS, CATEGORIES)
    before = physical_rows(database_url)

    @repeatable
    def losing_the_database() -> Iterator[CategoryConversion]:
        lose_the_session(database_url)
        yield CATEGORIES[0]._replace(views=5)

    with pytest.raises(UserError, match=r"the database went away: .*; nothing of the day was published, run it again"):
        serving_layer.publish(REPORT, SEGMENTS[:1], PRODUCTS[:1], losing_the_database)

    assert physical_rows(database_url) == before


def test_a_reader_sees_the_old_day_until_the_new_one_is_whole(serving_layer: ServingLayer, database_url: str) -> None:
    serving_layer.publish(REPORT, SEGMENTS, PRODUCTS, CATEGORIES)
    before = physical_rows(database_url)
    seen_meanwhile: list[object] = []

    @repeatable
    def watched() -> Iterator[CategoryConversion]:
        seen_meanwhile.append(physical_rows(database_url))
        yield CATEGORIES[0]._replace(views=5)

    serving_layer.publish(REPORT, SEGMENTS[:1], PRODUCTS[:1], watched)

    assert seen_meanwhile == [before]
    assert rows(database_url, "user_segments") == [(DAY, "ann", "buyer")]


def test_two_publishers_of_a_day_are_one_after_the_other(serving_layer: ServingLayer, database_url: str) -> None:
    first_is_in = threading.Event()
    second_has_started = threading.Event()
    finished: list[str] = []

    @repeatable
    def first_categories() -> Iterator[CategoryConversion]:
        first_is_in.set()
        assert second_has_started.wait(30)
        with psycopg.connect(database_url, autocommit=True) as other:
            # the second waits for the first one's lock
            deadline = time.monotonic() + 30
            while other.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,):
                assert not finished
                assert time.monotonic() < deadline
        yield CATEGORIES[0]

    def second() -> None:
        assert first_is_in.wait(30)
        second_has_started.set()
        serving_layer.publish(replace(REPORT, generated_at=LATER), SEGMENTS[:1], PRODUCTS[:1], CATEGORIES)
        finished.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    serving_layer.publish(REPORT, SEGMENTS, PRODUCTS, first_categories)
    thread.join(30)

    assert finished == ["second"]
    assert rows(database_url, "user_segments") == [(DAY, "ann", "buyer")]


def test_a_database_that_stands_still_is_given_up_in_time(database_url: str) -> None:
    impatient = ServingLayer(database_url, timedelta(seconds=10), timedelta(seconds=2))
    ours = "datname = current_database() AND application_name = 'clickwatch-batch'"
    frozen: list[int] = []

    @repeatable
    def freezing() -> Iterator[CategoryConversion]:
        with psycopg.connect(database_url) as other:
            ((pid,),) = other.execute(f"SELECT pid FROM pg_stat_activity WHERE {ours}").fetchall()
        os.kill(pid, signal.SIGSTOP)
        frozen.append(pid)
        yield CATEGORIES[0]

    try:
        with pytest.raises(UserError, match=r"the database stands still: .*DATABASE_TIMEOUT \(2 s\)"):
            impatient.publish(REPORT, SEGMENTS, PRODUCTS, freezing)
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    with psycopg.connect(database_url, autocommit=True) as other:
        sessions = f"SELECT count(*) FROM pg_stat_activity WHERE {ours}"
        gone = retry_if_result(lambda count: count != (0,))
        waiting = Retrying(retry=gone, stop=stop_after_delay(60), wait=wait_fixed(0.1))
        waiting(lambda: other.execute(sessions).fetchone())


def test_a_database_without_tables_asks_for_migrations(postgres_url: str) -> None:
    empty = ServingLayer(postgres_url, timedelta(seconds=10))

    with pytest.raises(UserError, match="db-migrations upgrade"):
        empty.check()


def test_a_database_that_is_not_there_is_given_up_by_name() -> None:
    nowhere = ServingLayer("postgresql://clickwatch:secret@127.0.0.1:1/clickwatch", timedelta(seconds=0.5))

    with pytest.raises(UserError, match=r"DATABASE_URL=postgresql://clickwatch@127.0.0.1:1/clickwatch: no conn") as it:
        nowhere.check()

    assert "secret" not in str(it.value)
