"""Which windows an event is counted in."""

from datetime import UTC, datetime, timedelta

import pytest
from clickwatch_streaming.events.windows import window_counts
from pyspark.sql import Row, SparkSession

TEN, FIVE = timedelta(minutes=10), timedelta(minutes=5)
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
COLUMNS = (
    "timestamp timestamp, product_id string, product_category string, event_type string, kafka_timestamp timestamp"
)
Counted = tuple[datetime, str, str, str, datetime]


def counts(spark: SparkSession, *events: Counted) -> list[Row]:
    windows = window_counts(spark.createDataFrame(list(events), COLUMNS), TEN, FIVE)
    return windows.orderBy("product_id", "window_start").collect()


def at(event_time: datetime, event_type: str = "view", category: str = "laptops", arrived: datetime = NOON) -> Counted:
    return (event_time, "p", category, event_type, arrived)


@pytest.mark.parametrize(
    ("event_time", "starts"),
    [
        (NOON, [NOON - FIVE, NOON]),
        (NOON - timedelta(milliseconds=1), [NOON - TEN, NOON - FIVE]),
        (NOON + FIVE, [NOON, NOON + FIVE]),
        (NOON + timedelta(minutes=4, seconds=59.999), [NOON - FIVE, NOON]),
    ],
)
def test_an_event_at_a_windows_end_belongs_to_the_next(
    spark: SparkSession, event_time: datetime, starts: list[datetime]
) -> None:
    windows = counts(spark, at(event_time))

    assert [row.window_start.astimezone(UTC) for row in windows] == starts
    assert [row.window_end.astimezone(UTC) for row in windows] == [s + TEN for s in starts]


def test_each_type_is_counted_apart_and_an_unknown_one_only_in_the_total(
    spark: SparkSession,
) -> None:
    kinds = ["view"] * 3 + ["add_to_cart"] * 2 + ["purchase", "unknown"]

    first, second = counts(spark, *(at(NOON, kind) for kind in kinds))

    for row in (first, second):
        assert (row.views, row.carts, row.purchases, row.total_events) == (3, 2, 1, 7)


def test_a_product_that_changes_its_category_keeps_one_row_a_window(spark: SparkSession) -> None:
    windows = counts(spark, at(NOON, category="audio"), at(NOON, category="gaming"))

    assert [(row.product_category, row.views) for row in windows] == [("gaming", 2)] * 2


def test_a_window_says_when_the_newest_of_its_own_events_came(spark: SparkSession) -> None:
    newest = NOON + timedelta(seconds=9, milliseconds=7)

    windows = counts(
        spark,
        at(NOON, category="audio", arrived=newest),
        at(NOON, category="gaming", arrived=NOON + timedelta(seconds=8)),
        at(NOON - FIVE, arrived=NOON + timedelta(seconds=10)),
    )

    arrived = [row.newest_kafka_timestamp.astimezone(UTC) for row in windows]
    assert arrived == [NOON + timedelta(seconds=10), NOON + timedelta(seconds=10), newest]
