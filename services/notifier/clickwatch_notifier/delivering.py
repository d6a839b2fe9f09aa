"""Sends the messages of one channel, one after the other, until each is taken or given up."""

import random
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from time import time

import structlog

from clickwatch_notifier.channels import Channel
from clickwatch_notifier.composing import Rest, next_message
from clickwatch_notifier.metrics import NotifierMetrics
from clickwatch_notifier.receivers import NotDelivered, Receiver
from clickwatch_notifier.store import Claimed, Store

log = structlog.get_logger()

_LEASE_MARGIN = timedelta(seconds=10)
_FIRST_PAUSE = timedelta(seconds=1)
_LONGEST_PAUSE = timedelta(minutes=5)
_IDLE_SECONDS = 5.0


class Deliverer:
    """Works for one channel."""

    def __init__(self, channel: Channel, receiver: Receiver, metrics: NotifierMetrics) -> None:
        """Send to `receiver`."""
        self.channel = channel
        self.wake = threading.Event()
        """Set when there may be something new."""
        self._receiver = receiver
        self._metrics = metrics
        self._lease = channel.timeout + _LEASE_MARGIN
        self._unsaved: Callable[[Store], None] | None = None

    def work(self, database_url: str, stop: threading.Event, moved: Callable[[], None]) -> None:
        """Deliver until `stop` is set; call `moved` after each step.

        Raises:
            psycopg.Error: the database does not answer, or refuses.
        """
        with closing(Store(database_url)) as store:
            while not stop.is_set():
                self.wake.clear()
                pause = self.step(store)
                moved()
                if pause > 0:
                    self.wake.wait(min(pause, _IDLE_SECONDS))

    def step(self, store: Store) -> float:
        """Do what can be done now, and return for how many seconds there is nothing to do."""
        self._save(store)
        claimed = store.claim(self.channel, self._lease)
        if claimed is not None:
            self._try(store, claimed)
            return 0
        backlog = store.backlog(self.channel)
        if backlog.next_attempt is not None:
            return max(0.05, (backlog.next_attempt - backlog.now).total_seconds())
        decided = next_message(self.channel, backlog.waiting, backlog.recent, backlog.now)
        if isinstance(decided, Rest):
            until = decided.until
            return _IDLE_SECONDS if until is None else max(0.05, (until - backlog.now).total_seconds())
        store.compose(self.channel, decided)
        return 0

    def _try(self, store: Store, claimed: Claimed) -> None:
        message, name = claimed.message, self.channel.name
        told = {"channel": name, "key": str(message.key), "attempt": claimed.attempts}
        try:
            self._receiver.send(message)
        except NotDelivered as error:
            reason = str(error)
            self._metrics.failed(name, time())
            age = time() - message.made_at.timestamp()
            if error.is_for_good or age >= self.channel.give_up_after.total_seconds():
                self._unsaved = lambda store: store.given_up(claimed, reason)
                self._metrics.given_up(name)
                log.error("message_given_up", **told, changes=len(message.changes), reason=reason)
            else:
                pause = max(_pause(claimed.attempts), error.retry_after or timedelta(0))
                self._unsaved = lambda store: store.postpone(claimed, pause, reason)
                log.warning("message_postponed", **told, retry_in_seconds=pause.total_seconds(), reason=reason)
        else:
            self._unsaved = lambda store: store.sent(claimed)
            self._metrics.sent(name, [change.changed_at for change in message.changes], time())
            log.info("message_sent", **told, kind=str(message.kind), changes=len(message.changes))
        self._save(store)

    def _save(self, store: Store) -> None:
        """Keep what came of the last attempt, which a database that is away does not make forgotten."""
        if self._unsaved is not None:
            self._unsaved(store)
            self._unsaved = None


def _pause(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts: twice as long after each, and never all at one moment."""
    longest = min(_FIRST_PAUSE * (1 << min(attempts - 1, 20)), _LONGEST_PAUSE)
    return longest * random.uniform(0.75, 1.0)  # noqa: S311
