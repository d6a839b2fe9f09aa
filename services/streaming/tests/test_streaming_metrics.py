"""What the service tells operators, and that what is drawn and watched is told."""

import re
from datetime import UTC, datetime
from pathlib import Path

from clickwatch_service.standing import PartStanding, Standing
from clickwatch_streaming.alerts.alert import Alert, AlertChange, Status
from clickwatch_streaming.alerts.metrics import ProjectorMetrics
from clickwatch_streaming.lake.record import BatchRecord, Counts
from clickwatch_streaming.status.metrics import QueryFigures, ServiceMetrics
from clickwatch_streaming.status.tables import StreamStatus
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector
from pyspark.sql.streaming.listener import StreamingQueryProgress

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW_SECONDS = NOW.timestamp()
STATUS = StreamStatus("clickstream-events", NOW, 12.5, 3, 40, NOW, NOW, NOW, 90, 4, 2, 3, {})
RECORD = BatchRecord(
    batch_id=6,
    query_id="q",
    parked=1,
    totals=Counts(events=90, duplicates=4, late=2, dead_letters=3, windows=8),
    reasons={"bad_framing": 3},
)
MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"


def said(collector: Collector) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def all_of_it() -> ServiceMetrics:
    metrics = ServiceMetrics()
    metrics.found(STATUS, RECORD)
    metrics.queries["lake"] = QueryFigures(1.5, 100.0, 400.0, 5, 6000)
    metrics.refused_windows = 2
    metrics.parts = lambda: {
        "lake": PartStanding(Standing.WAITS, 9, 60, 3, "Kafka"),
        "projector": PartStanding(Standing.WORKS, 0, 60, 0, None),
    }
    return metrics


def test_a_service_that_has_just_begun_tells_what_it_counts_and_nothing_it_does_not_know() -> None:
    text = said(ServiceMetrics())

    assert 'clickwatch_streaming_alert_changes_total{status="confirmed"} 0.0' in text
    assert "clickwatch_streaming_projector_retries_total 0.0" in text
    assert "unread" not in text
    assert "lake_events" not in text


def test_the_last_status_and_the_lakes_last_record_are_told() -> None:
    lines = said(all_of_it()).splitlines()

    for line in (
        "clickwatch_streaming_messages_per_second 12.5",
        'clickwatch_streaming_unread_messages{part="alerts"} 3.0',
        'clickwatch_streaming_unread_messages{part="lake"} 40.0',
        f"clickwatch_streaming_status_timestamp_seconds {NOW_SECONDS!r}",
        "clickwatch_streaming_lake_events_total 90.0",
        "clickwatch_streaming_lake_late_events_total 2.0",
        'clickwatch_streaming_dead_letters_total{reason="bad_framing"} 3.0',
        "clickwatch_streaming_parked_messages 1.0",
        "clickwatch_streaming_window_counts_refused_total 2.0",
        'clickwatch_streaming_part_in_trouble{part="lake"} 1.0',
        'clickwatch_streaming_part_in_trouble{part="projector"} 0.0',
        'clickwatch_streaming_query_state_bytes{query="lake"} 6000.0',
    ):
        head, _, value = line.rpartition(" ")
        assert any(found.startswith(f"{head} ") and float(found.split()[-1]) == float(value) for found in lines), line


def test_what_became_visible_counts_by_the_age_of_its_newest_event() -> None:
    metrics = ProjectorMetrics()
    new = Alert("product_1", "laptops", 0, 600_000, 101, 0, Status.ACTIVE, NOW, NOW)
    at_ms = int(NOW_SECONDS * 1000)

    metrics.committed([at_ms - 80, at_ms - 400], [AlertChange(None, new)], NOW_SECONDS)
    metrics.retried()

    text = said(metrics)
    assert 'clickwatch_streaming_produce_to_visible_seconds_bucket{le="0.1"} 1.0' in text
    assert "clickwatch_streaming_produce_to_visible_seconds_count 2.0" in text
    assert 'clickwatch_streaming_alert_changes_total{status="active"} 1.0' in text
    assert "clickwatch_streaming_projector_retries_total 1.0" in text


def test_a_clock_that_is_behind_makes_no_negative_age() -> None:
    metrics = ProjectorMetrics()

    metrics.committed([int(NOW_SECONDS * 1000) + 900], [], NOW_SECONDS)

    assert "clickwatch_streaming_produce_to_visible_seconds_sum 0.0" in said(metrics)


def test_a_batch_without_rates_has_rates_of_0() -> None:
    operator = {
        "operatorName": "dedupe",
        "numRowsTotal": 7,
        "numRowsUpdated": 0,
        "allUpdatesTimeMs": 0,
        "numRowsRemoved": 0,
        "allRemovalsTimeMs": 0,
        "commitTimeMs": 0,
        "memoryUsedBytes": 4096,
        "numRowsDroppedByWatermark": 0,
        "numShufflePartitions": 2,
        "numStateStoreInstances": 2,
        "customMetrics": {},
    }
    progress = StreamingQueryProgress.fromJson(
        {
            "id": "8c57e1ec-94b5-4c99-b100-f694162df0b9",
            "runId": "ae505c5a-a64e-4896-8c28-c7cbaf926f16",
            "name": "alerts",
            "timestamp": "2026-03-01T12:00:00.000Z",
            "batchId": 3,
            "batchDuration": 1500,
            "numInputRows": 0,
            "durationMs": {},
            "eventTime": {},
            "stateOperators": [operator, {**operator, "numRowsTotal": 5}],
            "sources": [],
            "sink": {"description": "kafka", "numOutputRows": -1, "metrics": {}},
            "observedMetrics": {},
        }
    )

    assert QueryFigures.of(progress) == QueryFigures(1.5, 0.0, 0.0, 12, 8192)


def test_whatever_is_drawn_or_watched_of_the_service_is_told() -> None:
    told = {
        sample.name for family in all_of_it().collect() for sample in family.samples if "_created" not in sample.name
    }

    for file in ("alerts.yaml", "grafana-dashboard.json"):
        named = set(re.findall(r"clickwatch_streaming_[a-z_]+", (MONITORING / file).read_text("utf-8")))

        assert named
        assert named <= told, file
