"""What runs in a data folder, written for other terminals, and the lock that says it does."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from clickwatch_service import UserError
from pydantic import BaseModel

from clickwatch_local.places import DataDir


class Part(BaseModel, frozen=True):
    """One running process of the stack.

    Attributes:
        name: what people call it.
        pid: its process id.
        log: the file that takes what it says.
    """

    name: str
    pid: int
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
    airflow: str | None = None
    metrics: str | None = None


def write_state(places: DataDir, state: State) -> None:
    """Replace the state as a whole."""
    unfinished = places.state.with_name("state.json.new")
    unfinished.write_text(state.model_dump_json(indent=2))
    unfinished.replace(places.state)


def read_state(places: DataDir) -> State | None:
    """Return the last stack's state; None where there was none."""
    try:
        return State.model_validate_json(places.state.read_text("utf-8"))
    except FileNotFoundError:
        return None


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
