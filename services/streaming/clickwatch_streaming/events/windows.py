"""Sliding windows over event time: the one definition that alerts and the lake share."""

from datetime import timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf


def window_counts(events: DataFrame, length: timedelta, slide: timedelta) -> DataFrame:
    """Counts per product and window.

    Columns in: timestamp, product_id, product_category, event_type, kafka_timestamp. Columns out: see `counted`. A
    window is [start, start + length) and starts at a multiple of `slide` since the epoch, so an event
    at a window's end belongs to the next (window arithmetic: spec, speed layer). `events` may be a
    stream, with its watermark set.
    """
    return counted(events.withColumn("window", sliding_window(length, slide)))


def sliding_window(length: timedelta, slide: timedelta) -> Column:
    """The windows an event lies in, a struct of `start` and `end`, one row for each."""
    return sf.window("timestamp", _interval(length), _interval(slide))


def counted(windowed: DataFrame) -> DataFrame:
    """Counts of events by their `window` and product.

    Columns in: those of `window_counts`, and window. Columns out: window_start, window_end,
    product_id, product_category (the greatest one, where a product has changed it inside a window),
    views, carts, purchases, total_events, newest_kafka_timestamp.

    In a stream such a product has a row for each of its categories: keeping the greatest text would
    make Spark sort every event instead of hashing it, for a case that the closing counts set right.
    """
    by_category = windowed.groupBy("window", "product_id", "product_category").agg(
        _count_of("view").alias("views"),
        _count_of("add_to_cart").alias("carts"),
        _count_of("purchase").alias("purchases"),
        sf.count(sf.lit(1)).alias("total_events"),
        sf.max("kafka_timestamp").alias("newest_kafka_timestamp"),
    )
    counts = by_category if windowed.isStreaming else _by_product(by_category)
    return counts.select(
        sf.col("window.start").alias("window_start"),
        sf.col("window.end").alias("window_end"),
        "product_id",
        "product_category",
        "views",
        "carts",
        "purchases",
        "total_events",
        "newest_kafka_timestamp",
    )


def _by_product(counts: DataFrame) -> DataFrame:
    sums = (sf.sum(name).alias(name) for name in ("views", "carts", "purchases", "total_events"))
    newest = (sf.max(name).alias(name) for name in ("product_category", "newest_kafka_timestamp"))
    return counts.groupBy("window", "product_id").agg(*newest, *sums)


def _count_of(event_type: str) -> Column:
    return sf.count_if(sf.col("event_type") == event_type)


def _interval(duration: timedelta) -> str:
    return f"{duration // timedelta(milliseconds=1)} milliseconds"
