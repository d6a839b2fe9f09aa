"""A database with tables, dashboards in front of it, and a browser."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from clickwatch_servers.ports import HOST
from dashboard_program import PASSWORD, PATIENCE_SECONDS, Dashboard, Open, copied, new_database, running_dashboard
from dashboard_shop import open_shop
from playwright.sync_api import Browser, BrowserContext, sync_playwright
from psycopg import sql

pytest_plugins = ["clickwatch_servers.fixtures"]

# As root without a sandbox, and without the talk to its makers.
_CHROMIUM = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def migrated_url(postgres_url: str) -> str:
    """A database with the tables of db-migrations, which is started as a program and never imported."""
    url = new_database(postgres_url, "migrated")
    subprocess.run(
        [sys.executable, "-m", "clickwatch_migrations", "upgrade"],
        env={"DATABASE_URL": url, "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin"},
        check=True,
        timeout=120,
    )
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("ALTER ROLE clickwatch_reader PASSWORD {}").format(sql.Literal(PASSWORD)))
    return url


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
