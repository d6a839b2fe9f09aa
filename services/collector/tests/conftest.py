"""A collector in front of a real Kafka and a real registry."""

from collections.abc import Iterator

import pytest
from clickwatch_events.registry import Registry
from clickwatch_events.schemas import EVENTS
from collector_program import Collector, make_topics, running_collector

pytest_plugins = ["clickwatch_servers.fixtures"]


@pytest.fixture(scope="session")
def registry_url(schema_registry_url: str) -> str:
    """A registry that knows the released schemas."""
    Registry(schema_registry_url).register(EVENTS)
    return schema_registry_url


@pytest.fixture(scope="module")
def collector(
    kafka_bootstrap: str, registry_url: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Collector]:
    """A collector for the tests of a module, with topics of its own."""
    topic = str(request.module.__name__).rpartition(".")[2]
    make_topics(kafka_bootstrap, topic, f"{topic}-dlq")
    with running_collector(kafka_bootstrap, registry_url, tmp_path_factory.mktemp("collector"), topic) as collector:
        yield collector
