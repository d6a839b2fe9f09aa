"""Spark reads what every released version has ever written, and files that earlier releases laid."""

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import pytest
from clickwatch_events import Event, EventType
from clickwatch_events.avro import READER_VERSION, EventEncoder
from clickwatch_events.limits import fault_of, fault_of_quantity
from clickwatch_events.schemas import EVENTS, NAMES, released_versions, schema_text
from clickwatch_streaming.events.decode import EVENT_FIELDS, BadReason, decoded, header
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf
from pyspark.sql.avro.functions import from_avro
from streaming_later_schema import LaterEncoder, later_schema

COLUMNS = "key binary, value binary, partition int, offset long, timestamp timestamp"
END_OF_TIME = datetime(9999, 12, 31, tzinfo=UTC)
NOON_MS = int(datetime(2026, 3, 1, 12, 0, tzinfo=UTC).timestamp() * 1000)


def golden(name: str, version: int) -> list[dict[str, object]]:
    lines = (files("schemas") / name / "golden" / f"v{version}.jsonl").read_text("utf-8")
    return [json.loads(line) for line in lines.splitlines()]


def test_spark_decodes_the_golden_bytes_of_every_released_version(spark: SparkSession) -> None:
    writers = {10 + version: schema_text(EVENTS, version) for version in released_versions(EVENTS)}
    cases = [(schema_id, case) for schema_id in writers for case in golden(EVENTS, schema_id - 10)]
    rows = [
        (b"u", header(schema_id) + bytes.fromhex(str(case["avro"])), 0, number, END_OF_TIME)
        for number, (schema_id, case) in enumerate(cases)
    ]

    messages = spark.createDataFrame(rows, COLUMNS)
    found = (
        decoded(messages, writers, max_future=timedelta(days=1))
        .withColumn("timestamp", sf.unix_millis("timestamp"))
        .orderBy("kafka_offset")
        .collect()
    )

    newest = [field["name"] for field in json.loads(schema_text(EVENTS, READER_VERSION))["fields"]]
    assert set(newest) == set(EVENT_FIELDS)
    assert len(found) == len(cases)
    for row, (schema_id, case) in zip(found, cases, strict=True):
        record = case["record"]
        assert isinstance(record, dict)
        quantity, is_bot = record.get("quantity"), record.get("is_bot")
        # What else is newer than the version this release reads is skipped, and a newer type is unknown.
        record = {name: value for name, value in record.items() if name in newest}
        if record["event_type"] not in {*EventType, "refund"}:
            record["event_type"] = "unknown"
        # Avro allows more than the contract does: such a record is read whole, and is no event.
        event = Event(**{("timestamp_ms" if name == "timestamp" else name): value for name, value in record.items()})
        is_invalid = fault_of(event) or fault_of_quantity(quantity, event.price_minor)
        reason = BadReason.INVALID_FIELD if is_invalid else None
        assert (row.quantity, row.is_bot) == (quantity, is_bot), case["case"]
        assert (row.bad_reason, row.schema_id) == (reason, schema_id), case["case"]
        assert {name: row[name] for name in newest} == {name: record.get(name) for name in newest}, case["case"]


@pytest.mark.parametrize("name", NAMES)
def test_spark_reads_each_version_by_its_own_schema(spark: SparkSession, name: str) -> None:
    for version in released_versions(name):
        cases = golden(name, version)
        bodies = spark.createDataFrame([(number, bytes.fromhex(str(c["avro"]))) for number, c in enumerate(cases)])
        record = from_avro("_2", schema_text(name, version))

        rows = bodies.orderBy("_1").select(sf.to_json(record, {"ignoreNullFields": "false"}).alias("json")).collect()

        assert len(rows) == len(cases)
        for row, case in zip(rows, cases, strict=True):
            expected, found = case["record"], json.loads(row.json)
            assert isinstance(expected, dict)
            assert {key: milliseconds(value) for key, value in found.items()} == expected, case["case"]


def milliseconds(value: object) -> object:
    """Spark's JSON writes instants as text; golden records have milliseconds."""
    if isinstance(value, str) and len(value) >= 24 and value[4] == "-" and value.endswith("Z"):
        passed = datetime.fromisoformat(value) - datetime(1970, 1, 1, tzinfo=UTC)
        return passed // timedelta(milliseconds=1)
    return value


def test_three_versions_in_one_batch_are_each_read_exactly(spark: SparkSession) -> None:
    writers = {1: schema_text(EVENTS, 1), 2: schema_text(EVENTS, 2), 3: later_schema()}
    older, newer, later = EventEncoder(1, 1), EventEncoder(2, 2), LaterEncoder(3)
    kinds = (EventType.VIEW, EventType.ADD_TO_CART, EventType.PURCHASE)
    sent = [
        Event(
            f"8f14e45f-ceea-4672-9b55-{number:012d}",
            f"user_{number}",
            f"product_{number % 7}",
            "laptops",
            kinds[number % 3],
            NOON_MS + number,
            None if number % 4 == 0 else f"s-{number}",
            None if number % 5 == 0 else number,
            "EUR",
        )
        for number in range(600)
    ]
    write = [older.encode, newer.encode, later.encode, later.wish]
    values = [write[number % 4](event) for number, event in enumerate(sent)]
    rows = [(b"u", value, 0, number, END_OF_TIME) for number, value in enumerate(values)]

    messages = spark.createDataFrame(rows, COLUMNS)
    found = (
        decoded(messages, writers, max_future=timedelta(minutes=5))
        .withColumn("timestamp", sf.unix_millis("timestamp"))
        .orderBy("kafka_offset")
        .collect()
    )

    expected = [
        (
            *event[:4],
            "unknown" if number % 4 == 3 else str(event.event_type.value),
            event.timestamp_ms,
            *((None, None, None) if number % 4 == 0 else event[6:]),
            min(number % 4 + 1, 3),
            None,
        )
        for number, event in enumerate(sent)
    ]
    assert [tuple(row[name] for name in (*EVENT_FIELDS, "schema_id", "bad_reason")) for row in found] == expected
