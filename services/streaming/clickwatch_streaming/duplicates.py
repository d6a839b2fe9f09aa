"""Events that arrived more than once."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf

_IN_LAKE = -1


def repeated_events(events: DataFrame, in_lake: DataFrame) -> DataFrame:
    """Ids that occur more than once in a batch, or in a batch and in the lake.

    Columns in: of `events` event_id, kafka_partition, kafka_offset; of `in_lake` event_id. Columns
    out: event_id, kept_position: the one message to keep, none of them where the lake has the event.
    """
    occurrences = events.select("event_id", _position().alias("position")).unionByName(
        in_lake.select("event_id", sf.lit(_IN_LAKE).cast("long").alias("position"))
    )
    return (
        occurrences.groupBy("event_id")
        .agg(sf.count(sf.lit(1)).alias("occurrences"), sf.min("position").alias("kept_position"))
        .where("occurrences > 1")
        .select("event_id", "kept_position")
    )


def without_repeats(events: DataFrame, repeated: DataFrame) -> DataFrame:
    """The events with each id once, the earliest message of it; columns as `events` has them."""
    columns = events.columns
    return (
        events.join(repeated, "event_id", "left")
        .where(sf.col("kept_position").isNull() | (sf.col("kept_position") == _position()))
        .select(*columns)
    )


def _position() -> Column:
    # One number to compare instead of two: the partition above 48 bits of offset.
    return sf.shiftleft(sf.col("kafka_partition").cast("long"), 48) + sf.col("kafka_offset")
