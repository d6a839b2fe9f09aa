import io
import json

import fastavro
import pytest
from clickwatch_events.avro import BadMessage, EventDecoder, EventEncoder, HotWindowCodec, HotWindowDecoder
from clickwatch_events.event import Event, EventType, HotWindow
from clickwatch_events.framing import BadFrame, frame, unframe
from clickwatch_events.schemas import ALERTS, EVENTS, schema_text
from hypothesis import given
from hypothesis import strategies as st

LATEST_MS = 4102444800000  # the year 2100

texts = st.text(max_size=40).filter(lambda value: value.isprintable())
events = st.builds(
    Event,
    event_id=st.uuids().map(str),
    user_id=texts,
    product_id=texts,
    product_category=texts,
    event_type=st.sampled_from(EventType),
    timestamp_ms=st.integers(10_000, LATEST_MS),
    session_id=st.none() | texts,
    price_minor=st.none() | st.integers(-(2**63), 2**63 - 1),
    currency=st.none() | st.sampled_from(["EUR", "USD"]),
)


class Schemas:
    """The registry's answers, without a registry: ids 1 and 2 are the released versions."""

    def schema(self, schema_id: int) -> str:
        return schema_text(EVENTS, schema_id)


def avro_record(event: Event, version: int) -> dict[str, object]:
    record: dict[str, object] = event._asdict()
    record["timestamp"] = record.pop("timestamp_ms")
    if version == 1:
        for name in ("session_id", "price_minor", "currency"):
            del record[name]
    return record


def fastavro_body(event: Event, version: int) -> bytes:
    schema = json.loads(schema_text(EVENTS, version), object_hook=without_logical_type)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), avro_record(event, version))
    return out.getvalue()


def without_logical_type(node: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in node.items() if name != "logicalType"}


@given(events, st.sampled_from([1, 2]))
def test_the_fast_encoder_writes_the_bytes_of_fastavro(event: Event, version: int) -> None:
    encoded = EventEncoder(version, schema_id=7).encode(event)

    assert encoded == frame(7, fastavro_body(event, version))


@given(events)
def test_a_v2_event_comes_back_whole(event: Event) -> None:
    message = EventEncoder(2, schema_id=2).encode(event)

    assert EventDecoder(Schemas()).decode(message) == event


@given(events)
def test_a_v1_event_is_read_with_the_later_fields_empty(event: Event) -> None:
    message = EventEncoder(1, schema_id=1).encode(event)

    assert EventDecoder(Schemas()).decode(message) == event._replace(session_id=None, price_minor=None, currency=None)


@given(events)
def test_a_v1_reader_reads_a_v2_event(event: Event) -> None:
    writer, reader = (fastavro.parse_schema(json.loads(schema_text(EVENTS, version))) for version in (2, 1))
    _, body = unframe(EventEncoder(2, schema_id=2).encode(event._replace(timestamp_ms=1_700_000_000_000)))

    record = fastavro.schemaless_reader(io.BytesIO(body), writer, reader)

    assert isinstance(record, dict)
    assert "session_id" not in record
    assert record["user_id"] == event.user_id


def test_an_event_type_newer_than_the_reader_becomes_unknown() -> None:
    newer = json.loads(schema_text(EVENTS, 2))
    newer["fields"][4]["type"]["symbols"] = ["view", "add_to_cart", "purchase", "unknown", "wishlist"]
    event = Event("0" * 36, "u", "p", "c", EventType.VIEW, 1_700_000_000_000)
    record = avro_record(event, 2) | {"event_type": "wishlist"}
    out = io.BytesIO()
    fastavro.schemaless_writer(
        out, fastavro.parse_schema(json.loads(json.dumps(newer), object_hook=without_logical_type)), record
    )

    class Newer:
        def schema(self, schema_id: int) -> str:
            return json.dumps(newer)

    decoded = EventDecoder(Newer()).decode(frame(3, out.getvalue()))

    assert decoded == event._replace(event_type=EventType.UNKNOWN)


@given(events, st.sampled_from([1, 2]), st.data())
def test_a_truncated_body_is_refused(event: Event, version: int, data: st.DataObject) -> None:
    message = EventEncoder(version, schema_id=version).encode(event)
    cut = data.draw(st.integers(5, len(message) - 1))

    with pytest.raises(BadMessage):
        EventDecoder(Schemas()).decode(message[:cut])


@pytest.mark.parametrize("message", [b"", b"\x00\x00\x00\x01", b'{"event_id": 1}'])
def test_bytes_without_the_framing_are_refused(message: bytes) -> None:
    with pytest.raises(BadFrame):
        EventDecoder(Schemas()).decode(message)


instants = st.integers(0, LATEST_MS)
hot_windows = st.builds(
    HotWindow,
    product_id=texts,
    product_category=texts,
    window_start_ms=instants,
    window_end_ms=instants,
    views=st.integers(0, 2**40),
    purchases=st.integers(0, 2**40),
    closed=st.booleans(),
    newest_kafka_timestamp_ms=st.none() | instants,
)


class HotWindowSchemas:
    """A registry in which a version's number is its id."""

    def schema(self, schema_id: int) -> str:
        return schema_text(ALERTS, schema_id)


def v1_hot_window(window: HotWindow) -> bytes:
    """The message of a release that knows version 1 alone."""
    record = window._asdict() | {"window_start": window.window_start_ms, "window_end": window.window_end_ms}
    schema = json.loads(schema_text(ALERTS, 1), object_hook=without_logical_type)
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record)
    return frame(1, out.getvalue())


@given(hot_windows)
def test_a_hot_window_comes_back_whole(window: HotWindow) -> None:
    codec = HotWindowCodec(schema_id=2)
    message = codec.encode(window)

    assert codec.decode(message) == window
    assert HotWindowDecoder(HotWindowSchemas()).decode(message) == window


@given(hot_windows)
def test_a_v1_hot_window_is_read_with_the_later_field_empty(window: HotWindow) -> None:
    message = v1_hot_window(window)

    assert HotWindowDecoder(HotWindowSchemas()).decode(message) == window._replace(newest_kafka_timestamp_ms=None)


@given(hot_windows)
def test_a_v1_reader_reads_a_v2_hot_window(window: HotWindow) -> None:
    writer, reader = (
        fastavro.parse_schema(json.loads(schema_text(ALERTS, version), object_hook=without_logical_type))
        for version in (2, 1)
    )
    _, body = unframe(HotWindowCodec(schema_id=2).encode(window))

    record = fastavro.schemaless_reader(io.BytesIO(body), writer, reader)

    assert record == {
        "product_id": window.product_id,
        "product_category": window.product_category,
        "window_start": window.window_start_ms,
        "window_end": window.window_end_ms,
        "views": window.views,
        "purchases": window.purchases,
        "closed": window.closed,
    }
