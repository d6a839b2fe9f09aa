"""What changes while pages are open: read once, told to all of them.

One connection listens for changed alerts and reads the speed layer's status; each page holds a queue. A
page gets everything when it comes, then what differs. A database that is away is said, and what was last
known stays.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from time import monotonic

import orjson
import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from clickwatch_dashboard.database import Database, Row, connect, rows

log = structlog.get_logger()

ACTIVE_SHOWN, ENDED_SHOWN = 200, 100
ENDED_FOR = timedelta(hours=24)
"""How long an alert that ended is shown."""

_LOOK_SECONDS = 1.0
_LOOK_AT_DAYS_SECONDS = 30.0
_PAUSE_SECONDS = 0.25
"""After a look; changes in between are one."""
_QUEUED = 200
_LONGEST_WAIT_SECONDS = 2.0


@dataclass(frozen=True)
class LastDay:
    """The last day that the batch layer has done.

    Attributes:
        ended_at: when it was over.
        generated_at: when its analysis was written.
    """

    ended_at: datetime
    generated_at: datetime


class Live:
    """The board of alerts and the status, and the pages that follow them."""

    def __init__(self, database: Database) -> None:
        """Read `database`; `follow` does the work."""
        self._database = database
        self._pages: set[asyncio.Queue[str | None]] = set()
        self._board: dict[str, Row] = {}
        self._counts: dict[str, int] = {}
        self._status: list[Row] = []
        self._up: bool | None = None
        self._read_at: datetime | None = None
        self._last_day: LastDay | None = None
        self._reason = ""

    @contextmanager
    def page(self) -> Iterator[asyncio.Queue[str | None]]:
        """Messages for one page, the first tells everything; None: it fell behind and should come again."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUED)
        queue.put_nowait(self._everything())
        self._pages.add(queue)
        try:
            yield queue
        finally:
            self._pages.discard(queue)

    @property
    def pages(self) -> int:
        """How many pages follow."""
        return len(self._pages)

    @property
    def is_up(self) -> bool:
        """Whether the database answered when last asked."""
        return self._up is True

    @property
    def counts(self) -> Mapping[str, int]:
        """How many alerts there are in each state, when last heard of."""
        return self._counts

    @property
    def status(self) -> Sequence[Row]:
        """What the speed layer last said of itself."""
        return self._status

    @property
    def last_day(self) -> LastDay | None:
        """The last day that the batch layer has done, None before the first."""
        return self._last_day

    async def follow(self) -> None:
        """Follow the database until cancelled; when it goes away, wait for it."""
        failures = 0
        while True:
            try:
                connection = await connect(self._database.url)
                try:
                    await connection.execute("LISTEN flash_sale_alerts")
                    async for _ in self._looks(connection):
                        failures = 0
                finally:
                    await connection.close()
            except psycopg.Error as error:
                failures += 1
                self._set_down(error)
                await asyncio.sleep(min(0.25 * 2**failures, _LONGEST_WAIT_SECONDS))

    async def _looks(self, connection: AsyncConnection[DictRow]) -> AsyncIterator[None]:
        """Look once a second, and at once when told of a change, then not for a moment."""
        look_at_days = monotonic()
        while True:
            await self._look_at_board(connection)
            await self._look_at_status(connection)
            if monotonic() >= look_at_days:
                look_at_days = monotonic() + _LOOK_AT_DAYS_SECONDS
                await self._look_at_days(connection)
            if not self._up:
                await self._set_up()
            yield
            await asyncio.sleep(_PAUSE_SECONDS)
            async for _ in connection.notifies(timeout=_LOOK_SECONDS, stop_after=1):
                pass

    async def _look_at_board(self, connection: AsyncConnection[DictRow]) -> None:
        since = datetime.now(UTC) - ENDED_FOR
        found = await rows(connection, "board", {"active": ACTIVE_SHOWN, "ended": ENDED_SHOWN, "since": since})
        counted = await rows(connection, "board_counts", {"since": since})
        board = {_key(row): row for row in found}
        counts = {str(row["status"]): int(row["alerts"]) for row in counted}
        changed = [row for key, row in board.items() if self._board.get(key) != row]
        gone = [key for key in self._board if key not in board]
        counts_changed = counts != self._counts
        self._board, self._counts, self._read_at = board, counts, datetime.now(UTC)
        if changed or gone or counts_changed:
            self._tell({"type": "alerts", "changed": changed, "gone": gone, "counts": counts})

    async def _look_at_status(self, connection: AsyncConnection[DictRow]) -> None:
        status = await rows(connection, "stream_status", {})
        self._read_at = datetime.now(UTC)
        if status != self._status:
            self._status = status
            self._tell({"type": "status", "status": status})

    async def _look_at_days(self, connection: AsyncConnection[DictRow]) -> None:
        found = await rows(connection, "last_day", {})
        if found:
            ended = datetime.combine(found[0]["report_date"], time.min, UTC) + timedelta(days=1)
            self._last_day = LastDay(ended, found[0]["generated_at"])

    async def _set_up(self) -> None:
        came_back = self._up is False
        self._up = True
        if came_back:
            log.info("database back")
            await self._database.reconnect()
        self._tell(self._database_state())

    def _set_down(self, error: Exception) -> None:
        self._reason = explained(error)
        if self._up is not False:
            self._up = False
            log.warning("database away", reason=" ".join(str(error).split()))
            self._tell(self._database_state())

    def _database_state(self) -> dict[str, object]:
        return {"type": "database", "up": self._up is True, "read_at": self._read_at, "reason": self._reason}

    def _everything(self) -> str:
        return _json(
            {
                **self._database_state(),
                "type": "everything",
                "known": self._up is not None,
                "alerts": list(self._board.values()),
                "counts": self._counts,
                "status": self._status,
            }
        )

    def _tell(self, message: dict[str, object]) -> None:
        text = _json(message)
        for queue in list(self._pages):
            try:
                queue.put_nowait(text)
            except asyncio.QueueFull:
                # It comes again and gets everything.
                self._pages.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)


def _key(alert: Row) -> str:
    return f"{alert['product_id']} {alert['window_start'].isoformat()}"


def _json(message: object) -> str:
    return orjson.dumps(message).decode()


def explained(error: Exception) -> str:
    """Return what a page says of a database that does not answer, and what to do."""
    if isinstance(error, psycopg.errors.UndefinedTable):
        return "the tables are not there yet: run db-migrations upgrade"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return "the role of DATABASE_URL may not read the tables: use clickwatch_reader"
    # What the driver says further names addresses, which is for the log and not for a page.
    return "the database does not answer"
