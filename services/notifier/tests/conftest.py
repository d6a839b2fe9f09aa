"""A database with tables, and what listens to a notifier."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from notifier_program import Outbox, Programs, copied, migrated, new_database
from notifier_receivers import Mailbox, Shop

pytest_plugins = ["clickwatch_servers.fixtures"]


@pytest.fixture(scope="session")
def migrated_url(postgres_url: str) -> str:
    """A database with the tables of db-migrations."""
    return migrated(new_database(postgres_url, "migrated"))


@pytest.fixture
def outbox(migrated_url: str) -> Outbox:
    """An outbox of a test's own, empty."""
    return Outbox(copied(migrated_url, "notifier"))


@pytest.fixture
def shop() -> Iterator[Shop]:
    """A webhook that takes whatever comes, unless a test wants otherwise."""
    shop = Shop()
    yield shop
    shop.close()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A mail server."""
    mailbox = Mailbox()
    yield mailbox
    mailbox.close()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    """Starts notifiers and ends them."""
    programs = Programs(tmp_path)
    yield programs
    programs.end()
