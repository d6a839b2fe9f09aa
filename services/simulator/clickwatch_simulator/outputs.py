"""Where a run goes to: topic, daily log, ledger."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from clickwatch_events.avro import EventEncoder
from clickwatch_service.metrics import served_metrics
from structlog import get_logger

from clickwatch_simulator.delivery import Pace, deliver
from clickwatch_simulator.health import said_health
from clickwatch_simulator.jsonl import DayFiles, ReplacedDay
from clickwatch_simulator.kafka import EventTopic, encoders
from clickwatch_simulator.ledger import Ledger, write_ledger
from clickwatch_simulator.metrics import RunMetrics
from clickwatch_simulator.progress import Progress
from clickwatch_simulator.scenarios import Batch
from clickwatch_simulator.settings import Settings

log = get_logger()


@dataclass(frozen=True)
class Outputs:
    """Where a run goes to; None: not there."""

    settings: Settings
    encoders: dict[int, EventEncoder]
    topic: EventTopic | None
    log_files: DayFiles | ReplacedDay | None
    ledger_file: Path | None

    def run(
        self,
        batches: Iterable[Batch],
        pace: Pace,
        total: int | None,
        seed: int | None,
        options: dict[str, object],
        imported: Callable[[], dict[str, object]] | None = None,
    ) -> bool:
        """Send batches; return whether all were. The ledger is written however it ends.

        Args:
            batches: what to send.
            pace: when.
            total: how many there are, where that is known.
            seed: of the run.
            options: that it was started with, for the ledger.
            imported: returns what became of the rows of a file, for the ledger.
        """
        settings, topic, log_files = self.settings, self.topic, self.log_files
        windows = (settings.window_duration, settings.slide_duration, settings.watermark)
        ledger = Ledger(*windows, days=log_files is not None) if self.ledger_file else None
        try:
            with (
                Progress("events", total) as progress,
                served_metrics(settings, RunMetrics(progress, topic, log_files)),
                said_health(settings.data_dir, topic),
            ):
                finished = deliver(batches, pace, progress, topic, log_files, ledger)
        finally:
            if ledger is not None and self.ledger_file is not None:
                records, acknowledged = (topic.records, topic.acknowledged) if topic else (0, 0)
                rows = imported() if imported is not None else None
                write_ledger(self.ledger_file, ledger.as_json(seed, options, records, acknowledged, rows))
        log.info(
            "run_finished" if finished else "run_stopped",
            messages=progress.count,
            per_second=round(progress.rate),
            acknowledged=topic.acknowledged if topic else None,
            log_lines=log_files.lines if log_files else None,
            seed=seed,
        )
        return finished


def connected(
    settings: Settings, log_files: DayFiles | ReplacedDay | None, ledger_file: Path | None, *, kafka: bool
) -> Outputs:
    """Return the outputs, connected.

    Raises:
        UserError: a server is not there within WAIT_TIMEOUT.
    """
    versions = encoders(settings) if kafka else {version: EventEncoder(version, version) for version in (1, 2)}
    return Outputs(settings, versions, EventTopic(settings, versions) if kafka else None, log_files, ledger_file)
