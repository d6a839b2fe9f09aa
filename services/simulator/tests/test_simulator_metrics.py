"""What a run tells operators."""

import re
from pathlib import Path
from unittest.mock import Mock

from clickwatch_simulator.jsonl import DayFiles
from clickwatch_simulator.kafka import EventTopic
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


def test_whatever_is_drawn_of_the_simulator_is_told() -> None:
    drawn = (Path(__file__).parents[3] / "deploy" / "monitoring" / "grafana-dashboard.json").read_text("utf-8")
    named = set(re.findall(r"clickwatch_simulator_[a-z_]+", drawn))
    topic = Mock(spec=EventTopic, acknowledged=7, failed=0, waiting=1)

    with Progress("events", 10) as progress:
        told = {sample.name for family in RunMetrics(progress, topic, None).collect() for sample in family.samples}

    assert named
    assert named <= told
