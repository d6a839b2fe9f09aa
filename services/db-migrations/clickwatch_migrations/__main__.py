"""Command line: `python -m clickwatch_migrations upgrade | downgrade REV | current | history`."""

from typing import Annotated

import structlog
import typer
from clickwatch_service import load_settings, run_cli
from sqlalchemy import Engine

from clickwatch_migrations import schema
from clickwatch_migrations.database import connect_when_ready, locked_transaction
from clickwatch_migrations.roles import read_passwords, set_passwords
from clickwatch_migrations.settings import Settings

app = typer.Typer(help="Create and change clickwatch's tables and roles.", no_args_is_help=True)


def _engine(settings: Settings) -> Engine:
    return connect_when_ready(settings.database_url, settings.wait_timeout)


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="A revision's number, or head.")] = "head",
) -> None:
    """Bring the database up to a revision, by default the newest, and set the roles' passwords."""
    settings = load_settings(Settings)
    folder = settings.role_passwords_dir
    passwords = [] if folder is None else read_passwords(folder)
    with locked_transaction(_engine(settings)) as connection:
        before = schema.current(connection)
        schema.upgrade(connection, revision)
        after = schema.current(connection)
        driver_connection = connection.connection.driver_connection
        assert driver_connection is not None
        set_passwords(driver_connection, passwords)
    structlog.get_logger().info("upgraded_database", before=before, after=after, passwords_set=len(passwords))


@app.command()
def downgrade(
    revision: Annotated[str, typer.Argument(help="A revision's number, or base.")],
) -> None:
    """Bring the database down to a revision; what the undone tables held is lost."""
    with locked_transaction(_engine(load_settings(Settings))) as connection:
        before = schema.current(connection)
        schema.downgrade(connection, revision)
        after = schema.current(connection)
    structlog.get_logger().info("downgraded_database", before=before, after=after)


@app.command()
def current() -> None:
    """Print the database's revision."""
    with locked_transaction(_engine(load_settings(Settings))) as connection:
        print(schema.current(connection) or "none")


@app.command()
def history() -> None:
    """Print all revisions, oldest first."""
    for revision in schema.revisions():
        print(f"{revision.number}  {revision.title}")


if __name__ == "__main__":
    run_cli(app)
