"""Kafka messages to events: each decoded with the schema it was written with, bad ones told apart.

Decoding runs in the JVM (Spark's `from_avro`); Python only builds the plan, so a new writer schema
needs a new plan with its id in `writers`.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from functools import reduce

from clickwatch_events.avro import reader_text
from clickwatch_events.limits import LIMITS, MAX_PRICE, QUANTITY, Rule
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as sf
from pyspark.sql.avro.functions import from_avro

from clickwatch_streaming.events.field_limits import broken_rule, keeps_all
from clickwatch_streaming.kafka import HEARTBEAT_KEY, NUDGE_KEY
from clickwatch_streaming.settings import UnknownEventType

CARRIED = ("replays", "replayed_from", "was_parked")
"""Columns that `decoded` hands on where messages have them: what is known of a message beside its bytes."""
HEADER_BYTES = 5
_LIMITS = {**LIMITS, "quantity": QUANTITY}
EVENT_FIELDS = (
    "event_id",
    "user_id",
    "product_id",
    "product_category",
    "event_type",
    "timestamp",
    "session_id",
    "price_minor",
    "currency",
)


class BadReason(StrEnum):
    """Why a message is no event; the first three are no fault and make no dead letter.

    PARKED: the registry, which alone can tell what it is, does not answer; it is asked again.
    REFUSED_BY_STORE: a message of the topic of hot windows that PostgreSQL does not take.
    """

    HEARTBEAT = "heartbeat"
    NUDGE = "nudge"
    PARKED = "parked"
    EMPTY_VALUE = "empty_value"
    BAD_FRAMING = "bad_framing"
    UNKNOWN_SCHEMA_ID = "unknown_schema_id"
    UNDECODABLE_BODY = "undecodable_body"
    INVALID_FIELD = "invalid_field"
    FUTURE_TIMESTAMP = "future_timestamp"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    REFUSED_BY_STORE = "refused_by_store"


NO_FAULT = frozenset({BadReason.HEARTBEAT, BadReason.NUDGE, BadReason.PARKED})


def header(schema_id: int) -> bytes:
    """The five bytes before an Avro body: magic 0 and the schema's id (Confluent framing)."""
    return b"\0" + schema_id.to_bytes(4, "big")


def decoded(
    messages: DataFrame,
    writers: Mapping[int, str],
    *,
    max_future: timedelta,
    unknown_event_type: UnknownEventType = UnknownEventType.KEEP,
) -> DataFrame:
    """Every message with its event's fields, or with `bad_reason` saying why it is none.

    `messages` has the Kafka source's columns; `writers` maps schema ids to the schemas they were
    written with. Columns out: EVENT_FIELDS, quantity, is_bot (true where the sender says so), schema_id (null
    without a frame), kafka_partition, kafka_offset, kafka_timestamp, key, value, those of CARRIED that
    come in, bad_reason (null for a good event), bad_detail (of an invalid field,
    `product_id: control_character`).
    Rules and their order: spec, speed layer, bad events. Where `bad_reason` is not null the event's
    fields may be null.
    """
    carried = [name for name in CARRIED if name in messages.columns]
    framed = messages.select(
        sf.col("partition").alias("kafka_partition"),
        sf.col("offset").alias("kafka_offset"),
        sf.col("timestamp").alias("kafka_timestamp"),
        "key",
        "value",
        *carried,
        # Through an array, because the optimizer moves no filter below it: moved to where the event
        # is decoded, a filter on its fields would decode the message once for each of them.
        sf.explode(sf.array(_event(writers, reader_text()))).alias("event"),
    )
    opened = framed.select(
        *(sf.col(f"event.{name}").alias(name) for name in (*EVENT_FIELDS, "quantity", "is_bot")),
        _schema_id(writers).alias("schema_id"),
        "kafka_partition",
        "kafka_offset",
        "kafka_timestamp",
        "key",
        "value",
        *carried,
    )
    reasoned = opened.withColumn("bad_reason", _bad_reason(writers, max_future, unknown_event_type))
    is_invalid = sf.col("bad_reason") == BadReason.INVALID_FIELD
    return reasoned.withColumn("bad_detail", sf.when(is_invalid, _first_fault()))


def good_events(decoded_messages: DataFrame) -> DataFrame:
    """Only the events, with the columns of `decoded`."""
    return decoded_messages.where(sf.col("bad_reason").isNull())


def of_people(events: DataFrame) -> DataFrame:
    """Only the events that no bot is said to have made; alerts and counts of windows are of these."""
    return events.where(~sf.coalesce("is_bot", sf.lit(False)))


def _event(writers: Mapping[int, str], reader: str) -> Column:
    """The decoded record; null where no writer matches, all its fields null where it is broken."""
    body = sf.substring("value", HEADER_BYTES + 1, 2**31 - 1)
    options = {"avroSchema": reader, "mode": "PERMISSIVE"}
    cases = [(_written_with(i), from_avro(body, schema, options)) for i, schema in writers.items()]
    if not cases:
        return from_avro(sf.lit(None).cast("binary"), reader, options)
    first, *rest = cases
    return reduce(lambda chain, case: chain.when(*case), rest, sf.when(*first))


def _written_with(schema_id: int) -> Column:
    return sf.startswith(sf.col("value"), sf.lit(header(schema_id)))


def _schema_id(writers: Mapping[int, str]) -> Column:
    # Known ids are told by comparing bytes; the costly conversion is for the few that are not.
    unknown = sf.when(_is_framed(), sf.conv(sf.hex(sf.substring("value", 2, 4)), 16, 10).cast("long"))
    known = sorted(writers)
    if not known:
        return unknown
    first, *rest = ((_written_with(i), sf.lit(i)) for i in known)
    return reduce(lambda chain, case: chain.when(*case), rest, sf.when(*first)).otherwise(unknown)


def _is_framed() -> Column:
    return (sf.length("value") >= HEADER_BYTES) & sf.startswith(sf.col("value"), sf.lit(b"\0"))


def _bad_reason(writers: Mapping[int, str], max_future: timedelta, unknown_event_type: UnknownEventType) -> Column:
    value, event_time = sf.col("value"), sf.col("timestamp")
    is_heartbeat = value.isNull() & (sf.col("key") == sf.lit(HEARTBEAT_KEY))
    is_nudge = value.isNull() & (sf.col("key") == sf.lit(NUDGE_KEY))
    is_future = event_time > sf.col("kafka_timestamp") + sf.lit(max_future)
    reason = (
        sf.when(~is_future & keeps_all(_LIMITS) & ~_costs_too_much(), sf.lit(None).cast("string"))
        .when(is_heartbeat, BadReason.HEARTBEAT)
        .when(is_nudge, BadReason.NUDGE)
        .when(value.isNull() | (sf.length(value) == 0), BadReason.EMPTY_VALUE)
        .when(~_is_framed(), BadReason.BAD_FRAMING)
        .when(~sf.col("schema_id").isin(sorted(writers)), BadReason.UNKNOWN_SCHEMA_ID)
        .when(is_future, BadReason.FUTURE_TIMESTAMP)
        .when(event_time.isNotNull(), BadReason.INVALID_FIELD)
        .otherwise(BadReason.UNDECODABLE_BODY)
    )
    if unknown_event_type is UnknownEventType.KEEP:
        return reason
    is_unknown = sf.col("event_type") == "unknown"
    return sf.when(reason.isNull() & is_unknown, BadReason.UNKNOWN_EVENT_TYPE).otherwise(reason)


def _costs_too_much() -> Column:
    """Whether all pieces together cost more than a price may be (`limits.fault_of_quantity`)."""
    price, quantity = sf.col("price_minor"), sf.col("quantity")
    return quantity.isNotNull() & price.isNotNull() & (price.cast("decimal(20,0)") * quantity > MAX_PRICE)


def _first_fault() -> Column:
    return sf.coalesce(
        *(
            sf.concat(sf.lit(f"{name}: "), broken_rule(name, limit))  # null where it breaks none
            for name, limit in _LIMITS.items()
        ),
        sf.when(_costs_too_much(), sf.lit(f"quantity: {Rule.AMOUNT_TOO_LARGE}")),
    )
