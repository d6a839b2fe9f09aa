"""Turns the topic of hot windows into rows of `flash_sale_alerts` and lines on the console.

The topic is read from the offsets in the database, and rows and offsets change in one transaction:
whatever is killed when, each record counts once.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import time
from typing import Protocol

import psycopg
import structlog
from clickwatch_events import HotWindow
from clickwatch_events.avro import BadMessage, HotWindowDecoder
from clickwatch_events.framing import BadFrame
from clickwatch_events.registry import NotRegistered, Registry, RegistryUnavailable
from clickwatch_service.shown import shown
from confluent_kafka import KafkaException

from clickwatch_streaming.alerts import Alert, Thresholds, alert_after
from clickwatch_streaming.kafka import Record, TopicReader
from clickwatch_streaming.metrics import ProjectorMetrics
from clickwatch_streaming.postgres import AlertTable, Key
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
        changes: alerts in each new state they passed through, in order.
        newest_kafka_timestamps_ms: of each record that changed a row, where it says so: what is new by it.
        closed_until_ms: the latest end among closed windows, with this batch; None before the first.
    """

    rows: list[Alert]
    changes: list[Alert]
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
    changes: list[Alert] = []
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
                changes.append(alert)
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


class Decoder(Protocol):
    """Reads the values of the topic: `clickwatch_events.avro.HotWindowDecoder`."""

    def decode(self, message: bytes) -> HotWindow:
        """Return the window of a framed message; BadFrame, BadMessage or NotRegistered where it is none."""
        ...


def project_batch(
    table: AlertTable, records: list[Record], decoder: Decoder, thresholds: Thresholds, now: datetime
) -> Outcome:
    """Bring records into the table, in one transaction; those that are in it already change nothing."""
    with table:
        next_offsets, closed_until_ms = table.progress()
        fresh = [record for record in records if record.offset >= next_offsets.get(record.partition, 0)]
        windows = list(_windows(fresh, decoder))
        alerts = table.alerts({(window.product_id, window.window_start_ms) for window in windows})
        outcome = projected(windows, alerts, thresholds, closed_until_ms, now)
        table.save(outcome.rows)
        table.move_on({record.partition: record.offset + 1 for record in fresh}, outcome.closed_until_ms)
    return outcome


def _windows(records: Iterable[Record], decoder: Decoder) -> Iterable[HotWindow]:
    for record in records:
        if record.value is None:
            continue
        try:
            yield decoder.decode(record.value)
        except (BadFrame, BadMessage, NotRegistered) as error:
            log.error("hot window skipped", partition=record.partition, offset=record.offset, reason=str(error))


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
    decoder = decoder or HotWindowDecoder(Registry(settings.schema_registry_url))
    thresholds = Thresholds(settings.views_threshold, settings.purchases_threshold)
    metrics = metrics or ProjectorMetrics()
    failures = 0
    while not stop.is_set():
        try:
            for outcome in _outcomes(settings, partitions, decoder, thresholds, stop):
                failures = 0
                metrics.committed(outcome.newest_kafka_timestamps_ms, outcome.changes, time())
                for alert in outcome.changes:
                    say(console_line(alert))
        except (psycopg.Error, KafkaException, RegistryUnavailable) as error:
            failures += 1
            metrics.retried()
            seconds = min(0.5 * 2 ** (failures - 1), 10)
            log.warning("projector waits", retry_in_seconds=seconds, reason=_reason(error))
            stop.wait(seconds)


def _outcomes(
    settings: Settings, partitions: int, decoder: Decoder, thresholds: Thresholds, stop: threading.Event
) -> Iterable[Outcome]:
    table = AlertTable(settings.database_url, settings.alerts_topic)
    try:
        with table:
            table.begin_partitions(range(partitions))
        with table:
            next_offsets, _ = table.progress()
        log.info("projector following", topic=settings.alerts_topic, next_offsets=next_offsets)
        reader = TopicReader(settings.kafka_bootstrap_servers, settings.alerts_topic, next_offsets)
        try:
            while not stop.is_set():
                records = reader.read(MOST_RECORDS, IDLE, LINGER)
                if records:
                    yield project_batch(table, records, decoder, thresholds, datetime.now(UTC))
        finally:
            reader.close()
    finally:
        table.close()


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, psycopg.errors.UndefinedTable):
        return f"{text}: the tables are not there yet, run the migrations"
    return text
