"""A commit that is killed leaves all of its batch in the lake, or nothing, and its repetition ends it."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import clickwatch_lake.catalog as catalog
import psycopg
import pytest
from clickwatch_lake.batches import AlreadyCommitted, Committed, commit, find_batch, last_batch
from clickwatch_lake.lake import Lake
from clickwatch_lake.storage import lake_storage
from clickwatch_servers.ports import free_port
from clickwatch_servers.postgres import Postgres, start_postgres
from lake_batches import QUERY, all_ids, batch, expected_ids
from lake_killed import STEPS, STEPS_ON_S3, VISIBLE_AFTER, Executioner


@pytest.fixture(scope="module")
def executioner(s3_endpoint: str) -> Iterator[Executioner]:
    with Executioner() as executioner:
        yield executioner


# What is killed is the same code on both: on S3 one step of each kind is enough.
@pytest.mark.parametrize(
    ("storage", "step"),
    [("disk", step) for step in STEPS] + [("s3", step) for step in STEPS_ON_S3],
    indirect=["storage"],
)
def test_a_batch_killed_at_any_step_is_whole_or_absent_and_lands_once_when_it_is_repeated(
    lake: Lake, database_url: str, executioner: Executioner, step: str
) -> None:
    commit(lake, batch(lake, 0))
    killed = batch(lake, 1)

    assert executioner.commit_and_kill(database_url, lake.storage.root, killed, step) == signal.SIGKILL

    landed = step in VISIBLE_AFTER
    assert all_ids(lake) == (expected_ids(0, 1) if landed else expected_ids(0))
    assert (find_batch(lake, QUERY, 1) is not None) == landed
    outcome = commit(lake, batch(lake, 1))
    assert isinstance(outcome, AlreadyCommitted if landed else Committed)
    assert all_ids(lake) == expected_ids(0, 1)


def test_a_batch_that_nobody_kills_lands(lake: Lake, database_url: str, executioner: Executioner) -> None:
    assert executioner.commit_and_kill(database_url, lake.storage.root, batch(lake, 0), "never") == 0

    assert all_ids(lake) == expected_ids(0)


def _postgres(folder: Path, port: int) -> Postgres:
    postgres = start_postgres(folder / "postgres", port, folder / "passwords", folder / "postgres.log")
    postgres.wait()
    return postgres


def test_a_postgresql_killed_inside_the_transaction_has_nothing_of_the_batch(
    tmp_path: Path, migrate: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    postgres = _postgres(tmp_path, port)
    postgres.ensure_owner("clickwatch")
    url = postgres.url("clickwatch", with_password=True)
    migrate(url)
    lake = Lake(url, lake_storage(str(tmp_path / "lake")))
    lake.make_tables()
    commit(lake, batch(lake, 0))
    show = catalog.show

    def show_and_lose_the_database(*arguments: Any) -> None:
        show(*arguments)
        postgres.process.kill()

    with monkeypatch.context() as patch:
        patch.setattr("clickwatch_lake.batches.show", show_and_lose_the_database)
        with pytest.raises(psycopg.OperationalError):
            commit(lake, batch(lake, 1))
    with pytest.raises(psycopg.OperationalError):
        last_batch(lake)

    postgres = _postgres(tmp_path, port)
    try:
        assert all_ids(lake) == expected_ids(0)
        assert isinstance(commit(lake, batch(lake, 1)), Committed)
        assert all_ids(lake) == expected_ids(0, 1)
    finally:
        postgres.process.stop()
