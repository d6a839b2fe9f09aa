"""Servers as pytest fixtures, one of each a session, on ports of their own.

Use them from a package's tests by `pytest_plugins = ["clickwatch_servers.fixtures"]` in its conftest.py.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from clickwatch_servers.java import find_java
from clickwatch_servers.kafka import kafka_jars, start_kafka, wait_for_kafka
from clickwatch_servers.ports import HOST, free_port
from clickwatch_servers.postgres import start_postgres
from clickwatch_servers.registry import registry_program, registry_url, start_registry, wait_for_registry


@pytest.fixture(scope="session")
def servers_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds the servers' data and logs."""
    return tmp_path_factory.mktemp("servers")


@pytest.fixture(scope="session")
def kafka_bootstrap(servers_dir: Path) -> Iterator[str]:
    """The address of an empty Kafka (KAFKA_BOOTSTRAP_SERVERS)."""
    java, port = find_java(21), free_port()
    kafka = start_kafka(servers_dir / "kafka", port, java, kafka_jars(java), servers_dir / "kafka.log")
    try:
        wait_for_kafka(kafka, port)
        yield f"{HOST}:{port}"
    finally:
        kafka.kill()


@pytest.fixture(scope="session")
def schema_registry_url(servers_dir: Path) -> Iterator[str]:
    """The address of an empty registry (SCHEMA_REGISTRY_URL)."""
    java, port = find_java(21), free_port()
    program = registry_program(java)
    registry = start_registry(servers_dir / "registry", port, java, program, servers_dir / "registry.log")
    try:
        wait_for_registry(registry, port)
        yield registry_url(port)
    finally:
        registry.kill()


@pytest.fixture(scope="session")
def postgres_url(servers_dir: Path) -> Iterator[str]:
    """The address, with password, of an empty database `clickwatch` whose owner may make roles and databases."""
    settings = {"fsync": "off"}
    folder = servers_dir / "postgres"
    postgres = start_postgres(folder, free_port(), servers_dir / "passwords", servers_dir / "postgres.log", settings)
    try:
        postgres.wait()
        postgres.ensure_owner("clickwatch")
        yield postgres.url("clickwatch", with_password=True)
    finally:
        postgres.process.stop()
