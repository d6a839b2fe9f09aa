"""Spark's JVM, a child of the service: one at a time works in a data directory, and none outlives its service.

A service that is killed cannot stop its JVM, which notices a moment later that its parent is gone.
Until then it would write into the checkpoints that the next service goes on from.
"""

import fcntl
import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen, TimeoutExpired

import structlog
from clickwatch_service import UserError
from pyspark.sql import SparkSession
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

log = structlog.get_logger()

_GRACE_SECONDS = 3


@contextmanager
def sole_service(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process; before that, wait for the JVM of an earlier one to end.

    Raises:
        UserError: another service holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "service.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                f"another streaming service works in {folder}: stop it, or set DATA_DIR to another folder"
            ) from None
        _end_jvm(folder / "jvm.pid")
        yield


class Jvm:
    """The JVM of a session, which py4j asks for everything; what py4j raises once it is gone says nothing of that."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        """Know it, and write down that it works in `folder`."""
        # The library writes a stack trace to the root logger for a call that the end of the JVM cuts off.
        logging.getLogger().addFilter(_is_not_of_py4j)
        self._process: Popen[bytes] | None = getattr(spark.sparkContext._gateway, "proc", None)
        if self._process is not None:
            # There whole or not at all: the next service goes by it.
            draft = folder / "jvm.pid.unfinished"
            draft.write_text(f"{self._process.pid} {_started(self._process.pid)}")
            draft.replace(folder / "jvm.pid")

    def has_ended(self, within_seconds: float = 0) -> bool:
        """Whether it has ended, or does so within that time."""
        if self._process is None:
            return False
        try:
            self._process.wait(within_seconds)
        except TimeoutExpired:
            return False
        return True

    def require_running(self) -> None:
        """Return if it runs.

        Raises:
            UserError: it has ended; says how, and what may help.
        """
        if self._process is not None and self.has_ended():
            status = self._process.returncode
            how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
            raise UserError(
                f"Spark's JVM has ended ({how}): SPARK_DRIVER_MEMORY may be too small, or the machine out of memory"
            )

    def kill(self) -> None:
        """End it at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def _is_not_of_py4j(record: logging.LogRecord) -> bool:
    return Path(record.pathname).parent.name != "py4j"


def _end_jvm(pid_file: Path) -> None:
    if not pid_file.is_file():
        return
    pid, _, started = pid_file.read_text().partition(" ")
    if not pid.isdecimal():
        # A power cut left nothing of it, nor of the JVM.
        pid_file.unlink()
        return

    def is_running() -> bool:
        # A number is given again to another process; the time of its start is not.
        return _started(int(pid)) == started != ""

    def wait() -> None:
        Retrying(retry=retry_if_result(bool), stop=stop_after_delay(_GRACE_SECONDS), wait=wait_fixed(0.1))(is_running)

    try:
        wait()
    except RetryError:
        log.warning("JVM of an earlier service ended", pid=pid)
        os.kill(int(pid), signal.SIGKILL)
        wait()
    pid_file.unlink()


def _started(pid: int) -> str:
    """When a process started, in clock ticks since the machine did; empty where there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]
