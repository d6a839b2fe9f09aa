"""What a service can reach with its own settings: a line for each connection, for people at a terminal."""

import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import typer

from clickwatch_service.database import refusal_of
from clickwatch_service.shown import one_line

_LEAST_FREE_BYTES = 1_000_000_000
MOST_CLOCK_DIFFERENCE_SECONDS = 5.0
"""Events from further in the future than five minutes are no events, so clocks must be far closer than that."""


@dataclass(frozen=True)
class Finding:
    """What was found of one connection.

    Attributes:
        what: its name and address.
        is_good: whether the service can work with it.
        said: the rest of the line.
    """

    what: str
    is_good: bool
    said: str

    def __str__(self) -> str:
        return one_line(f"{'ok  ' if self.is_good else 'FAIL'} {self.what}: {self.said}")


def tell(*checks: Callable[[], Finding]) -> None:
    """Make the checks, print a line for each as it is known, and exit with status 1 where one is not good."""
    are_good = True
    for check in checks:
        finding = check()
        typer.echo(str(finding))
        are_good = are_good and finding.is_good
    if not are_good:
        raise typer.Exit(1)


def clock(difference_seconds: float) -> tuple[bool, str]:
    """Return whether a clock is close enough to ours, and words for it."""
    return abs(difference_seconds) <= MOST_CLOCK_DIFFERENCE_SECONDS, f"clock {difference_seconds:+.1f} s from ours"


def check_database(url: str, tables: Iterable[str] = (), writes: Iterable[str] = ()) -> Finding:
    """Return what is found of a PostgreSQL.

    Args:
        url: as libpq has it; PGPASSFILE, PGSSLROOTCERT and its other variables count.
        tables: what must be readable.
        writes: what must be writable too.
    """
    what = "PostgreSQL"
    try:
        with psycopg.connect(url, connect_timeout=10, application_name="clickwatch doctor") as connection:
            info = connection.info
            what = f"PostgreSQL {info.host}:{info.port}/{info.dbname}"
            row = connection.execute(
                "SELECT current_user, extract(epoch FROM clock_timestamp() - %s::timestamptz)::float8",
                (datetime.now(UTC),),
            ).fetchone()
            assert row is not None
            user, difference = row
            tls = "TLS" if connection.pgconn.ssl_in_use else "no TLS"
            lacking = _lacking(connection, [*tables], [*writes])
    except psycopg.Error as error:
        return Finding(what, False, str(refusal_of(error) or " ".join(str(error).split())))
    in_time, clock_words = clock(difference)
    parts = ["reached", tls, f"logged in as {user}", clock_words]
    parts.append(f"lacks {', '.join(lacking)}" if lacking else "may do what it must")
    return Finding(what, in_time and not lacking, ", ".join(parts))


def check_disk(folder: Path) -> Finding:
    """Return how much room there is where a service keeps its files."""
    there = folder.absolute()
    while not there.exists():
        there = there.parent
    free = shutil.disk_usage(there).free
    return Finding(f"disk {folder}", free >= _LEAST_FREE_BYTES, f"{free / 1e9:.1f} GB free")


def _lacking(connection: psycopg.Connection, reads: list[str], writes: list[str]) -> list[str]:
    lacking = []
    for table, right in (*((one, "SELECT") for one in reads), *((one, "INSERT") for one in writes)):
        row = connection.execute(
            "SELECT to_regclass(%s) IS NOT NULL, "
            "CASE WHEN to_regclass(%s) IS NOT NULL THEN has_table_privilege(to_regclass(%s), %s) END",
            (table, table, table, right),
        ).fetchone()
        assert row is not None
        if not row[0]:
            lacking.append(f"table {table} (run the migrations)")
        elif not row[1]:
            lacking.append(f"{right} on {table}")
    return lacking
