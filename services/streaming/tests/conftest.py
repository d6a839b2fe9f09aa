"""A Spark session for small DataFrames, and servers, shared by the tests of the package."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from clickwatch_jars.cache import cache_dir
from clickwatch_streaming.settings import Settings
from clickwatch_streaming.spark.connectors import fetch_connectors
from clickwatch_streaming.spark.session import spark_session
from pyspark.sql import SparkSession

pytest_plugins = ["clickwatch_servers.fixtures", "clickwatch_servers.secured"]


@pytest.fixture(scope="session")
def spark_jars_dir() -> Path:
    """Where Spark's connectors lie; fetched the first time."""
    folder = cache_dir() / "spark-connectors"
    fetch_connectors(folder)
    return folder


@pytest.fixture(scope="session")
def migrated_url(postgres_url: str) -> str:
    """A database with the tables of db-migrations, whose program Pants packs into the folder of the tests."""
    url = _new_database(postgres_url, "template1")
    subprocess.run(
        [sys.executable, "db-migrations.pex", "upgrade"],
        env={**os.environ, "DATABASE_URL": url},
        check=True,
        timeout=300,
    )
    return url


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """A database of a test's own with the same tables, empty."""
    return _new_database(migrated_url, psycopg.conninfo.conninfo_to_dict(migrated_url)["dbname"])


def _new_database(server_url: str, template: object) -> str:
    name = f"streaming_{uuid.uuid4().hex}"
    server = psycopg.conninfo.make_conninfo(server_url, dbname="postgres")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    parts = urlsplit(server_url)
    return urlunsplit(parts._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
def spark(spark_jars_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local Spark as the service has it."""
    settings = Settings(
        spark_master="local[*]", spark_jars_dir=spark_jars_dir, data_dir=tmp_path_factory.mktemp("data")
    )
    session = spark_session(settings)
    yield session
    session.stop()
