"""Moving a database between revisions, and saying where it stands."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from clickwatch_service import UserError
from sqlalchemy import Connection

_SCRIPTS = Path(__file__).parent / "revisions"


@dataclass(frozen=True)
class Revision:
    """One step of the schema.

    Attributes:
        number: its id, as `upgrade` and `downgrade` take it.
        title: the first line of what it says of itself.
    """

    number: str
    title: str


def revisions() -> list[Revision]:
    """Return all revisions, oldest first."""
    newest_first = ScriptDirectory.from_config(_config()).walk_revisions()
    return [Revision(script.revision, script.doc) for script in newest_first][::-1]


def current(connection: Connection) -> str | None:
    """Return the number of the database's revision; None for a database without any."""
    return MigrationContext.configure(connection).get_current_revision()


def upgrade(connection: Connection, revision: str) -> None:
    """Bring the database up to `revision`, a number or `head`.

    Raises:
        UserError: there is no such revision.
    """
    with _explained(revision):
        command.upgrade(_config(connection), revision)


def downgrade(connection: Connection, revision: str) -> None:
    """Bring the database down to `revision`, a number or `base` (nothing at all).

    Raises:
        UserError: there is no such revision, or it lies ahead of the database's.
    """
    with _explained(revision):
        command.downgrade(_config(connection), revision)


@contextmanager
def _explained(revision: str) -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        known = ", ".join(step.number for step in revisions())
        raise UserError(f"revision {revision!r}: {error}; known revisions: {known}") from None


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
