"""The environment, parsed once."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from clickwatch_service import Duration, ServiceSettings
from pydantic import AfterValidator
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError


def _psycopg_url(url: str) -> str:
    """Return the address with the driver we ship, whatever PostgreSQL scheme it came with.

    Raises:
        ValueError: it is no PostgreSQL address.
    """
    wanted = "must be an address such as postgresql://clickwatch@localhost:5432/clickwatch"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(wanted) from None
    if parsed.drivername not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise ValueError(wanted)
    return parsed.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


class Settings(ServiceSettings):
    """What the migrations need to know.

    Attributes:
        database_url: the database, with the role that owns the schema.
        wait_timeout: how long to wait for the database to answer.
        role_passwords_dir: folder with one file a service role, named as the role, holding its
            password; None leaves the roles' passwords as they are.
    """

    database_url: Annotated[str, AfterValidator(_psycopg_url)] = (
        "postgresql+psycopg://clickwatch@localhost:5432/clickwatch"
    )
    wait_timeout: Duration = timedelta(seconds=60)
    role_passwords_dir: Path | None = None
