"""What runs in a data folder, written for other terminals, and the lock that says it does."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil
from clickwatch_service import UserError
from pydantic import BaseModel, ValidationError

from clickwatch_local.places import DataDir

_LEFTOVERS_SECONDS = 10


class Part(BaseModel, frozen=True):
    """One running process of the stack.

    Attributes:
        name: what people call it.
        pid: its process id.
        started: when that process was, in seconds since 1970: a number is given again to another.
        log: the file that takes what it says.
    """

    name: str
    pid: int
    started: float = 0.0
    log: Path


class State(BaseModel, frozen=True):
    """A stack, as of the last change.

    Attributes:
        pid: the process that runs the stack.
        started_at: when it was started.
        stopped_at: when it was stopped; None while it runs.
        parts: what it started, in that order.
        kafka: the broker's address.
        registry: the Schema Registry's.
        database: the database's, for the role that reads.
        dashboard: the dashboard's; None before it is started.
        airflow: Airflow's page, and who logs in how; None where it was not asked for.
        metrics: which service serves metrics where; None where none does.
    """

    pid: int
    started_at: datetime
    stopped_at: datetime | None = None
    parts: tuple[Part, ...] = ()
    kafka: str
    registry: str
    database: str
    dashboard: str | None = None
    airflow: str | None = None
    metrics: str | None = None


def write_state(places: DataDir, state: State) -> None:
    """Replace the state as a whole."""
    unfinished = places.state.with_name("state.json.new")
    unfinished.write_text(state.model_dump_json(indent=2))
    unfinished.replace(places.state)


def read_state(places: DataDir) -> State | None:
    """Return the last stack's state; None where there was none, or where a power cut left none that can be read."""
    try:
        return State.model_validate_json(places.state.read_text("utf-8"))
    except (FileNotFoundError, ValidationError):
        return None


def end_leftovers(state: State | None) -> None:
    """Return once nothing runs that a stack had started which was killed; what has not ended by itself is killed.

    On Linux the parts die with their stack, but some take a moment, in which they hold ports and files.
    """
    if state is None:
        return
    left = [process for part in state.parts for process in _family(part)]
    _, staying = psutil.wait_procs(left, _LEFTOVERS_SECONDS)
    for process in staying:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(staying, _LEFTOVERS_SECONDS)


def _family(part: Part) -> list[psutil.Process]:
    try:
        process = psutil.Process(part.pid)
        if abs(process.create_time() - part.started) > 1:
            return []
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


@contextmanager
def locked(places: DataDir) -> Iterator[None]:
    """Hold the data folder, so that one stack at a time uses it.

    Raises:
        UserError: another stack holds it, or it cannot be made.
    """
    try:
        places.folder.mkdir(parents=True, exist_ok=True)
        places.lock.touch()
    except OSError as error:
        raise UserError(f"--data-dir {places.folder}: {error.strerror}: choose a folder that can be written") from None
    with places.lock.open("r+") as lock:
        if not _acquire(lock.fileno()):
            raise UserError(
                f"a stack already runs on {places.folder} (process {_holder(places)}): "
                "stop it by `./pants up down`, or choose another folder by --data-dir"
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_running(places: DataDir) -> bool:
    """Return whether a stack runs on the folder."""
    if not places.lock.exists():
        return False
    with open(places.lock) as lock:
        return not _acquire(lock.fileno())


def _acquire(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(places: DataDir) -> str:
    return places.lock.read_text().strip() or "unknown"
