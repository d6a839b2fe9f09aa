"""A lake of its own for each test, on disk and in a store that speaks S3."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pyarrow.fs as arrow_fs
import pytest
from clickwatch_lake.lake import Lake
from clickwatch_lake.storage import Storage, lake_storage
from moto.server import ThreadedMotoServer
from sqlalchemy.engine import make_url

pytest_plugins = ["clickwatch_servers.fixtures"]


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of a store with bucket `shop`, in the environment too."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", endpoint)
        patch.setenv("AWS_ACCESS_KEY_ID", "key")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_REGION", "us-east-1")
        arrow_fs.S3FileSystem(endpoint_override=endpoint, allow_bucket_creation=True).create_dir("shop")
        yield endpoint
    server.stop()


@pytest.fixture(scope="session")
def migrate() -> Callable[[str], None]:
    """Bring a database up to date by the program of db-migrations, which Pants packs into the folder of the tests."""

    def upgrade(database_url: str) -> None:
        environment = {**os.environ, "DATABASE_URL": database_url}
        subprocess.run([sys.executable, "db-migrations.pex", "upgrade"], env=environment, check=True, timeout=300)

    return upgrade


@pytest.fixture(scope="session")
def migrated_url(postgres_url: str, migrate: Callable[[str], None]) -> str:
    """A database with the tables of db-migrations."""
    url = _new_database(postgres_url, "template1")
    migrate(url)
    return url


@pytest.fixture
def database_url(migrated_url: str) -> str:
    """A database of a test's own with the same tables, empty."""
    name = make_url(migrated_url).database
    assert name is not None
    return _new_database(migrated_url, name)


@pytest.fixture(params=["disk", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty place for a lake."""
    if request.param == "disk":
        return lake_storage(str(tmp_path / "lake"))
    request.getfixturevalue("s3_endpoint")
    return lake_storage(f"s3://shop/{uuid.uuid4().hex}/lake")


@pytest.fixture
def lake(database_url: str, storage: Storage) -> Iterator[Lake]:
    """A lake whose tables are made and empty."""
    lake = Lake(database_url, storage)
    lake.make_tables()
    yield lake
    lake.catalog.close()


def _new_database(server_url: str, template: str) -> str:
    name = f"lake_{uuid.uuid4().hex}"
    url = make_url(server_url)
    with psycopg.connect(
        url.set(database="postgres").render_as_string(hide_password=False), autocommit=True
    ) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    return url.set(database=name).render_as_string(hide_password=False)
