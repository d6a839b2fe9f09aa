"""Apicurio Registry, whose API is Confluent-compatible, on 127.0.0.1."""

import http.client
import tarfile
from pathlib import Path

from clickwatch_jars.cache import cached_folder
from clickwatch_jars.jars import Artifact, fetch

from clickwatch_servers.java import Java
from clickwatch_servers.ports import HOST, free_port
from clickwatch_servers.process import Command, Process

VERSION = "3.3.3"
ARTIFACTS = (Artifact("io.apicurio", "apicurio-registry-app", VERSION, kind="tar.gz", classifier="all"),)


def registry_url(port: int) -> str:
    """Return the address clients use (SCHEMA_REGISTRY_URL)."""
    return f"http://{HOST}:{port}/apis/ccompat/v7"


def registry_program(java: Java, ivy: Path | None = None) -> Path:
    """Return the folder of the unpacked registry, downloaded the first time (152 MB)."""

    def unpack(folder: Path) -> None:
        fetch(ARTIFACTS, folder, java, ivy)
        (archive,) = folder.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        archive.unlink()

    return cached_folder(f"registry-{VERSION}", unpack)


def start_registry(folder: Path, port: int, java: Java, program: Path, log_file: Path, heap_mb: int = 256) -> Process:
    """Start a registry and return at once; `wait_for_registry` says when it serves.

    Args:
        folder: keeps its schemas and their ids between runs.
        port: where clients connect.
        java: version 21 or newer.
        program: see `registry_program`.
        log_file: what it says.
        heap_mb: its memory.
    """
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "quarkus.http.host": HOST,
        "quarkus.http.port": port,
        # Its management pages would otherwise listen on every address.
        "quarkus.management.host": HOST,
        "quarkus.management.port": free_port(),
        "quarkus.log.level": "WARN",
        "apicurio.storage.sql.kind": "h2",
        # What topics hold refers to schema ids, so these must outlive the process, also when it is killed:
        # H2 would write what is committed up to half a second later.
        "apicurio.datasource.url": f"jdbc:h2:file:{folder.resolve() / 'schemas'};WRITE_DELAY=0",
    }
    return Process(
        Command(
            "Schema Registry",
            (
                str(java.executable),
                f"-Xmx{heap_mb}m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                *(f"-D{key}={value}" for key, value in options.items()),
                "-jar",
                str(program / "quarkus-run.jar"),
            ),
            log_file,
        )
    )


def wait_for_registry(registry: Process, port: int, timeout_seconds: float = 90) -> None:
    """Return once the registry answers.

    Raises:
        ProcessDied: it ended instead.
        UserError: it took too long.
    """
    registry.wait_until(lambda: _answers(port), timeout_seconds)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/apis/ccompat/v7/subjects")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
