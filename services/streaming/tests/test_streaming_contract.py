"""Spark's verdict on arbitrary events beside that of the contract's own reference in Python."""

import io
import json
from datetime import UTC, datetime, timedelta

import fastavro
import pytest
from clickwatch_events import Event, EventType, frame
from clickwatch_events.limits import Rule, fault_of
from clickwatch_events.schemas import EVENTS, schema_text
from clickwatch_streaming.dead_letters.replay import Judge
from clickwatch_streaming.events.decode import BadReason, decoded
from clickwatch_streaming.settings import UnknownEventType
from event_examples import examples_of
from event_strategies import RECEIVED_MS, events
from pyspark.sql import SparkSession

SCHEMA = schema_text(EVENTS, 2)
PLAIN_SCHEMA = fastavro.parse_schema(json.loads(SCHEMA.replace('"logicalType"', '"ignored"')))
WRITERS = {300: SCHEMA}
COLUMNS = "key binary, value binary, partition int, offset long, timestamp timestamp"
MAX_FUTURE = timedelta(minutes=5)
GOOD = Event("8f14e45f-ceea-4672-9b55-000000000001", "user_1", "product_7", "laptops", EventType.VIEW, RECEIVED_MS)


class Schemas:
    """The one schema there is."""

    def schema(self, schema_id: int) -> str:
        return WRITERS[schema_id]


def message_of(event: Event) -> bytes:
    body = io.BytesIO()
    record = {**event._asdict(), "timestamp": event.timestamp_ms, "event_type": str(event.event_type)}
    fastavro.schemaless_writer(body, PLAIN_SCHEMA, record)
    return frame(300, body.getvalue())


def verdicts(spark: SparkSession, values: list[bytes]) -> list[tuple[str | None, str | None]]:
    """The reason and its detail for each message, in order."""
    received = datetime.fromtimestamp(RECEIVED_MS / 1000, UTC)
    messages = [(b"u", value, 0, offset, received) for offset, value in enumerate(values)]
    rows = decoded(spark.createDataFrame(messages, COLUMNS), WRITERS, max_future=MAX_FUTURE)
    found = rows.select("kafka_offset", "bad_reason", "bad_detail").collect()
    return [(row.bad_reason, row.bad_detail) for row in sorted(found, key=lambda row: row.kafka_offset)]


def expected_of(event: Event) -> tuple[str | None, str | None]:
    if event.timestamp_ms > RECEIVED_MS + MAX_FUTURE // timedelta(milliseconds=1):
        return BadReason.FUTURE_TIMESTAMP, None
    fault = fault_of(event)
    return (None, None) if fault is None else (BadReason.INVALID_FIELD, f"{fault.field}: {fault.rule}")


def test_spark_takes_exactly_the_events_that_keep_the_contract(spark: SparkSession) -> None:
    tried = examples_of(events)

    found = verdicts(spark, [message_of(event) for event in tried])

    expected = [expected_of(event) for event in tried]
    different = [one for one in zip(tried, found, expected, strict=True) if one[1] != one[2]]
    assert different[:5] == []
    kinds = {reason for reason, _ in found}
    assert kinds == {None, BadReason.INVALID_FIELD, BadReason.FUTURE_TIMESTAMP}


def test_a_replay_of_dead_letters_judges_as_the_query_does(spark: SparkSession) -> None:
    judge = Judge(Schemas(), MAX_FUTURE, UnknownEventType.KEEP, lambda: float(RECEIVED_MS))

    for event in examples_of(events):
        verdict = judge.event_or_reason(message_of(event))
        assert (None if isinstance(verdict, Event) else verdict) == expected_of(event)[0], event


@pytest.mark.parametrize("wrong", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xc0\x80"])
def test_a_text_that_is_no_utf_8_is_an_invalid_field(spark: SparkSession, wrong: bytes) -> None:
    placeholder = "~" * len(wrong)
    message = message_of(GOOD._replace(product_id=placeholder)).replace(placeholder.encode(), wrong)

    assert verdicts(spark, [message]) == [(BadReason.INVALID_FIELD, f"product_id: {Rule.NOT_UTF8}")]
    judge = Judge(Schemas(), MAX_FUTURE, UnknownEventType.KEEP, lambda: float(RECEIVED_MS))
    assert judge.event_or_reason(message) == BadReason.INVALID_FIELD
