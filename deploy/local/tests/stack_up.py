"""`up` as a process."""

import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import psycopg
from clickwatch_local.places import DataDir
from clickwatch_local.state import State, read_state
from clickwatch_servers.ports import HOST, free_port, require_free
from clickwatch_service import UserError
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed


def three_free_ports() -> list[int]:
    """Ports side by side, from below those that the system gives to whoever asks for any."""
    while True:
        first = random.randrange(20_000, 30_000)
        ports = [first, first + 1, first + 2]
        try:
            for port in ports:
                require_free(port, "a test", "another")
        except UserError:
            continue
        return ports


class Up:
    """A running `up`."""

    def __init__(self, folder: Path, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.places = DataDir(folder / "var")
        self.output = folder / "up.txt"
        services = ("kafka", "registry", "postgres", "dashboard", "airflow", "shop")
        options_of_ports = [f"--{service}-port" for service in services]
        self.ports = [free_port() for _ in options_of_ports]
        named = [f"{option}={port}" for option, port in zip(options_of_ports, self.ports, strict=True)]
        self.metrics_ports = three_free_ports()
        self.ports += self.metrics_ports
        arguments = [f"--data-dir={self.places.folder}", *named, f"--metrics-port={self.metrics_ports[0]}", *options]
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "CLICKWATCH_DIST": os.environ.get("CLICKWATCH_DIST", "."),
            **(environment or {}),
        }
        self.command = [sys.executable, "-m", "clickwatch_local", *arguments]
        self.start()

    def start(self) -> None:
        """Start it, once more where it has ended."""
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=output, env=self.environment)

    def ask(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, command], env=self.environment, capture_output=True, text=True, timeout=180, check=False
        )

    def wait_for(self, text: str, timeout_seconds: float = 180) -> None:
        self._wait(lambda: text in self.said, f"{text!r} in the output", timeout_seconds)

    def wait_for_alert(self, timeout_seconds: float = 180) -> None:
        self._wait(self._has_alert, "an alert in the table", timeout_seconds)

    def goes_on_for(self, seconds: float) -> None:
        """Return after that time; fail where it ends meanwhile."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        assert self.process.poll() is None, self.said

    @property
    def said(self) -> str:
        return self.output.read_text()

    @property
    def state(self) -> State:
        state = read_state(self.places)
        assert state is not None
        return state

    def left(self) -> list[str]:
        """What still runs or listens of what it started."""
        running = [f"{part.name} runs" for part in self.state.parts if psutil.pid_exists(part.pid)]
        listening = [f"port {port} answers" for port in self.ports if socket.socket().connect_ex((HOST, port)) == 0]
        mine = [
            f"process {one.pid} uses the folder"
            for one in psutil.process_iter(["cmdline"])
            if any(str(self.places.folder) in word for word in one.info["cmdline"] or [])
        ]
        return running + listening + mine

    def _has_alert(self) -> bool:
        try:
            with psycopg.connect(self.state.database, passfile=str(self.places.pgpass)) as connection:
                return bool(connection.execute("SELECT 1 FROM flash_sale_alerts LIMIT 1").fetchall())
        except (psycopg.OperationalError, psycopg.errors.UndefinedTable, AssertionError):
            return False

    def _wait(self, condition: Callable[[], bool], wanted: str, timeout_seconds: float) -> None:
        def settled() -> bool:
            return condition() or self.process.poll() is not None

        Retrying(
            retry=retry_if_result(lambda done: not done), wait=wait_fixed(0.2), stop=stop_after_delay(timeout_seconds)
        )(settled)
        assert condition(), f"no {wanted} before it ended: {self.said}"
