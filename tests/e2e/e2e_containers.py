"""Containers of a test session: one network, all of them remembered, their output kept when a test fails."""

import contextlib
import os
from pathlib import Path
from typing import Any

# Read when testcontainers is imported. Its cleaner is an image of its own that not every machine can pull;
# everything started here is removed at the end of the session. Ports are those of this machine, also where
# the tests run in a container themselves.
os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
if "DOCKER_HOST" not in os.environ:
    os.environ.setdefault("TESTCONTAINERS_CONNECTION_MODE", "docker_host")
    os.environ.setdefault("TESTCONTAINERS_HOST_OVERRIDE", "127.0.0.1")

from docker.client import DockerClient
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from tenacity import retry, retry_if_exception_type, retry_if_not_exception_type, stop_after_delay, wait_fixed
from testcontainers.core.container import DockerContainer
from testcontainers.core.exceptions import ContainerStartException
from testcontainers.core.network import Network

LABEL = "clickwatch-e2e"


def why_no_docker() -> str | None:
    """One line when no Docker answers, and the remedy."""
    try:
        DockerClient.from_env(timeout=10).ping()
    except DockerException as error:
        reason = str(error).splitlines()[0]
        return (
            f"no Docker answers ({reason}): as root on Debian run deploy/images/install-docker.sh,"
            " elsewhere see https://docs.docker.com/engine/install"
        )
    return None


class Containers:
    """What a session has started, on one network."""

    def __init__(self) -> None:
        self._network = Network(docker_network_kw={"labels": {LABEL: ""}}).create()
        self._started: dict[str, DockerContainer] = {}

    def start(
        self,
        image: str,
        name: str,
        environment: dict[str, str],
        command: list[str] | None = None,
        ports: dict[int, int] | None = None,
        volumes: dict[Path, str] | None = None,
        tmpfs: dict[str, str] | None = None,
        **options: Any,  # of Docker's own client
    ) -> Container:
        """Start a container that others on the network find by its name.

        Args:
            image: name or id.
            name: also of its log; a second one of a name gets a number there.
            environment: its variables.
            command: arguments after the image's entry point.
            ports: its ports, each with that of 127.0.0.1 where it answers.
            volumes: folders of this machine, each with where it sees them.
            tmpfs: places in memory, each with its mount options.
            options: such as read_only.
        """
        made = (
            DockerContainer(image)
            .with_envs(**environment)
            .with_network(self._network)
            .with_network_aliases(name)
            .with_kwargs(labels={LABEL: name}, **options)
        )
        if command is not None:
            made.with_command(command)
        for inside, outside in (ports or {}).items():
            made.ports[str(inside)] = ("127.0.0.1", outside)  # type: ignore[assignment]  # as Docker's client takes it
        for folder, place in (volumes or {}).items():
            made.with_volume_mapping(folder, place, "rw")
        made.tmpfs.update(tmpfs or {})
        key = name
        while key in self._started:
            stem, _, number = key.partition("-again-")
            key = f"{stem}-again-{int(number or 0) + 1}"
        self._started[key] = made
        made.start()
        container = made.get_wrapped_container()
        assert container is not None
        return container

    def keep_logs(self, folder: Path) -> None:
        """Write what each container said to a file of its name."""
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("*.log"):
            old.unlink()
        for name, container in self._started.items():
            try:
                (folder / f"{name}.log").write_bytes(container.get_wrapped_container().logs(timestamps=True))
            except (DockerException, ContainerStartException) as error:
                (folder / f"{name}.log").write_text(f"no output: {error}\n")

    def remove(self) -> None:
        """Remove all containers with their volumes, and the network."""
        for container in reversed(self._started.values()):
            with contextlib.suppress(NotFound):
                _removed(container)
        self._network.remove()


_is_not_gone = retry_if_exception_type(APIError) & retry_if_not_exception_type(NotFound)


# On a busy machine the kernel may take longer to bury a killed process than Docker waits.
@retry(retry=_is_not_gone, wait=wait_fixed(1), stop=stop_after_delay(60), reraise=True)
def _removed(container: DockerContainer) -> None:
    container.stop()
