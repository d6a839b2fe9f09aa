"""Messages of the topic of hot windows that cannot be a row: each a dead letter once, and nothing else is held up.

What is no window, or one against the limits, is found before the table is asked. What the table refuses all
the same is found by halving the batch. Either is sent to the dead letters first, in a Kafka transaction that
remembers its offset, and then passed over in the table, so that a kill between the two repeats nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from clickwatch_events.framing import BadFrame, unframe
from clickwatch_service.stores import is_refused_record, reason_of, split_refused

from clickwatch_streaming.alerts.table import AlertTable
from clickwatch_streaming.dead_letters.topic import REPLAYED_FROM, REPLAYS, DeadLetter
from clickwatch_streaming.events.decode import BadReason
from clickwatch_streaming.events.window_records import BadRecord, Decoder, WindowRecord, read_record
from clickwatch_streaming.kafka import Record

log = structlog.get_logger()


class Letters(Protocol):
    """Takes dead letters: `dead_letters.topic.DeadLetterTopic`."""

    def send(self, letters: Iterable[DeadLetter], next_offsets: Mapping[int, int]) -> int:
        """Send those not sent before; return how many."""
        ...


def store_all(
    records: Iterable[Record],
    decoder: Decoder,
    store: Callable[[Sequence[WindowRecord]], None],
    set_aside: Callable[[BadRecord], None],
) -> None:
    """Store the windows of some records in their order, and set aside each record that is none or is refused.

    Args:
        records: in the order of their offsets.
        decoder: reads a record.
        store: brings windows into the table in one transaction.
        set_aside: deals with a record that cannot be stored, and is called before any later one is stored.

    Raises:
        Exception: an outage or a fault, as `store` or `set_aside` raised it; records before it are dealt with.
    """

    def store_or_set_aside(batch: Sequence[WindowRecord]) -> None:
        try:
            store(batch)
        except Exception as error:
            if len(batch) > 1 or not is_refused_record(error):
                raise
            set_aside(BadRecord(batch[0].record, BadReason.REFUSED_BY_STORE, reason_of(error)))

    for run in _runs(read_record(record, decoder) for record in records):
        if isinstance(run, BadRecord):
            set_aside(run)
        else:
            split_refused(run, store_or_set_aside)


def _runs(read: Iterable[WindowRecord | BadRecord]) -> Iterator[list[WindowRecord] | BadRecord]:
    run: list[WindowRecord] = []
    for one in read:
        if isinstance(one, WindowRecord):
            run.append(one)
            continue
        if run:
            yield run
            run = []
        yield one
    if run:
        yield run


def pass_over(bad: BadRecord, letters: Letters, table: AlertTable) -> bool:
    """Make a record a dead letter and move the table on behind it; False where that had been done before."""
    record = bad.record
    letters.send([letter_of(bad)], {record.partition: record.offset + 1})
    with table:
        is_new = table.pass_over(record.partition, record.offset, bad.reason)
    log.warning(
        "hot_window_set_aside",
        partition=record.partition,
        offset=record.offset,
        reason=str(bad.reason),
        detail=bad.detail,
    )
    return is_new


def letter_of(bad: BadRecord) -> DeadLetter:
    """Return the dead letter that a record becomes."""
    record = bad.record
    replays = record.headers.get(REPLAYS, b"0").decode("ascii", "replace")
    replayed_from = record.headers.get(REPLAYED_FROM)
    return DeadLetter(
        reason=bad.reason,
        kafka_partition=record.partition,
        kafka_offset=record.offset,
        kafka_timestamp=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=max(0, record.timestamp_ms)),
        schema_id=_schema_id(record.value),
        key=record.key,
        value=record.value,
        replays=int(replays) if replays.isdecimal() else 0,
        replayed_from=None if replayed_from is None else replayed_from.decode("utf-8", "replace"),
        detail=bad.detail,
    )


def _schema_id(value: bytes | None) -> int | None:
    try:
        return None if value is None else unframe(value)[0]
    except BadFrame:
        return None
