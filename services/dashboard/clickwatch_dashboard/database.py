"""The serving layer, asked by the `.sql` files of this package.

Every session is read-only and gives up after ten seconds, whatever role it has.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from importlib.resources import files
from typing import Any, LiteralString

from psycopg import AsyncConnection, IsolationLevel, OperationalError
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Row = dict[str, Any]
"""A row as the driver gives it: whatever its columns hold."""

_SESSION = "-c default_transaction_read_only=on -c statement_timeout=10s -c timezone=UTC"
_WAIT_SECONDS = 3.0
_ANSWER_SECONDS = 12.0


@cache
def sql(name: str) -> LiteralString:
    """Return the text of `sql/NAME.sql`."""
    # It ships with the package, as a literal would.
    return (files("clickwatch_dashboard") / "sql" / f"{name}.sql").read_text("utf-8")


async def connect(database_url: str) -> AsyncConnection[DictRow]:
    """Return a connection of one's own.

    Raises:
        OperationalError: the database does not answer, or refuses.
    """
    return await AsyncConnection.connect(
        database_url,
        autocommit=True,
        row_factory=dict_row,
        connect_timeout=3,
        options=_SESSION,
        application_name="clickwatch dashboard",
    )


async def rows(connection: AsyncConnection[DictRow], query: str, parameters: Mapping[str, object]) -> list[Row]:
    """Return the rows of `sql/QUERY.sql`.

    Raises:
        psycopg.Error: the database does not answer in time, or refuses.
    """
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            cursor = await connection.execute(sql(query), parameters)
            return await cursor.fetchall()
    except TimeoutError:
        # A server that hangs does not keep its own limit either.
        raise OperationalError(f"no answer within {_ANSWER_SECONDS:g} s") from None


class Database:
    """Connections shared by all requests; a database that is away is waited for briefly, then an error."""

    def __init__(self, database_url: str, connections: int) -> None:
        """Use at most so many connections; `open` makes them."""
        self.url = database_url
        self._connections = connections
        self._pool = self._new_pool()

    async def open(self) -> None:
        """Begin to connect; the database may come later."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """End all connections."""
        await self._pool.close()

    async def reconnect(self) -> None:
        """Connect anew at once, where waiting between attempts would take its time."""
        stale, self._pool = self._pool, self._new_pool()
        await self._pool.open(wait=False)
        await stale.close(timeout=1)

    async def rows(self, query: str, **parameters: object) -> list[Row]:
        """Return the rows of `sql/QUERY.sql`.

        Raises:
            psycopg.Error: the database does not answer, or refuses.
        """
        async with self._pool.connection() as connection:
            return await rows(connection, query, parameters)

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator["Snapshot"]:
        """Several questions about one moment: a day replaced meanwhile is seen whole, old or new."""
        async with self._pool.connection() as connection:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            try:
                async with connection.transaction():
                    yield Snapshot(connection)
            finally:
                if not connection.closed:
                    await connection.set_isolation_level(None)

    async def csv(self, query: str, **parameters: object) -> AsyncIterator[bytes]:
        """Yield what `COPY … TO STDOUT` in `sql/QUERY.sql` says, over a connection of its own."""
        connection = await connect(self.url)
        try:
            await connection.execute("SET statement_timeout = '5min'")
            async with connection.cursor() as cursor, cursor.copy(sql(query), parameters) as copy:
                async for part in copy:
                    yield bytes(part)
        finally:
            await connection.close()

    def _new_pool(self) -> AsyncConnectionPool[AsyncConnection[DictRow]]:
        return AsyncConnectionPool(
            self.url,
            connection_class=AsyncConnection[DictRow],
            kwargs={
                "autocommit": True,
                "row_factory": dict_row,
                "connect_timeout": 3,
                "options": _SESSION,
                "application_name": "clickwatch dashboard",
                # A plan for any value at all is worse than planning for this one.
                "prepare_threshold": None,
            },
            min_size=min(2, self._connections),
            max_size=self._connections,
            timeout=_WAIT_SECONDS,
            reconnect_timeout=5,
            check=AsyncConnectionPool.check_connection,
            open=False,
        )


class Snapshot:
    """Answers about one moment."""

    def __init__(self, connection: AsyncConnection[DictRow]) -> None:
        """Ask over a connection in a transaction."""
        self._connection = connection

    async def rows(self, query: str, **parameters: object) -> list[Row]:
        """Return the rows of `sql/QUERY.sql`."""
        return await rows(self._connection, query, parameters)
