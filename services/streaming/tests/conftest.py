"""A Spark session for small DataFrames, shared by the tests of the package."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from clickwatch_streaming.session import spark_session
from clickwatch_streaming.settings import Settings
from pyspark.sql import SparkSession


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local Spark with the connectors of SPARK_JARS_DIR."""
    settings = Settings(
        spark_master="local[*]",
        spark_jars_dir=Path(os.environ["SPARK_JARS_DIR"]),
        data_dir=tmp_path_factory.mktemp("data"),
    )
    session = spark_session(settings)
    yield session
    session.stop()
