"""Which events come too late for a window, and which windows close.

Whether an event is late depends on the log and not on luck: it is late for a window when, at offsets
before it in its own partition, there is an event newer than the window's end by WATERMARK or more, or
when the window was closed by an earlier batch (time and order: spec).
"""

from collections.abc import Mapping
from datetime import timedelta

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as sf

_MS = timedelta(milliseconds=1)


def late_arrivals(
    events: DataFrame, newest_ms: Mapping[int, int], closed_until_ms: int | None, watermark: timedelta
) -> DataFrame:
    """The events that were older than the watermark when they arrived.

    Columns in: kafka_partition, kafka_offset, timestamp, all valid events of the batch. Columns out:
    kafka_partition, kafka_offset, late_at: the watermark the event met. It counts only in windows
    that end after `late_at`; an event that is not in the result counts in all of its windows.

    Args:
        events: see above.
        newest_ms: per partition the newest event time of earlier batches.
        closed_until_ms: up to where earlier batches have closed windows.
        watermark: how far behind the newest event of its partition an event may be.
    """
    before = Window.partitionBy("kafka_partition").orderBy("kafka_offset").rowsBetween(Window.unboundedPreceding, -1)
    newest = sf.greatest(sf.max(sf.unix_millis("timestamp")).over(before), _carried(newest_ms))
    late_at_ms = sf.greatest(newest - watermark // _MS, sf.lit(closed_until_ms).cast("long"))
    return (
        events.select("kafka_partition", "kafka_offset", "timestamp", sf.timestamp_millis(late_at_ms).alias("late_at"))
        .where(sf.col("timestamp") < sf.col("late_at"))
        .select("kafka_partition", "kafka_offset", "late_at")
    )


def _carried(newest_ms: Mapping[int, int]) -> Column:
    nothing = sf.lit(None).cast("long")
    if not newest_ms:
        return nothing
    pairs = [sf.lit(value) for pair in sorted(newest_ms.items()) for value in pair]
    return sf.create_map(*pairs)[sf.col("kafka_partition")]


def closed_until(
    before_ms: int | None,
    newest_before_ms: Mapping[int, int],
    newest_ms: Mapping[int, int],
    heartbeat_ms: int | None,
    watermark: timedelta,
    partitions: int,
) -> int | None:
    """Up to where windows are closed once a batch is in (epoch milliseconds).

    A window closes when every partition has come past its end by WATERMARK; or when any of them had
    done so a batch ago, so that a partition without traffic holds nothing up, while what a producer
    still holds for a slower partition has the time between two batches to arrive; or when a heartbeat
    has. It never opens again.

    Args:
        before_ms: what the previous batch left; None before the first event.
        newest_before_ms: per partition the newest event time as the previous batch left it.
        newest_ms: the same with this batch.
        heartbeat_ms: the newest heartbeat's time, with this batch.
        watermark: see `late_arrivals`.
        partitions: how many partitions the topic has.
    """
    reached = [min(newest_ms.values())] if len(newest_ms) >= partitions else []
    reached += newest_before_ms.values()
    reached += [] if heartbeat_ms is None else [heartbeat_ms]
    if not reached:
        return before_ms
    candidate = max(reached) - watermark // _MS
    return candidate if before_ms is None else max(before_ms, candidate)
