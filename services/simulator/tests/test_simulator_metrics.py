"""What a run tells operators."""

from pathlib import Path

from clickwatch_simulator.jsonl import DayFiles
from clickwatch_simulator.metrics import RunMetrics
from clickwatch_simulator.progress import Progress
from prometheus_client import CollectorRegistry, generate_latest


def test_a_run_without_kafka_tells_messages_and_lines(tmp_path: Path) -> None:
    with Progress("events", 10) as progress, DayFiles(tmp_path) as log_files:
        progress.sent(7)
        registry = CollectorRegistry()
        registry.register(RunMetrics(progress, None, log_files))

        said = generate_latest(registry).decode()

    assert "clickwatch_simulator_messages_total 7.0" in said
    assert "clickwatch_simulator_log_lines_total 0.0" in said
    assert "acknowledged" not in said
