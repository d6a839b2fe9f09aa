"""The tables that tell people of the speed layer: `stream_…` and `window_counts`.

A connection of its own, so that it never makes the projector wait. A crash of the database may lose the
last second, which the next one brings again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import LiteralString, NamedTuple

import psycopg
from clickwatch_service.stores import Refused, split_refused
from psycopg.types.json import Jsonb

from clickwatch_streaming.alerts.table import CONSUMER, limited
from clickwatch_streaming.lake.record import SchemaUse


@dataclass(frozen=True)
class StreamStatus:
    """A row of stream_status.

    Attributes:
        topic: the topic of events.
        updated_at: when this was found.
        messages_per_second: what producers wrote to it in the last seconds.
        alerts_unread: messages that alerts do not tell of yet.
        lake_unread: messages that are not in the lake yet.
        newest_event_time: the newest event in the lake.
        closed_until: windows that end by then are closed.
        lake_written_at: when the lake's last batch was complete.
        events: in the lake since it began, as are the next three.
        duplicates: messages left out because their event is in the lake.
        late: events older than the watermark when they came.
        dead_letters: messages that are no event by a fault of theirs.
        troubles: per part of the service that does not work why; a part that works has none.
    """

    topic: str
    updated_at: datetime
    messages_per_second: float
    alerts_unread: int
    lake_unread: int
    newest_event_time: datetime | None
    closed_until: datetime | None
    lake_written_at: datetime | None
    events: int
    duplicates: int
    late: int
    dead_letters: int
    troubles: Mapping[str, str]


class WindowCount(NamedTuple):
    """A row of window_counts."""

    window_start: datetime
    product_id: str
    window_end: datetime
    product_category: str
    views: int
    carts: int
    purchases: int


class StatusTables:
    """The tables, over a connection of their own; each method is a transaction."""

    def __init__(self, database_url: str) -> None:
        """Connect.

        Raises:
            psycopg.OperationalError: the database does not answer, or refuses.
        """
        self._connection = psycopg.connect(
            limited(database_url),
            application_name="clickwatch streaming status",
            options="-c synchronous_commit=off -c timezone=UTC",
        )

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def projected(self, alerts_topic: str) -> dict[int, int]:
        """Per partition of the topic of hot windows the first offset that is in no row yet."""
        with self._connection.transaction():
            rows = self._connection.execute(
                "SELECT partition, next_offset FROM stream_offsets WHERE consumer = %s AND topic = %s",
                (CONSUMER, alerts_topic),
            ).fetchall()
        return dict(rows)

    def save_status(self, status: StreamStatus) -> None:
        """Replace the topic's row."""
        self._execute("save_status", asdict(status) | {"troubles": Jsonb(dict(status.troubles))})

    def save_batch(
        self, topic: str, reasons: Mapping[str, int], schemas: Mapping[int, SchemaUse], versions: Mapping[int, int]
    ) -> None:
        """Replace the topic's dead letters and schemas; `versions` tells that of an id, where it is known."""
        with self._connection.transaction():
            self._execute(
                "save_dead_letters",
                {"topic": topic, "reasons": list(reasons), "messages": list(reasons.values())},
            )
            self._execute(
                "save_schemas",
                {
                    "topic": topic,
                    "ids": list(schemas),
                    "versions": [versions.get(one) for one in schemas],
                    "messages": [use.messages for use in schemas.values()],
                    "last_seen": [time_of(use.last_ms) for use in schemas.values()],
                },
            )

    def newest_window(self) -> datetime | None:
        """The start of the newest window there is."""
        with self._connection.transaction():
            row = self._connection.execute("SELECT max(window_start) FROM window_counts").fetchone()
        return None if row is None else row[0]

    def save_windows(self, windows: Iterable[WindowCount]) -> list[Refused[WindowCount]]:
        """Insert or replace windows; return those that the database refuses, with its words."""
        return split_refused(list(windows), self._save_windows)

    def _save_windows(self, windows: Sequence[WindowCount]) -> None:
        columns = list(zip(*windows, strict=True))
        names = ("starts", "products", "ends", "categories", "views", "carts", "purchases")
        self._execute("save_windows", {name: list(column) for name, column in zip(names, columns, strict=True)})

    def forget_windows(self, before: datetime) -> None:
        """Remove windows that start before then."""
        with self._connection.transaction():
            self._connection.execute("DELETE FROM window_counts WHERE window_start < %s", (before,))

    def _execute(self, name: str, parameters: Mapping[str, object]) -> None:
        with self._connection.transaction():
            self._connection.execute(_sql(name), parameters)


def time_of(epoch_ms: int) -> datetime:
    """Return the instant of epoch milliseconds."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=epoch_ms)


@cache
def _sql(name: str) -> LiteralString:
    # It ships with the package, as a literal would.
    return (files("clickwatch_streaming.status") / "sql" / f"{name}.sql").read_text("utf-8")
