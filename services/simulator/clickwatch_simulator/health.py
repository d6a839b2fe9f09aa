"""Whether the broker takes what a run sends, for a container's health check and for people at a terminal."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from time import monotonic

from clickwatch_service.health import HealthFile
from clickwatch_service.standing import Glimpse, Standings
from structlog import get_logger

from clickwatch_simulator.kafka import EventTopic

log = get_logger()

_LOOK_SECONDS = 5.0
_LIMIT = timedelta(seconds=15)
_FRESH = timedelta(seconds=30)


@contextmanager
def said_health(data_dir: Path, topic: EventTopic | None) -> Iterator[None]:
    """Say every few seconds, while the block runs, whether messages that wait are acknowledged."""
    if topic is None:
        yield
        return
    stop = threading.Event()
    judge, file = Standings(_LIMIT), HealthFile(data_dir, "simulator", _FRESH)

    def run() -> None:
        while True:
            seen = Glimpse(topic.acknowledged, topic.waiting)
            try:
                file.write(judge.after({"delivery": seen}, monotonic()))
            except OSError as error:
                log.warning("health_not_said", reason=str(error))
            if stop.wait(_LOOK_SECONDS):
                return

    thread = threading.Thread(target=run, name="health", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
