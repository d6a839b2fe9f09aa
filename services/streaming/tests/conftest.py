"""A Spark session for small DataFrames, and servers, shared by the tests of the package."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickwatch_jars.cache import cache_dir
from clickwatch_streaming.connectors import fetch_connectors
from clickwatch_streaming.session import spark_session
from clickwatch_streaming.settings import Settings
from pyspark.sql import SparkSession

pytest_plugins = ["clickwatch_servers.fixtures"]


@pytest.fixture(scope="session")
def spark_jars_dir() -> Path:
    """Where Spark's connectors lie; fetched the first time."""
    folder = cache_dir() / "spark-connectors"
    fetch_connectors(folder)
    return folder


@pytest.fixture(scope="session")
def spark(spark_jars_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local Spark as the service has it."""
    settings = Settings(
        spark_master="local[*]", spark_jars_dir=spark_jars_dir, data_dir=tmp_path_factory.mktemp("data")
    )
    session = spark_session(settings)
    yield session
    session.stop()
