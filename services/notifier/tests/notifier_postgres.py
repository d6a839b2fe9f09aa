"""A PostgreSQL of a test's own, to be killed."""

from pathlib import Path

from clickwatch_servers.ports import free_port
from clickwatch_servers.postgres import Postgres, start_postgres
from notifier_program import PATIENCE_SECONDS, Outbox, migrated


class OwnPostgres:
    """A server on a port that stays, with the tables.

    Attributes:
        outbox: the outbox in it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._postgres = self._started()
        self._postgres.ensure_owner("clickwatch")
        self.outbox = Outbox(migrated(self._postgres.url("clickwatch", with_password=True)))

    def kill(self) -> None:
        """End it at once, as the loss of its machine would."""
        self._postgres.process.kill()

    def start(self) -> None:
        """Start it anew on what it left."""
        self._postgres = self._started()

    def stop(self) -> None:
        self._postgres.process.stop()

    def _started(self) -> Postgres:
        folder = self._folder
        # What is not flushed by a commit that waits for it stays in memory, and is lost with it.
        settings = {"wal_writer_delay": "10s"}
        postgres = start_postgres(
            folder / "postgres", self._port, folder / "passwords", folder / "postgres.log", settings
        )
        postgres.wait(PATIENCE_SECONDS)
        return postgres
