"""What operators watch of the notifier."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0, 86400.0)
_OUTCOMES = ("sent", "failed", "given_up")


class NotifierMetrics(Collector):
    """Attempts by outcome, and what waits."""

    def __init__(self, channels: Iterable[str]) -> None:
        """Count from 0 for these channels."""
        self._channels = tuple(channels)
        self._attempts = Counter(
            "clickwatch_notifier_messages",
            "Attempts to send a message, by what came of them",
            ["channel", "outcome"],
            registry=None,
        )
        self._seconds = Histogram(
            "clickwatch_notifier_change_to_sent_seconds",
            "From a change of an alert's state until the channel took the message that tells of it",
            ["channel"],
            buckets=_SECONDS,
            registry=None,
        )
        self._backlogs: Mapping[str, tuple[int, datetime]] = {}
        self._failing_since: dict[str, float] = {}
        for channel in self._channels:
            self._seconds.labels(channel)
            for outcome in _OUTCOMES:
                self._attempts.labels(channel, outcome)

    def sent(self, channel: str, changed_at: Iterable[datetime], now: float) -> None:
        """Count a message that was taken at `now` (seconds since 1970), and how old the changes in it are."""
        self._failing_since.pop(channel, None)
        self._attempts.labels(channel, "sent").inc()
        for one in changed_at:
            self._seconds.labels(channel).observe(max(0.0, now - one.timestamp()))

    def failed(self, channel: str, now: float) -> None:
        """Count an attempt that failed."""
        self._failing_since.setdefault(channel, now)
        self._attempts.labels(channel, "failed").inc()

    def given_up(self, channel: str) -> None:
        """Count a message that is not tried any more."""
        self._attempts.labels(channel, "given_up").inc()

    def found(self, backlogs: Mapping[str, tuple[int, datetime]]) -> None:
        """Take what waits in the database."""
        self._backlogs = backlogs

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        yield from self._attempts.collect()
        yield from self._seconds.collect()
        waiting = GaugeMetricFamily(
            "clickwatch_notifier_waiting_changes", "Changes that a channel has not been told of", labels=["channel"]
        )
        oldest = GaugeMetricFamily(
            "clickwatch_notifier_oldest_waiting_timestamp_seconds",
            "Since when the oldest of them waits",
            labels=["channel"],
        )
        failing = GaugeMetricFamily(
            "clickwatch_notifier_failing_since_timestamp_seconds",
            "When the first of the attempts failed that have all failed since",
            labels=["channel"],
        )
        backlogs, since = self._backlogs, dict(self._failing_since)
        for channel in self._channels:
            waiting.add_metric([channel], backlogs[channel][0] if channel in backlogs else 0)
            if channel in backlogs:
                oldest.add_metric([channel], backlogs[channel][1].timestamp())
            if channel in since:
                failing.add_metric([channel], since[channel])
        yield waiting
        yield oldest
        yield failing
