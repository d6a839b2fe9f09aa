"""The dashboard as a program in front of a database of its own, and a browser."""

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import httpx2
import psycopg
import pytest
from clickwatch_servers import Command, Process
from clickwatch_servers.ports import HOST, free_port
from dashboard_shop import open_shop
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from psycopg import sql

pytest_plugins = ["clickwatch_servers.fixtures"]

PASSWORD = "looks only"
PATIENCE_SECONDS = 120.0
# As root without a sandbox, and without the talk to its makers.
_CHROMIUM = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


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


@pytest.fixture(scope="session")
def migrated_url(postgres_url: str) -> str:
    """A database with the tables of db-migrations, which is started as a program and never imported."""
    url = _made(postgres_url, "migrated")
    subprocess.run(
        [sys.executable, "-m", "clickwatch_migrations", "upgrade"],
        env={"DATABASE_URL": url, "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin"},
        check=True,
        timeout=120,
    )
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("ALTER ROLE clickwatch_reader PASSWORD {}").format(sql.Literal(PASSWORD)))
    return url


def copied(migrated_url: str, name: str) -> str:
    """A new database with the same empty tables."""
    with psycopg.connect(migrated_url) as connection:
        template = connection.info.dbname
    return _made(migrated_url, name, template)


def _made(url: str, name: str, template: str = "template1") -> str:
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
    port = free_port()
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


@pytest.fixture(scope="session")
def shop(migrated_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dashboard]:
    """A dashboard of a shop with thirty days; tests only look at it."""
    url = copied(migrated_url, "shop")
    open_shop(url)
    with running_dashboard(url, tmp_path_factory.mktemp("shop")) as dashboard:
        yield dashboard


@pytest.fixture
def empty(migrated_url: str, tmp_path: Path) -> Iterator[Dashboard]:
    """A dashboard of a database without a row, for a test of its own."""
    with running_dashboard(copied(migrated_url, "empty"), tmp_path) as dashboard:
        yield dashboard


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "no Chromium on this machine: apt-get install chromium (.ci/run does)"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, chromium_sandbox=False, args=list(_CHROMIUM))
        yield browser
        browser.close()


Open = Callable[..., "BrowserContext"]


@pytest.fixture
def context(browser: Browser) -> Iterator[Open]:
    """Makes a browser window's state, which must end without an error and without a word to another host."""
    made: list[BrowserContext] = []
    wrong: list[str] = []

    def make(expect_errors: bool = False, **options: object) -> BrowserContext:
        one = browser.new_context(**options)  # type: ignore[arg-type]
        one.set_default_timeout(PATIENCE_SECONDS * 1000)
        made.append(one)
        one.on("request", lambda request: wrong.append(request.url) if urlsplit(request.url).hostname != HOST else None)
        if not expect_errors:
            one.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
            one.on("weberror", lambda error: wrong.append(str(error.error)))
        return one

    yield make
    for one in made:
        one.close()
    assert wrong == []
