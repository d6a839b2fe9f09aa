"""Sliding windows over event time: the one definition that alerts and the lake share."""

from datetime import timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


def window_counts(events: DataFrame, length: timedelta, slide: timedelta) -> DataFrame:
    """Counts per product and window.

    Columns in: timestamp, product_id, product_category, event_type. Columns out: window_start,
    window_end, product_id, product_category (the greatest seen, where a product has changed it),
    views, carts, purchases, total_events. A window is [start, start + length) and starts at a
    multiple of `slide` since the epoch, so an event at a window's end belongs to the next
    (window arithmetic: spec, speed layer). `events` may be a stream, with its watermark set.
    """
    window = F.window("timestamp", _interval(length), _interval(slide))
    counted = events.groupBy(window.alias("window"), "product_id").agg(
        F.max("product_category").alias("product_category"),
        _count_of("view").alias("views"),
        _count_of("add_to_cart").alias("carts"),
        _count_of("purchase").alias("purchases"),
        F.count(F.lit(1)).alias("total_events"),
    )
    return counted.select(
        F.col("window.start").alias("window_start"),
        F.col("window.end").alias("window_end"),
        "product_id",
        "product_category",
        "views",
        "carts",
        "purchases",
        "total_events",
    )


def _count_of(event_type: str) -> Column:
    return F.count_if(F.col("event_type") == event_type)


def _interval(duration: timedelta) -> str:
    return f"{duration // timedelta(milliseconds=1)} milliseconds"
