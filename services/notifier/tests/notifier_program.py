"""The notifier as a program, and the outbox that it reads."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from clickwatch_servers import Command, Process
from psycopg import sql
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

PASSWORD = "tells people"
PATIENCE_SECONDS = 120.0
WINDOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Return once the condition holds; fail with what was waited for."""
    try:
        Retrying(
            retry=retry_if_result(lambda done: not done), wait=wait_fixed(0.05), stop=stop_after_delay(PATIENCE_SECONDS)
        )(condition)
    except RetryError:
        raise AssertionError(f"waited {PATIENCE_SECONDS:g} s for {what}") from None


def new_database(url: str, name: str, template: str = "template1") -> str:
    unique = f"{name}_{uuid.uuid4().hex[:8]}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(unique), sql.Identifier(template))
    # A database that somebody is connected to cannot be copied.
    with psycopg.connect(urlunsplit(urlsplit(url)._replace(path="/postgres")), autocommit=True) as server:
        server.execute(create)
    return urlunsplit(urlsplit(url)._replace(path=f"/{unique}"))


def migrated(url: str) -> str:
    """The same database, with the tables of db-migrations, which is started as a program and never imported."""
    subprocess.run(
        [sys.executable, "-m", "clickwatch_migrations", "upgrade"],
        env={"DATABASE_URL": url, "PYTHONPATH": os.pathsep.join(sys.path), "PATH": "/usr/bin"},
        check=True,
        timeout=300,
    )
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("ALTER ROLE clickwatch_notifier PASSWORD {}").format(sql.Literal(PASSWORD)))
    return url


def copied(migrated_url: str, name: str) -> str:
    """A new database with the same empty tables."""
    with psycopg.connect(migrated_url) as connection:
        template = connection.info.dbname
    return new_database(migrated_url, name, template)


def as_notifier(url: str) -> str:
    """The same database for the role of the notifier."""
    parts = urlsplit(url)
    password = PASSWORD.replace(" ", "%20")
    return urlunsplit(parts._replace(netloc=f"clickwatch_notifier:{password}@{parts.hostname}:{parts.port}"))


@dataclass
class Outbox:
    """The tables, as their owner sees them.

    Attributes:
        url: the database.
    """

    url: str

    def add(self, *changes: tuple[str, str], views: int = 101, category: str = "laptops") -> None:
        """Let products come into states, in one transaction as the projector does it."""
        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO alert_outbox (product_id, window_start, window_end, product_category, views, purchases,"
                " status_before, status, changed_at)"
                " VALUES (%s, %s, %s, %s, %s, 2, CASE %s::text WHEN 'active' THEN NULL ELSE 'active' END, %s, now())",
                [
                    (product, WINDOW, WINDOW + timedelta(minutes=10), category, views, status, status)
                    for product, status in changes
                ],
            )

    def deliveries(self, channel: str) -> list[tuple[str, str, str]]:
        """What each change came to, in order: product, state of the alert, state of the delivery."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(
                "SELECT product_id, status, state FROM notification_deliveries JOIN alert_outbox ON id = outbox_id"
                " WHERE channel = %s ORDER BY outbox_id",
                [channel],
            ).fetchall()

    def snoozes(self) -> list[tuple[str, str]]:
        """Products that nobody is told of, and who wanted that."""
        with psycopg.connect(self.url) as connection:
            return connection.execute("SELECT product_id, who FROM notification_snoozes ORDER BY id").fetchall()

    def wait_for(self, channel: str, state: str, count: int) -> None:
        """Return once so many changes have come to that."""
        wait_until(
            lambda: [one[2] for one in self.deliveries(channel)].count(state) == count,
            f"{count} changes of {channel} that are {state}",
        )

    def wait_for_channels(self, *channels: str) -> None:
        """Return once the channels hear of changes."""

        def are_known() -> bool:
            with psycopg.connect(self.url) as connection:
                rows = connection.execute("SELECT channel FROM notification_channels").fetchall()
            return {row[0] for row in rows} >= set(channels)

        wait_until(are_known, f"channels {channels}")


class Programs:
    """Notifiers that a test starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.channels_file = folder / "channels.toml"
        self._running: list[Process] = []

    def secret(self, name: str, text: str) -> str:
        """Write a file that a channel names, and return its name."""
        (self.folder / name).write_text(text)
        return name

    def webhook(self, url: str, name: str = "shop", **more: object) -> str:
        """Return the table of a webhook; what it is told beyond defaults is TOML."""
        secret = self.secret("secret", "a shared secret\n")
        table = {
            "name": f'"{name}"',
            "kind": '"webhook"',
            "url": f'"{url}"',
            "secret_file": f'"{secret}"',
            # A machine that is busy must not look like a receiver that is slow.
            "timeout": '"60 s"',
            **more,
        }
        return "\n".join(["[[channels]]", *(f"{key} = {value}" for key, value in table.items())])

    def start(self, outbox: Outbox, *channels: str, **variables: str) -> Process:
        """Start a notifier; return once it hears of changes."""
        self.channels_file.write_text("\n\n".join(channels))
        log = self.folder / f"notifier-{len(self._running)}.log"
        argv = (sys.executable, "-m", "clickwatch_notifier", "run")
        process = Process(Command("notifier", argv, log, self._environment(outbox) | variables))
        self._running.append(process)
        process.wait_until(lambda: "planner_following" in log.read_text(), PATIENCE_SECONDS)
        return process

    def ask(self, outbox: Outbox, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Return what a command did."""
        return subprocess.run(
            [sys.executable, "-m", "clickwatch_notifier", *arguments],
            env=self._environment(outbox) | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def end(self) -> None:
        for process in self._running:
            process.stop()

    def _environment(self, outbox: Outbox) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "PYTHONPATH": os.pathsep.join(sys.path),
            "DATABASE_URL": as_notifier(outbox.url),
            "NOTIFIER_CHANNELS_FILE": str(self.channels_file),
            "DASHBOARD_URL": "https://clickwatch.example.com",
            "DATA_DIR": str(self.folder / "data"),
            "LOG_FORMAT": "json",
        }
