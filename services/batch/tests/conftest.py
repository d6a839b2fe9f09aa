import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from clickwatch_batch.engines.duckdb_engine import DuckDBEngine
from psycopg import sql

pytest_plugins = ["clickwatch_servers.fixtures"]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[DuckDBEngine]:
    """DuckDB with room for a test's day."""
    (tmp_path / "spill").mkdir()
    engine = DuckDBEngine(tmp_path / "spill", "500MB", 2)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def migrated_url(postgres_url: str) -> str:
    """A database with the tables of db-migrations, which is started as a program and never imported."""
    name = f"batch_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    subprocess.run(
        [sys.executable, "-m", "clickwatch_migrations", "upgrade"],
        env={"DATABASE_URL": url, "PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin"},
        check=True,
        timeout=120,
    )
    return url


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """The same with empty tables."""
    with psycopg.connect(migrated_url) as connection:
        connection.execute(
            "TRUNCATE daily_summary, user_segments, product_performance, category_conversion,"
            " revenue_by_currency, quality_gates, reconciliation"
        )
    return migrated_url
