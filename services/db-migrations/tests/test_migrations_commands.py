"""What the command line says, and how it fails."""

import re

from clickwatch_servers.ports import free_port
from migration_runs import migrate


def test_history_lists_revisions_oldest_first_without_a_database() -> None:
    done = migrate("postgresql://nobody@127.0.0.1:1/nowhere", "history")

    assert done.returncode == 0
    assert [line.split()[0] for line in done.stdout.splitlines()] == [
        "0001",
        "0002",
        "0003",
        "0004",
        "0005",
        "0006",
        "0007",
        "0008",
        "0009",
    ]


def test_current_follows_the_database(database_url: str) -> None:
    assert migrate(database_url, "current").stdout == "none\n"

    migrate(database_url, "upgrade", "0001")

    assert migrate(database_url, "current").stdout == "0001\n"


def test_a_database_that_is_not_there_is_waited_for_and_given_up() -> None:
    port = free_port()

    done = migrate(f"postgresql://clickwatch:secret@127.0.0.1:{port}/clickwatch", "upgrade", WAIT_TIMEOUT="1 s")

    assert done.returncode == 1
    assert "waited_for_database" in done.stderr
    last_line = done.stderr.splitlines()[-1]
    assert re.match(r"error: DATABASE_URL=\S+: no connection within WAIT_TIMEOUT \(1 s\): ", last_line)
    assert "Connection refused" in last_line
    assert "secret" not in done.stderr


def test_an_unknown_revision_is_an_error_that_lists_the_known(database_url: str) -> None:
    done = migrate(database_url, "upgrade", "0815")

    assert done.returncode == 1
    assert done.stderr.startswith("error: revision '0815'")
    assert "0001, 0002, 0003" in done.stderr


def test_an_address_of_another_kind_is_refused() -> None:
    done = migrate("mysql://clickwatch@localhost/clickwatch", "current")

    assert done.returncode == 1
    assert done.stderr.startswith("error: DATABASE_URL=")
