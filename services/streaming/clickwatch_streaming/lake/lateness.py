"""Which events come too late for a window, and which windows close.

Whether an event is late depends on the log and not on luck: it is late for a window when, at offsets
before it in its own partition, there is an event newer than the window's end by WATERMARK or more, or
when the window was closed by an earlier batch (time and order: spec). Events that were older than that
watermark when they arrived have it in column `late_at` of the lake (sql/events.sql), and count only in
windows that end after it (sql/closed_windows.sql).
"""

from collections.abc import Mapping
from datetime import timedelta


def closed_until(
    before_ms: int,
    newest_before_ms: Mapping[int, int],
    newest_ms: Mapping[int, int],
    heartbeat_ms: int | None,
    watermark: timedelta,
    partitions: int,
) -> int:
    """Up to where windows are closed once a batch is in (epoch milliseconds).

    A window closes when every partition has come past its end by WATERMARK; or when any of them had
    done so a batch ago, so that a partition without traffic holds nothing up, while what a producer
    still holds for a slower partition has the time between two batches to arrive; or when a heartbeat
    has. It never opens again.

    Args:
        before_ms: what the previous batch left.
        newest_before_ms: per partition the newest event time as the previous batch left it.
        newest_ms: the same with this batch.
        heartbeat_ms: the newest heartbeat's time, with this batch.
        watermark: how far behind the newest event one may be and still count.
        partitions: how many partitions the topic has.
    """
    reached = [min(newest_ms.values())] if len(newest_ms) >= partitions else []
    reached += newest_before_ms.values()
    reached += [] if heartbeat_ms is None else [heartbeat_ms]
    return max([before_ms, *(time_ms - watermark // timedelta(milliseconds=1) for time_ms in reached)])
