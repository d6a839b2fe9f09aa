"""The dashboard as a program in front of a database of its own."""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2
import psycopg
from clickwatch_servers import Command, Process
from clickwatch_servers.ports import HOST, free_port
from playwright.sync_api import BrowserContext
from psycopg import sql

PASSWORD = "looks only"
PATIENCE_SECONDS = 120.0

Open = Callable[..., BrowserContext]
"""Makes a browser window's state."""


@dataclass
class Dashboard:
    """A running dashboard.

    Attributes:
        url: where it listens.
        database_url: what it reads, as the owner.
    """

    url: str
    database_url: str
    process: Process = field(repr=False)

    def get(self, path: str, **options: object) -> httpx2.Response:
        return httpx2.get(f"{self.url}{path}", timeout=PATIENCE_SECONDS, **options)  # type: ignore[arg-type]


def copied(migrated_url: str, name: str) -> str:
    """A new database with the same empty tables."""
    with psycopg.connect(migrated_url) as connection:
        template = connection.info.dbname
    return new_database(migrated_url, name, template)


def new_database(url: str, name: str, template: str = "template1") -> str:
    unique = f"{name}_{uuid.uuid4().hex[:8]}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(unique), sql.Identifier(template))
    # A database that somebody is connected to cannot be copied.
    with psycopg.connect(urlunsplit(urlsplit(url)._replace(path="/postgres")), autocommit=True) as server:
        server.execute(create)
    return urlunsplit(urlsplit(url)._replace(path=f"/{unique}"))


def as_reader(url: str) -> str:
    """The same database for the role that only reads."""
    parts = urlsplit(url)
    password = PASSWORD.replace(" ", "%20")
    return urlunsplit(parts._replace(netloc=f"clickwatch_reader:{password}@{parts.hostname}:{parts.port}"))


@contextmanager
def running_dashboard(database_url: str, folder: Path, **variables: str) -> Iterator[Dashboard]:
    """The program in front of a database, ready."""
    port = int(variables.get("DASHBOARD_PORT") or free_port())
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "DATABASE_URL": as_reader(database_url),
        "DASHBOARD_PORT": str(port),
        "DATA_DIR": str(folder),
        **variables,
    }
    command = (sys.executable, "-m", "clickwatch_dashboard", "run")
    process = Process(Command("dashboard", command, folder / "dashboard.log", environment))
    dashboard = Dashboard(f"http://{HOST}:{port}", database_url, process)

    def answers() -> bool:
        try:
            return dashboard.get("/health").status_code in (200, 503)
        except httpx2.HTTPError:
            return False

    try:
        process.wait_until(answers, PATIENCE_SECONDS)
        yield dashboard
    finally:
        process.stop()
