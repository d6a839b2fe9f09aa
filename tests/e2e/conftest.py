"""One network and one set of servers a session; services are each test's own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_containers import Containers, why_no_docker
from e2e_servers import Servers, start_servers


@pytest.fixture(scope="session")
def containers(request: pytest.FixtureRequest) -> Iterator[Containers]:
    """Keeps what all containers said in E2E_LOGS_DIR (dist/e2e-logs) when a test fails."""
    if reason := why_no_docker():
        # Where everything is to be tested, what was not must not look like a success.
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    containers = Containers()
    try:
        yield containers
    finally:
        if request.session.testsfailed:
            containers.keep_logs(Path(os.environ.get("E2E_LOGS_DIR", "dist/e2e-logs")))
        containers.remove()


@pytest.fixture(scope="session")
def servers(containers: Containers) -> Servers:
    return start_servers(containers)
