"""Tables `flash_sale_alerts` and `alert_outbox`, and how far the projector has come, in one transaction.

The session runs with `synchronous_commit = off`: a crash of the database may lose its last
transactions, but never a part of one. Offsets are lost together with the rows they belong to, so
the projector reads those records again, and nothing is missing in the end.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import tuple_row

from clickwatch_streaming.alerts.alert import Alert, AlertChange, Status

CONSUMER = "flash_sale_alerts"
_LIMITS = {
    "connect_timeout": "5",
    # A server whose machine is gone says nothing: after half a minute its connection is an error.
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
Key = tuple[str, int]
"""Product and start of the window in epoch milliseconds."""

_OFFSETS = """
    SELECT partition, next_offset, floor(extract(epoch FROM closed_until) * 1000)::bigint
      FROM stream_offsets
     WHERE consumer = %(consumer)s AND topic = %(topic)s
     ORDER BY partition
       FOR UPDATE
"""
_BEGIN_PARTITION = """
    INSERT INTO stream_offsets (consumer, topic, partition, next_offset)
    VALUES (%(consumer)s, %(topic)s, %(partition)s, 0)
        ON CONFLICT DO NOTHING
"""
_MOVE_ON = """
    UPDATE stream_offsets
       SET next_offset = %(next_offset)s, closed_until = greatest(closed_until, %(closed_until)s)
     WHERE consumer = %(consumer)s AND topic = %(topic)s AND partition = %(partition)s
"""
_COUNT_SET_ASIDE = """
    INSERT INTO stream_dead_letters (topic, reason, messages)
    VALUES (%(topic)s, %(reason)s, 1)
        ON CONFLICT (topic, reason) DO UPDATE SET messages = stream_dead_letters.messages + 1
"""
_ALERTS = """
    SELECT product_id,
           product_category,
           (extract(epoch FROM window_start) * 1000)::bigint AS window_start_ms,
           (extract(epoch FROM window_end) * 1000)::bigint AS window_end_ms,
           views, purchases, status, detected_at, updated_at
      FROM flash_sale_alerts
      JOIN unnest(%(products)s::text[], %(starts)s::timestamptz[]) AS wanted (product_id, window_start)
     USING (product_id, window_start)
"""
_SAVE = """
    INSERT INTO flash_sale_alerts (
           product_id, window_start, window_end, product_category, views, purchases, status, detected_at, updated_at)
    SELECT *
      FROM unnest(%(products)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(categories)s::text[],
                  %(views)s::bigint[], %(purchases)s::bigint[], %(statuses)s::text[],
                  %(detected)s::timestamptz[], %(updated)s::timestamptz[])
        ON CONFLICT (product_id, window_start) DO UPDATE
       SET product_category = excluded.product_category,
           views = excluded.views,
           purchases = excluded.purchases,
           status = excluded.status,
           updated_at = excluded.updated_at
"""
_ANNOUNCE = """
    INSERT INTO alert_outbox (
           product_id, window_start, window_end, product_category, views, purchases, status_before, status, changed_at)
    SELECT product, window_start, window_end, category, views, purchases, status_before, status, changed_at
      FROM unnest(%(products)s::text[], %(starts)s::timestamptz[], %(ends)s::timestamptz[], %(categories)s::text[],
                  %(views)s::bigint[], %(purchases)s::bigint[], %(before)s::text[], %(statuses)s::text[],
                  %(changed)s::timestamptz[])
           WITH ORDINALITY AS change (product, window_start, window_end, category, views, purchases,
                                      status_before, status, changed_at, place)
     ORDER BY place
"""


def projected_offsets(database_url: str, topic: str) -> dict[int, int]:
    """Return per partition of `topic` the first offset that is in no row yet, asked over a connection of its own.

    Raises:
        psycopg.Error: the database does not answer, or refuses.
    """
    query = "SELECT partition, next_offset FROM stream_offsets WHERE consumer = %s AND topic = %s"
    with psycopg.connect(limited(database_url), application_name="clickwatch streaming watchdog") as connection:
        return dict(connection.execute(query, (CONSUMER, topic)).fetchall())


def limited(database_url: str) -> str:
    """Return how to connect so that no server is waited for without end; what the address itself says goes first."""
    return make_conninfo("", **{**_LIMITS, **conninfo_to_dict(database_url)})


class AlertTable:
    """A connection to the serving layer; each `with table:` block is one transaction."""

    def __init__(self, database_url: str, topic: str) -> None:
        """Connect, to follow `topic`.

        Raises:
            psycopg.OperationalError: the database does not answer, or refuses.
        """
        self._topic = topic
        self._connection = psycopg.connect(
            limited(database_url),
            application_name="clickwatch streaming",
            # Who stands still in a transaction holds up the other projectors, and loses it.
            options="-c synchronous_commit=off -c timezone=UTC -c idle_in_transaction_session_timeout=10s",
        )

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._connection.commit()
        elif not self._connection.closed:
            self._connection.rollback()

    def begin_partitions(self, partitions: Iterable[int]) -> None:
        """Make a row of offsets for each partition that has none."""
        rows = [{"consumer": CONSUMER, "topic": self._topic, "partition": p} for p in partitions]
        with self._connection.cursor() as cursor:
            cursor.executemany(_BEGIN_PARTITION, rows)

    def progress(self) -> tuple[dict[int, int], int | None]:
        """Next offset per partition, and up to where windows are closed (epoch milliseconds).

        The rows stay locked until the transaction ends, so that two projectors take turns.
        """
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            rows = cursor.execute(_OFFSETS, {"consumer": CONSUMER, "topic": self._topic}).fetchall()
        closed = [closed_until for _, _, closed_until in rows if closed_until is not None]
        return {partition: offset for partition, offset, _ in rows}, max(closed, default=None)

    def move_on(self, next_offsets: Mapping[int, int], closed_until_ms: int | None) -> None:
        """Remember that everything before `next_offsets` is in the table."""
        closed_until = None if closed_until_ms is None else _time(closed_until_ms)
        rows = [
            {
                "consumer": CONSUMER,
                "topic": self._topic,
                "partition": partition,
                "next_offset": offset,
                "closed_until": closed_until,
            }
            for partition, offset in next_offsets.items()
        ]
        with self._connection.cursor() as cursor:
            cursor.executemany(_MOVE_ON, rows)

    def pass_over(self, partition: int, offset: int, reason: str) -> bool:
        """Count a record as a dead letter and move on behind it; False where that had been done before."""
        next_offsets, _ = self.progress()
        if next_offsets.get(partition, 0) > offset:
            return False
        self._connection.execute(_COUNT_SET_ASIDE, {"topic": self._topic, "reason": reason})
        self.move_on({partition: offset + 1}, None)
        return True

    def alerts(self, keys: Iterable[Key]) -> dict[Key, Alert]:
        """The alerts there are for some products and windows."""
        wanted = list(keys)
        parameters = {"products": [p for p, _ in wanted], "starts": [_time(start) for _, start in wanted]}
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            rows = cursor.execute(_ALERTS, parameters).fetchall()
        return {
            (product, start): Alert(product, category, start, end, views, purchases, Status(status), detected, updated)
            for product, category, start, end, views, purchases, status, detected, updated in rows
        }

    def save(self, alerts: Iterable[Alert]) -> None:
        """Insert or replace alerts; `detected_at` of one that is there stays."""
        rows = list(alerts)
        if not rows:
            return
        self._connection.execute(
            _SAVE,
            {
                "products": [a.product_id for a in rows],
                "starts": [_time(a.window_start_ms) for a in rows],
                "ends": [_time(a.window_end_ms) for a in rows],
                "categories": [a.product_category for a in rows],
                "views": [a.views for a in rows],
                "purchases": [a.purchases for a in rows],
                "statuses": [str(a.status) for a in rows],
                "detected": [a.detected_at for a in rows],
                "updated": [a.updated_at for a in rows],
            },
        )

    def announce(self, changes: Iterable[AlertChange]) -> None:
        """Add changes of state to the outbox, in their order, for whoever tells people."""
        rows = list(changes)
        if not rows:
            return
        alerts = [one.alert for one in rows]
        self._connection.execute(
            _ANNOUNCE,
            {
                "products": [a.product_id for a in alerts],
                "starts": [_time(a.window_start_ms) for a in alerts],
                "ends": [_time(a.window_end_ms) for a in alerts],
                "categories": [a.product_category for a in alerts],
                "views": [a.views for a in alerts],
                "purchases": [a.purchases for a in alerts],
                "before": [None if one.before is None else str(one.before) for one in rows],
                "statuses": [str(a.status) for a in alerts],
                "changed": [a.updated_at for a in alerts],
            },
        )


def _time(epoch_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms)
