"""The service and the registry as processes that tests start, freeze and kill."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from clickwatch_jars.java import find_java
from clickwatch_servers.ports import free_port
from clickwatch_servers.process import Process
from clickwatch_servers.registry import registry_program, registry_url, start_registry, wait_for_registry
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

PATIENCE_SECONDS = 300
T = TypeVar("T")

RELEASED = "from clickwatch_service import run_cli; from clickwatch_streaming.__main__ import app; run_cli(app)"
"""The program of this release."""


def until(found: Callable[[], T | None]) -> T:
    """Return what is found once it is."""
    result = Retrying(
        retry=retry_if_result(lambda value: value is None or value is False),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_fixed(0.2),
    )(found)
    assert result is not None
    return result


class RegistryServer:
    """A registry that is stopped and started; it keeps its schemas."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._port, self._java = folder, free_port(), find_java(21)
        self._process: Process | None = None
        self.url = registry_url(self._port)

    def start(self) -> None:
        program, log = registry_program(self._java), self._folder / "registry.log"
        self._process = start_registry(self._folder / "registry", self._port, self._java, program, log)
        wait_for_registry(self._process, self._port, PATIENCE_SECONDS)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None

    def register(self, name: str, schema: str) -> int:
        return SchemaRegistryClient({"url": self.url}).register_schema(name, Schema(schema, "AVRO"))


class Service:
    """The streaming service or a part of it, one process after the other on the same folders."""

    def __init__(self, folder: Path, environment: dict[str, str], command: str = "run") -> None:
        self._folder = folder
        self._command = command
        self._starts = 0
        self.environment = environment
        self._environment = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, program: str) -> None:
        # A file for each, because the JVM of one that was killed may write a little longer.
        self._starts += 1
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, self._command], env=self._environment, stdout=log, stderr=log
            )

    @property
    def _log(self) -> Path:
        return self._folder / f"{self._command}-{self._starts}.log"

    def said(self) -> str:
        """Return what the service has said since its start; an error if it has ended."""
        text = self._log.read_text(errors="replace")
        assert self._process is not None
        assert self._process.poll() is None, text[-3000:]
        return text

    def ended(self) -> tuple[int, str]:
        """Return its status and what it has said, once it has ended by itself."""
        assert self._process is not None
        status = self._process.wait(PATIENCE_SECONDS)
        self._process = None
        return status, self._log.read_text(errors="replace")

    def wait_to_say(self, what: str) -> None:
        until(lambda: what in self.said())

    def end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_SECONDS)
            self._process = None
