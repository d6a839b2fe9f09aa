"""A database of its own for each test."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from sqlalchemy.engine import make_url

pytest_plugins = ["clickwatch_servers.fixtures"]


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """The address of an empty database; its owner is no superuser but may create roles."""
    name = f"migrations_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))
