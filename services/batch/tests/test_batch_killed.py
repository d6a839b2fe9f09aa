"""Publisher or database killed in the middle of a publish: no half day, and the next try completes it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
from batch_days import line, write_log
from psycopg import sql
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

TABLES = ("daily_summary", "user_segments", "product_performance", "category_conversion")
_LIMIT_SECONDS = 120


def publisher(data_dir: Path, database_url: str) -> subprocess.Popen[str]:
    """Start a run of the day as a program."""
    environment = {"DATA_DIR": str(data_dir), "DATABASE_URL": database_url, "WAIT_TIMEOUT": "120 s"}
    return subprocess.Popen(
        [sys.executable, "-m", "clickwatch_batch", "run", "--date", "2025-06-01"],
        env={**environment, "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(database_url: str) -> list[int]:
    """Return how many rows each table holds, once the database answers."""
    waiting = Retrying(
        retry=retry_if_exception_type(psycopg.OperationalError),
        stop=stop_after_delay(_LIMIT_SECONDS),
        wait=wait_fixed(0.2),
        reraise=True,
    )
    with waiting(psycopg.connect, database_url) as connection:
        found = []
        for table in TABLES:
            query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
            ((count,),) = connection.execute(query).fetchall()
            found.append(int(count))
    return found


def stuck_publisher(connection: psycopg.Connection[tuple[object, ...]]) -> int | None:
    """Return the server process of a publisher that waits for our lock."""
    row = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'clickwatch-batch' AND wait_event_type = 'Lock' AND wait_event = 'relation'"
    ).fetchone()
    return None if row is None else int(str(row[0]))


@contextmanager
def published_to_the_middle(data_dir: Path, database_url: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Yield a publisher that has written two tables and waits for a third, and its server process."""
    waiting = Retrying(
        retry=retry_if_result(lambda pid: pid is None), stop=stop_after_delay(_LIMIT_SECONDS), wait=wait_fixed(0.1)
    )
    with closing(psycopg.connect(database_url)) as blocker, psycopg.connect(database_url, autocommit=True) as watcher:
        blocker.execute("LOCK TABLE category_conversion IN ACCESS EXCLUSIVE MODE")
        process = publisher(data_dir, database_url)
        try:
            pid = waiting(stuck_publisher, watcher)
            assert pid is not None
            yield process, pid
        finally:
            process.kill()
            process.wait()


def test_a_database_killed_in_the_middle_is_waited_for_and_gets_the_whole_day(
    tmp_path: Path, database_url: str
) -> None:
    write_log(tmp_path / "logs", [line(user_id=f"user_{number}") for number in range(50)])

    with published_to_the_middle(tmp_path, database_url) as (process, server_pid):
        # The server takes a killed process of its own for a crash, drops all others and recovers from its log.
        os.kill(server_pid, signal.SIGKILL)
        _, said = process.communicate(timeout=_LIMIT_SECONDS)

    assert process.returncode == 0, said
    assert "repeated_transaction" in said
    assert rows(database_url) == [1, 50, 1, 1]


def test_a_publisher_killed_in_the_middle_leaves_no_half_day_and_the_retry_completes(
    tmp_path: Path, database_url: str
) -> None:
    write_log(tmp_path / "logs", [line(user_id=f"user_{number}") for number in range(50)])

    with published_to_the_middle(tmp_path, database_url) as (process, _):
        process.kill()
        process.communicate(timeout=_LIMIT_SECONDS)

    assert process.returncode != 0
    assert rows(database_url) == [0, 0, 0, 0]

    retry = publisher(tmp_path, database_url)
    _, said = retry.communicate(timeout=_LIMIT_SECONDS)
    assert retry.returncode == 0, said
    assert rows(database_url) == [1, 50, 1, 1]
