"""Turns the topic of hot windows into rows of `flash_sale_alerts` and `alert_outbox`, and lines on the console.

The topic is read from the offsets in the database, and rows and offsets change in one transaction:
whatever is killed when, each record counts once.
"""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from time import time

import psycopg
import structlog
from clickwatch_events import HotWindow
from clickwatch_events.avro import HotWindowDecoder
from clickwatch_events.registry import Registry, RegistryUnavailable
from clickwatch_kafka import refusal
from clickwatch_service.shown import shown
from confluent_kafka import KafkaException

from clickwatch_streaming.alerts.alert import Alert, AlertChange, Thresholds, alert_after
from clickwatch_streaming.alerts.metrics import ProjectorMetrics
from clickwatch_streaming.alerts.refused_records import pass_over, store_all
from clickwatch_streaming.alerts.table import AlertTable, Key
from clickwatch_streaming.dead_letters.topic import DeadLetterTopic
from clickwatch_streaming.events.window_records import BadRecord, Decoder, WindowRecord
from clickwatch_streaming.kafka import TopicReader
from clickwatch_streaming.settings import Settings

log = structlog.get_logger()

# A transaction every 25 ms costs little and adds as much to an alert's way at most.
LINGER = timedelta(milliseconds=25)
IDLE = timedelta(milliseconds=500)
MOST_RECORDS = 10_000
_NAME_COLUMNS = 60


@dataclass(frozen=True)
class Outcome:
    """What a batch of records comes to.

    Attributes:
        rows: alerts to save, one for each product and window.
        changes: each new state that alerts passed through, in order.
        newest_kafka_timestamps_ms: of each record that changed a row, where it says so: what is new by it.
        closed_until_ms: the latest end among closed windows, with this batch; None before the first.
    """

    rows: list[Alert]
    changes: list[AlertChange]
    newest_kafka_timestamps_ms: list[int]
    closed_until_ms: int | None


def projected(
    windows: Iterable[HotWindow],
    alerts: Mapping[Key, Alert],
    thresholds: Thresholds,
    closed_until_ms: int | None,
    now: datetime,
) -> Outcome:
    """What records in their order make of the alerts there are."""
    after = dict(alerts)
    touched: dict[Key, None] = {}
    changes: list[AlertChange] = []
    newest_ms: list[int] = []
    for window in windows:
        key = (window.product_id, window.window_start_ms)
        before = after.get(key)
        alert = alert_after(before, window, thresholds, closed_until_ms, now)
        if alert is not None:
            after[key] = alert
            touched[key] = None
            if window.newest_kafka_timestamp_ms is not None:
                newest_ms.append(window.newest_kafka_timestamp_ms)
            if before is None or before.status is not alert.status:
                changes.append(AlertChange(None if before is None else before.status, alert))
        if window.closed:
            closed_until_ms = max(closed_until_ms or window.window_end_ms, window.window_end_ms)
    return Outcome([after[key] for key in touched], changes, newest_ms, closed_until_ms)


def console_line(alert: Alert) -> str:
    """One line for a new state: `ALERT active     product_7 (laptops) 14:20-14:30 UTC  views 101 purchases 2`."""
    start, end = (datetime.fromtimestamp(ms / 1000, UTC) for ms in (alert.window_start_ms, alert.window_end_ms))
    return (
        f"ALERT {alert.status:<9}  {shown(alert.product_id, _NAME_COLUMNS)} "
        f"({shown(alert.product_category, _NAME_COLUMNS)}) "
        f"{start:%Y-%m-%d %H:%M}–{end:%H:%M} UTC  views {alert.views} purchases {alert.purchases}"
    )


def project_batch(table: AlertTable, batch: Sequence[WindowRecord], thresholds: Thresholds, now: datetime) -> Outcome:
    """Bring windows into the table, in one transaction; those that are in it already change nothing."""
    with table:
        next_offsets, closed_until_ms = table.progress()
        fresh = [one for one in batch if one.record.offset >= next_offsets.get(one.record.partition, 0)]
        windows = [one.window for one in fresh if one.window is not None]
        alerts = table.alerts({(window.product_id, window.window_start_ms) for window in windows})
        outcome = projected(windows, alerts, thresholds, closed_until_ms, now)
        table.save(outcome.rows)
        table.announce(outcome.changes)
        table.move_on({one.record.partition: one.record.offset + 1 for one in fresh}, outcome.closed_until_ms)
    return outcome


def project(
    settings: Settings,
    partitions: int,
    stop: threading.Event,
    say: Callable[[str], None],
    metrics: ProjectorMetrics | None = None,
    decoder: Decoder | None = None,
) -> None:
    """Follow the topic until `stop` is set; wait out a database, a broker or a registry that is away.

    Without a `decoder`, records are read by the registry's schemas.

    Raises:
        UserError: the topic no longer holds what the table says comes next.
    """
    decoder = decoder or HotWindowDecoder(Registry(settings.registry))
    thresholds = Thresholds(settings.views_threshold, settings.purchases_threshold)
    metrics = metrics or ProjectorMetrics()
    failures = 0

    def tell(outcome: Outcome) -> None:
        nonlocal failures
        failures = 0
        metrics.committed(outcome.newest_kafka_timestamps_ms, outcome.changes, time())
        for change in outcome.changes:
            say(console_line(change.alert))

    while not stop.is_set():
        try:
            _follow(settings, partitions, decoder, thresholds, stop, tell, metrics)
        except (psycopg.Error, KafkaException, RegistryUnavailable) as error:
            if isinstance(error, KafkaException):
                refused = refusal(settings.kafka, error.args[0], f"read topic {settings.alerts_topic}")
                if refused is not None:
                    raise refused from error
            failures += 1
            metrics.retried()
            seconds = min(0.5 * 2 ** (failures - 1), 10)
            log.warning("projector waits", retry_in_seconds=seconds, reason=_reason(error))
            stop.wait(seconds)


def _follow(
    settings: Settings,
    partitions: int,
    decoder: Decoder,
    thresholds: Thresholds,
    stop: threading.Event,
    tell: Callable[[Outcome], None],
    metrics: ProjectorMetrics,
) -> None:
    with ExitStack() as open_things:
        table = open_things.enter_context(closing(AlertTable(settings.database_url, settings.alerts_topic)))
        with table:
            table.begin_partitions(range(partitions))
        with table:
            next_offsets, _ = table.progress()
        log.info("projector following", topic=settings.alerts_topic, next_offsets=next_offsets)
        reader = open_things.enter_context(closing(TopicReader(settings.kafka, settings.alerts_topic, next_offsets)))

        @cache
        def letters() -> DeadLetterTopic:
            # Made when the first is needed: most projectors never send one.
            topic = DeadLetterTopic(settings.kafka, settings.alerts_topic, settings.dead_letter_topic, "projector")
            return open_things.enter_context(topic)

        def store(batch: Sequence[WindowRecord]) -> None:
            tell(project_batch(table, batch, thresholds, datetime.now(UTC)))

        def set_aside(bad: BadRecord) -> None:
            if pass_over(bad, letters(), table):
                metrics.set_aside(bad.reason)

        while not stop.is_set():
            records = reader.read(MOST_RECORDS, IDLE, LINGER)
            if records:
                store_all(records, decoder, store, set_aside)


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, psycopg.errors.UndefinedTable):
        return f"{text}: the tables are not there yet, run the migrations"
    return text
