"""The service: a thread that plans deliveries, and one for each channel that sends them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

import psycopg
import structlog
from clickwatch_service.health import HealthFile
from clickwatch_service.metrics import served_metrics
from clickwatch_service.standing import Glimpse, Standings
from clickwatch_service.stores import is_outage, reason_of

from clickwatch_notifier.channels import Channel, read_channels
from clickwatch_notifier.delivering import Deliverer
from clickwatch_notifier.link_pages import link_pages, served
from clickwatch_notifier.messages import Places
from clickwatch_notifier.metrics import NotifierMetrics
from clickwatch_notifier.receivers import receiver_of
from clickwatch_notifier.settings import Settings
from clickwatch_notifier.store import Store, explained

log = structlog.get_logger()

_LOOK_SECONDS = 2.0
_FIGURES_SECONDS = 5.0
_FORGET_SECONDS = 3600.0
_LIMIT = timedelta(seconds=30)
_FRESH = timedelta(seconds=30)
_LONGEST_PAUSE_SECONDS = 10.0


@dataclass
class _Part:
    """A thread of the service, and how it does.

    Attributes:
        name: what people call it.
        pause: how long it may rest by design.
        rounds: how often it has moved.
        away: the server that it waits for.
    """

    name: str
    pause: timedelta
    rounds: int = 0
    away: str | None = None

    def move(self) -> None:
        """Count a step, which also means that the server answers."""
        self.rounds += 1
        self.away = None

    def glimpse(self) -> Glimpse:
        """Return what is to be judged."""
        return Glimpse(self.rounds, 1, self.away, self.pause)


class _Threads:
    """Runs parts until `stop` is set; the first that fails for good stops all."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.failed: list[Exception] = []
        self.parts: list[_Part] = []
        self._threads: list[threading.Thread] = []

    def start(self, part: _Part, work: Callable[[Callable[[], None]], None]) -> None:
        """Run `work`, which gets what it calls when it moves; begin anew when the database was away."""
        self.parts.append(part)
        thread = threading.Thread(target=self._run, args=(part, work), name=part.name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _run(self, part: _Part, work: Callable[[Callable[[], None]], None]) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                work(part.move)
            except psycopg.Error as error:
                if not is_outage(error):
                    self._fail(explained(error))
                    return
                failures = 1 if part.away is None else failures + 1
                part.away = "PostgreSQL"
                seconds = min(0.25 * 2 ** min(failures, 10), _LONGEST_PAUSE_SECONDS)
                log.warning("database_away", part=part.name, retry_in_seconds=seconds, reason=reason_of(error))
                self._stop.wait(seconds)
            except Exception as error:  # handed over to the main thread, which raises it
                self._fail(error)
                return

    def _fail(self, error: Exception) -> None:
        self.failed.append(error)
        self._stop.set()

    def join(self, seconds: float) -> None:
        """Wait for all to end, at most that long together."""
        deadline = monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - monotonic()))


def run(settings: Settings, stop: threading.Event) -> None:
    """Plan and deliver until `stop` is set; wait out a database that is away.

    Raises:
        UserError: the file of channels is wrong, or the database refuses for good.
    """
    channels = read_channels(settings.notifier_channels_file)
    metrics = NotifierMetrics(channel.name for channel in channels)
    places = settings.places
    deliverers = [Deliverer(one, receiver_of(one, places), metrics) for one in channels]
    threads = _Threads(stop)

    def plan(moved: Callable[[], None]) -> None:
        _plan(settings, channels, deliverers, metrics, stop, moved)

    with served_metrics(settings, metrics), _served_links(settings, places):
        threads.start(_Part("planner", timedelta(0)), plan)
        for one in deliverers:
            part = _Part(f"channel {one.channel.name}", one.channel.timeout)
            threads.start(part, partial(one.work, settings.database_url, stop))
        log.info("notifier_started", channels=[channel.name for channel in channels])
        _say_health(settings, threads, stop)
        for one in deliverers:
            one.wake.set()
        # Who is in the middle of an attempt learns first what came of it.
        threads.join(max(channel.timeout.total_seconds() for channel in channels) + 2)
    if threads.failed:
        raise threads.failed[0]
    log.info("notifier_stopped")


@contextmanager
def _served_links(settings: Settings, places: Places) -> Iterator[None]:
    if places.links is None:
        yield
        return

    def snooze(product: str, length: timedelta, who: str) -> datetime:
        # Few people snooze at one moment: a connection for each is cheaper than one that is kept.
        with closing(Store(settings.database_url)) as store:
            return store.snooze(product, length, who)

    with served(link_pages(places.links, snooze), settings.notifier_links_host, settings.notifier_links_port):
        yield


def _plan(
    settings: Settings,
    channels: Sequence[Channel],
    deliverers: Sequence[Deliverer],
    metrics: NotifierMetrics,
    stop: threading.Event,
    moved: Callable[[], None],
) -> None:
    next_figures = next_forgetting = monotonic()
    with closing(Store(settings.database_url)) as store:
        store.listen()
        first_seen = store.first_seen(channels)
        log.info("planner_following", channels=[channel.name for channel in channels])
        while not stop.is_set():
            planned = store.plan(channels, first_seen)
            moved()
            if planned:
                for deliverer in deliverers:
                    deliverer.wake.set()
            if monotonic() >= next_figures:
                next_figures = monotonic() + _FIGURES_SECONDS
                metrics.found(store.backlogs())
            if monotonic() >= next_forgetting:
                is_all = store.forget(settings.notifier_keep)
                next_forgetting = monotonic() + (_FORGET_SECONDS if is_all else 0)
            if not planned:
                store.wait(_LOOK_SECONDS)


def _say_health(settings: Settings, threads: _Threads, stop: threading.Event) -> None:
    judge, file = Standings(_LIMIT), HealthFile(settings.data_dir, "notifier", _FRESH)
    while True:
        try:
            file.write(judge.after({part.name: part.glimpse() for part in threads.parts}, monotonic()))
        except OSError as error:
            log.warning("health_not_said", reason=str(error))
        if stop.wait(_LOOK_SECONDS):
            return
