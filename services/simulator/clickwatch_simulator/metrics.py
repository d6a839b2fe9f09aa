"""What operators watch of a run."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from clickwatch_simulator.jsonl import DayFiles, ReplacedDay
from clickwatch_simulator.kafka import EventTopic
from clickwatch_simulator.progress import Progress


class RunMetrics(Collector):
    """The counts a run keeps anyway."""

    def __init__(self, progress: Progress, topic: EventTopic | None, log_files: DayFiles | ReplacedDay | None) -> None:
        """Watch a run; None: it does not go there."""
        self._progress = progress
        self._topic = topic
        self._log_files = log_files
        self._acknowledged = 0

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        yield CounterMetricFamily(
            "clickwatch_simulator_messages", "Messages made, poison and duplicates too", self._progress.count
        )
        if self._topic is not None:
            topic = self._topic
            # Read beside a run that is counting, the figure can step back, which a counter must not.
            self._acknowledged = max(self._acknowledged, topic.acknowledged)
            yield CounterMetricFamily(
                "clickwatch_simulator_messages_acknowledged", "Messages the broker has", self._acknowledged
            )
            yield CounterMetricFamily(
                "clickwatch_simulator_messages_failed", "Messages the broker did not take", topic.failed
            )
            yield GaugeMetricFamily(
                "clickwatch_simulator_messages_waiting", "Messages not acknowledged yet", topic.waiting
            )
        if self._log_files is not None:
            yield CounterMetricFamily(
                "clickwatch_simulator_log_lines", "Lines written to daily logs", self._log_files.lines
            )
