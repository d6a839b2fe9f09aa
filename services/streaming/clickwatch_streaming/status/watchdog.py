"""Ends a service of which a part stands still, so that it is started anew.

A thread looks every few seconds how far each part has come, asks Kafka and PostgreSQL over new connections
what waits for it, and writes down how all of them do (`standing.py`). What it asks has limits, and it asks
nothing of Spark: it must not stand still itself. The process is ended even where a thread is stuck in a
native call and nothing else would.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Generic, TypeVar

import psycopg
import structlog
from clickwatch_service import UserError
from clickwatch_service.health import HealthFile
from clickwatch_service.standing import Glimpse, PartStanding, Standing, Standings
from confluent_kafka import KafkaException

from clickwatch_streaming.alerts.backlog import committed_offsets
from clickwatch_streaming.alerts.table import projected_offsets
from clickwatch_streaming.lake.folder import LakeFolder
from clickwatch_streaming.parts import ALL_PARTS, Part
from clickwatch_streaming.settings import Settings, Trigger
from clickwatch_streaming.status.reporter import TopicEnds, unread

log = structlog.get_logger()

T = TypeVar("T")

GRACE_SECONDS = 20.0
"""How long the service may take to end in order."""
_LOOK_SECONDS = 5.0
_ASK_SECONDS = 8.0
_FRESH = timedelta(seconds=60)


@dataclass
class Watched:
    """What the service tells the watchdog of itself; read at each look.

    Attributes:
        alerts_checkpoint: where the alert query keeps its progress.
        alert_starts: how often it was started.
        lake_started: whether the lake query was.
        main_rounds: how often the main thread has come round, which asks the registry for schemas.
        status_rounds: statuses that were written.
        registry_answers: whether the registry did when last asked.
        starts_query: whether the main thread starts a query, which may take as long as WAIT_TIMEOUT.
    """

    alerts_checkpoint: Path
    alert_starts: int = 0
    lake_started: bool = False
    main_rounds: int = 0
    status_rounds: int = 0
    registry_answers: bool = True
    starts_query: bool = True


class Watchdog:
    """Looks after the parts of one service.

    Attributes:
        standings: how each part did at the last look.
        failed: what the main thread is to end with; empty as long as no part stands still.
    """

    def __init__(self, settings: Settings, watched: Watched, parts: frozenset[Part] = ALL_PARTS) -> None:
        """Look after `watched`, of which this process has `parts`."""
        self._parts = parts
        self._settings = settings
        self._watched = watched
        self._lake = LakeFolder(settings.lake_dir)
        self._judge = Standings(settings.stall_timeout)
        self._health = HealthFile(settings.data_dir, "streaming", _FRESH)
        self._kafka = _Question(self._topic_ends)
        self._postgres = _Question(lambda: projected_offsets(settings.database_url, settings.alerts_topic))
        self.standings: Mapping[str, PartStanding] = {}
        self.failed: list[UserError] = []

    def look(self) -> None:
        """Find out how each part does, and write it down."""
        self.standings = self._judge.after(self._glimpses(), monotonic())
        self._health.write(self.standings)
        still = {name: one for name, one in self.standings.items() if one.standing is Standing.STANDS_STILL}
        for name, one in still.items():
            log.error(
                "part_stood_still",
                part=name,
                seconds=round(one.seconds),
                limit_seconds=round(one.limit_seconds),
                unread=one.unread,
            )
        if still:
            parts = "; ".join(f"{name} {one.why}" for name, one in still.items())
            self.failed.append(UserError(f"a part stands still: {parts}. Ended so that it is started anew"))

    def _glimpses(self) -> dict[str, Glimpse]:
        settings, watched = self._settings, self._watched
        ends = self._kafka.answer(_ASK_SECONDS)
        no_kafka = "Kafka" if ends is None else None
        events, windows = ends or ({}, {})
        glimpses: dict[str, Glimpse] = {}
        if self._parts & {Part.ALERTS, Part.LAKE}:
            glimpses["registry"] = Glimpse(
                watched.main_rounds,
                1,
                None if watched.registry_answers else "the schema registry",
                settings.wait_timeout if watched.starts_query else timedelta(0),
            )
        if self._parts & {Part.LAKE, Part.PROJECTOR}:
            projected = self._postgres.answer(_ASK_SECONDS)
            no_server = no_kafka or ("PostgreSQL" if projected is None else None)
            if Part.LAKE in self._parts:
                glimpses["status"] = Glimpse(watched.status_rounds, 1, no_server)
            if Part.PROJECTOR in self._parts:
                glimpses["projector"] = Glimpse(projected, unread(windows, projected or {}), no_server)
        if Part.ALERTS in self._parts:
            committed = committed_offsets(watched.alerts_checkpoint, settings.kafka_topic)
            glimpses["alerts"] = Glimpse(
                (watched.alert_starts, committed),
                unread(events, committed),
                no_kafka,
                # In Real-Time Mode it says how far it has come once in an interval.
                timedelta(0) if settings.trigger is Trigger.MICROBATCH else settings.checkpoint_interval,
            )
        if watched.lake_started:
            last = self._lake.last_batch()
            glimpses["lake"] = Glimpse(
                last and last.batch_id,
                unread(events, last.next_offsets if last else {}),
                no_kafka,
                settings.lake_interval,
            )
        return glimpses

    def _topic_ends(self) -> tuple[dict[int, tuple[int, int]], dict[int, tuple[int, int]]]:
        settings = self._settings
        with closing(TopicEnds(settings.kafka)) as ends:
            return ends.of(settings.kafka_topic), ends.of(settings.alerts_topic)


@contextmanager
def watching(watchdog: Watchdog, limit: timedelta, kill: Callable[[], None]) -> Iterator[None]:
    """Look while the block runs; `kill` ends what would outlive the process, where that has to be ended hard."""
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(min(_LOOK_SECONDS, limit.total_seconds() / 4)):
            try:
                watchdog.look()
            except Exception as error:  # a look that failed makes the service unhealthy soon; the next may not
                log.warning("look_failed", reason=" ".join(str(error).split()))
            if watchdog.failed:
                # The process ends within the grace, also where the main thread ends and another does not.
                stop.wait(GRACE_SECONDS)
                _end(watchdog.failed[0], kill)

    threading.Thread(target=run, name="watchdog", daemon=True).start()
    try:
        yield
    finally:
        if not watchdog.failed:
            stop.set()


def _end(error: UserError, kill: Callable[[], None]) -> None:
    log.error("service_killed", reason="it did not end in order", grace_seconds=GRACE_SECONDS)
    print(f"error: {error}", file=sys.stderr, flush=True)
    kill()
    os._exit(1)


class _Question(Generic[T]):
    """Asked of a server again and again, in one thread at a time however long an answer takes."""

    def __init__(self, ask: Callable[[], T]) -> None:
        self._ask = ask
        self._thread: threading.Thread | None = None
        self._found: T | None = None

    def answer(self, limit_seconds: float) -> T | None:
        """What the server says now; None where it does not answer in time, or refuses."""
        if self._thread is None or not self._thread.is_alive():
            self._found = None
            self._thread = threading.Thread(target=self._run, name="watchdog asks", daemon=True)
            self._thread.start()
        self._thread.join(limit_seconds)
        return self._found

    def _run(self) -> None:
        try:
            self._found = self._ask()
        except (KafkaException, psycopg.Error) as error:
            log.debug("server_not_answering", reason=" ".join(str(error).split()))
