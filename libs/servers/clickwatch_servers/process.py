"""A child process with a log, a readiness condition, and a sure end."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from clickwatch_service import UserError
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed


class ProcessDied(UserError):
    """A child ended that should be running; the message names it and shows the end of its log."""


@dataclass(frozen=True)
class Command:
    """How to start a program.

    Attributes:
        name: what people call it, such as `Kafka`.
        argv: program and arguments.
        log_file: takes its stdout and stderr; the previous run's is kept beside it as `….1`.
        prints_for_us: its stdout goes to ours instead.
        environment: variables on top of ours.
        stop_signal: asks it to end.
        stop_seconds: how long it may take to end before it is killed.
        orphan_signal: what it gets when we die without stopping it (Linux).
        privileges: `setpriv` options, to run it as another user.
    """

    name: str
    argv: tuple[str, ...]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 20
    orphan_signal: signal.Signals = signal.SIGKILL
    privileges: tuple[str, ...] = ()
    prints_for_us: bool = False


class Process:
    """A started command.

    Start it from the main thread: on Linux a child is tied to the life of the thread that started it.
    """

    def __init__(self, command: Command) -> None:
        """Start the command.

        Raises:
            UserError: the program cannot be executed.
        """
        self.command = command
        command.log_file.parent.mkdir(parents=True, exist_ok=True)
        if command.log_file.exists():
            command.log_file.replace(command.log_file.with_name(command.log_file.name + ".1"))
        with open(command.log_file, "wb") as log:
            try:
                self._child = subprocess.Popen(
                    [*_tied_to_us(command), *command.argv],
                    stdin=subprocess.DEVNULL,
                    stdout=None if command.prints_for_us else log,
                    stderr=log,
                    env={**os.environ, **command.environment},
                    # Its own group: Ctrl-C reaches us alone, and its children end with it.
                    start_new_session=True,
                )
            except OSError as error:
                raise UserError(f"{command.name} cannot be started ({command.argv[0]}): {error.strerror}") from error
        self._started = psutil.Process(self._child.pid).create_time()

    @property
    def pid(self) -> int:
        """Its process id, which is also its group's."""
        return self._child.pid

    @property
    def started(self) -> float:
        """When it was started, in seconds since 1970."""
        return self._started

    @property
    def exit_status(self) -> int | None:
        """None while it runs; else its status, negative for the signal that ended it."""
        return self._child.poll()

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """Return its exit status once it ended; None if that took longer than the timeout."""
        try:
            return self._child.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None

    def wait_until(self, ready: Callable[[], bool], timeout_seconds: float) -> None:
        """Return once `ready()` holds.

        Raises:
            ProcessDied: the process ended first.
            UserError: it took longer than `timeout_seconds`.
        """

        def settled() -> bool:
            return self.exit_status is not None or ready()

        Retrying(
            retry=retry_if_result(lambda done: not done),
            wait=wait_fixed(0.1),
            stop=stop_after_delay(timeout_seconds),
            retry_error_callback=lambda _: self._raise_not_ready(timeout_seconds),
        )(settled)
        self.require_running()

    def require_running(self) -> None:
        """Return if it runs.

        Raises:
            ProcessDied: it ended.
        """
        status = self.exit_status
        if status is not None:
            raise ProcessDied(f"{self.command.name} {_ending(status)}. {self._log_end()}")

    def require_success(self, timeout_seconds: float) -> None:
        """Return once it ended with status 0; for programs that do one thing and end.

        Raises:
            ProcessDied: it ended with another status.
            UserError: it took longer than `timeout_seconds`.
        """
        status = self.wait(timeout_seconds)
        if status is None:
            self.stop()
            raise UserError(f"{self.command.name} took longer than {timeout_seconds:.0f} s. {self._log_end()}")
        if status != 0:
            raise ProcessDied(f"{self.command.name} {_ending(status)}. {self._log_end()}")

    def stop(self) -> None:
        """Ask it to end, wait for that, and kill what is left of its group and of what it started."""
        descendants = self._descendants()
        if self.exit_status is None:
            self._child.send_signal(self.command.stop_signal)
            self.wait(self.command.stop_seconds)
        self._kill(descendants)

    def kill(self) -> None:
        """Kill it, all of its group and all it started at once (SIGKILL)."""
        self._kill(self._descendants())

    def _kill(self, descendants: list[psutil.Process]) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()
        # Some lead a group of their own, as Airflow's tasks do.
        for one in descendants:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()

    def _descendants(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def _raise_not_ready(self, timeout_seconds: float) -> bool:
        raise UserError(f"{self.command.name} was not ready after {timeout_seconds:.0f} s. {self._log_end()}")

    def _log_end(self) -> str:
        return f"The end of {self.command.log_file}:\n{log_end(self.command.log_file)}"


def end_processes_in(folder: Path, grace_seconds: float) -> None:
    """Return once no process has the folder as its working directory; one that stays is killed.

    Args:
        folder: a server's own, in which nothing else works.
        grace_seconds: how long a process may take to end by itself.
    """
    place = folder.resolve()

    def works_there(process: psutil.Process) -> bool:
        try:
            return Path(process.cwd()) == place
        except (psutil.Error, OSError):
            return False

    working = [process for process in psutil.process_iter() if works_there(process)]
    _, staying = psutil.wait_procs(working, grace_seconds)
    for process in staying:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(staying, grace_seconds)


def log_end(log_file: Path, lines: int = 20) -> str:
    """Return the last lines of a log, indented."""
    try:
        with open(log_file, "rb") as log:
            log.seek(max(0, log_file.stat().st_size - 200 * lines))
            text = log.read().decode("utf-8", "replace")
    except OSError:
        text = ""
    return "\n".join(f"  {line}" for line in text.splitlines()[-lines:]) or "  (nothing)"


def _ending(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


def _tied_to_us(command: Command) -> list[str]:
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        if command.privileges:
            raise UserError(
                f"{command.name} cannot run as another user: install util-linux (setpriv), or do not be root"
            )
        return []
    return [setpriv, "--pdeathsig", command.orphan_signal.name.removeprefix("SIG"), *command.privileges, "--"]
