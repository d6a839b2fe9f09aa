"""Events and hot windows as Avro in Confluent's framing."""

import io
import json
from collections.abc import Callable
from typing import Any, Protocol

import fastavro
import fastavro.read
from fastavro.schema import SchemaParseException
from fastavro.types import Schema

from clickwatch_events.event import Event, EventType, HotWindow
from clickwatch_events.framing import frame, unframe
from clickwatch_events.schemas import ALERTS, EVENTS, released_versions, schema_text

READER_VERSION = 2
"""The version this release reads events as, with what `reader_text` adds."""

_READ_BESIDE = ("quantity", "is_bot")
_TYPES_READ_BESIDE = ("refund",)

HOT_WINDOW_VERSION = 2
"""The version this release writes hot windows in, and reads them as."""


def reader_text() -> str:
    """Return the reader schema: READER_VERSION, and of the newest version what figures are made of.

    That is how many pieces were bought, whether a bot did it, and that it is a refund. Every other new type is read
    as `unknown`.
    """
    read = json.loads(schema_text(EVENTS, READER_VERSION))
    newest = json.loads(schema_text(EVENTS, max(released_versions(EVENTS))))
    read["fields"] += [field for field in newest["fields"] if field["name"] in _READ_BESIDE]
    for field in read["fields"]:
        if field["name"] == "event_type":
            field["type"]["symbols"] += _TYPES_READ_BESIDE
    return json.dumps(read)


class BadMessage(ValueError):
    """The body cannot be decoded with the schema it says it was written with."""


class WriterSchemas(Protocol):
    """Where the schema of an id is found: a registry, or a fake one in tests."""

    def schema(self, schema_id: int) -> str:
        """Return the schema's text."""
        ...


def _zigzag(value: int) -> bytes:
    """Return an Avro long."""
    return _varint((value << 1) ^ (value >> 63))


def _varint(value: int) -> bytes:
    """Return seven bits a byte, lowest first, the high bit set on all but the last byte."""
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _text(value: str) -> bytes:
    raw = value.encode()
    return _zigzag(len(raw)) + raw


_BLOCK_BITS = 13
_BLOCK_MASK = (1 << _BLOCK_BITS) - 1
# An epoch in milliseconds takes six bytes: two that change all the time, four that change every 8 s.
_TIME_IN_BLOCK = [bytes([(ms << 1) & 0x7F | 0x80, ms >> 6 | 0x80]) for ms in range(1 << _BLOCK_BITS)]


class _Cache(dict[str | None, bytes]):
    """Encoded forms of values that come back often; forgotten as a whole when it grows large."""

    def __init__(self, encode: Callable[[str], bytes], null: bytes | None = None) -> None:
        super().__init__()
        self._encode = encode
        self._null = null

    def __missing__(self, value: str | None) -> bytes:
        if len(self) > 200_000:
            self.clear()
        encoded = self._null if value is None and self._null is not None else self._encode(value or "")
        self[value] = encoded
        return encoded


class EventEncoder:
    """Turns events into Kafka message values of one schema version.

    It writes the bytes of the two released schemas itself and keeps the encoded form of
    values that repeat (users, products, sessions), which is three times as fast as a general
    writer (tests/bench/codec.py); a property test holds it equal to fastavro byte for byte.
    """

    def __init__(self, version: int, schema_id: int) -> None:
        """Write `version` (1 or 2), registered as `schema_id`."""
        if version not in (1, 2):
            raise ValueError(f"event schema version {version} is not one this encoder writes (1, 2)")
        self._prefix = frame(schema_id, b"") + _zigzag(36)
        self._texts = _Cache(_text)
        self._optional_texts = _Cache(lambda value: b"\x02" + _text(value), null=b"\x00")
        self._types = {kind: _zigzag(index) for index, kind in enumerate(EventType)}
        self._with_session = version == 2
        self._blocks: dict[int, bytes] = {}
        self._prices: dict[int | None, bytes] = {None: b"\x00"}

    def encode(self, event: Event) -> bytes:
        """Return the framed message.

        Raises:
            ValueError: the event id is not 36 characters long.
        """
        event_id, user_id, product_id, category, kind, timestamp_ms, session_id, price, currency = event
        if len(event_id) != 36:
            raise ValueError(f"event_id {event_id!r} is no UUID in text form")
        texts = self._texts
        block = timestamp_ms >> _BLOCK_BITS
        block_bytes = self._blocks.get(block) or self._remember_block(block)
        parts = (
            self._prefix,
            event_id.encode(),
            texts[user_id],
            texts[product_id],
            texts[category],
            self._types[kind],
            _TIME_IN_BLOCK[timestamp_ms & _BLOCK_MASK],
            block_bytes,
        )
        if not self._with_session:
            return b"".join(parts)
        price_bytes = self._prices.get(price) or self._remember_price(price)
        return b"".join((*parts, self._optional_texts[session_id], price_bytes, self._optional_texts[currency]))

    def _remember_block(self, block: int) -> bytes:
        if block < 1:
            raise ValueError(f"an event in the first seconds of 1970 or before it: block {block} of 8 s")
        if len(self._blocks) > 100_000:
            self._blocks.clear()
        self._blocks[block] = _varint(block)
        return self._blocks[block]

    def _remember_price(self, price: int | None) -> bytes:
        assert price is not None
        if len(self._prices) > 200_000:
            self._prices = {None: b"\x00"}
        self._prices[price] = b"\x02" + _zigzag(price)
        return self._prices[price]


def parsed_schema(text: str) -> Schema:
    """Return the schema without logical types: milliseconds stay whole numbers, ids stay text."""
    try:
        return fastavro.parse_schema(json.loads(text, object_hook=_without_logical_type))
    except (SchemaParseException, ValueError) as error:
        raise BadMessage(f"the writer schema is no Avro schema: {error}") from error


def _without_logical_type(node: dict[str, object]) -> dict[str, object]:
    node.pop("logicalType", None)
    return node


def read_record(body: bytes, writer: Schema, reader: Schema, unicode_errors: str = "strict") -> dict[str, Any]:
    """Return the record that a body holds, as the reader's schema has it.

    Raises:
        BadMessage: the body cannot be decoded.
    """
    # fastavro's records are dicts of whatever the schema says, hence Any.
    try:
        record = fastavro.schemaless_reader(io.BytesIO(body), writer, reader, handle_unicode_errors=unicode_errors)
    except (EOFError, ValueError, IndexError, OverflowError, MemoryError, fastavro.read.SchemaResolutionError) as error:
        raise BadMessage(f"{len(body)} bytes that are not a record of its writer schema: {error!r}") from error
    if not isinstance(record, dict):
        raise BadMessage(f"the writer schema describes a {type(record).__name__}, not a record")
    return record


def writer_schemas(registry: WriterSchemas) -> dict[int, Schema]:
    """Return the schemas of a registry by id, each looked up when it is first asked for."""
    return _Writers(registry)


class _Writers(dict[int, Schema]):
    """Schemas by id, each looked up when it is first asked for."""

    def __init__(self, registry: WriterSchemas) -> None:
        super().__init__()
        self._registry = registry

    def __missing__(self, schema_id: int) -> Schema:
        schema = parsed_schema(self._registry.schema(schema_id))
        self[schema_id] = schema
        return schema


class EventDecoder:
    """Turns Kafka message values into events, each by the schema it was written with."""

    def __init__(self, registry: WriterSchemas) -> None:
        """Look writer schemas up in `registry`, once each."""
        self._writers = _Writers(registry)
        self._reader = parsed_schema(reader_text())

    def decode(self, message: bytes) -> Event:
        """Return the event of a message; see `decode_with_quantity`."""
        return self.decode_with_quantity(message)[0]

    def decode_with_quantity(self, message: bytes) -> tuple[Event, int | None]:
        """Return the event as this release reads it, and its quantity. Whether they are events, `limits` says.

        Bytes of a text that are no UTF-8 come back as half surrogates, which the contract refuses.

        Raises:
            BadFrame: the message is not in Confluent's framing.
            BadMessage: the body cannot be decoded.
            LookupError: the registry has no schema of that id.
        """
        schema_id, body = unframe(message)
        record = read_record(body, self._writers[schema_id], self._reader, unicode_errors="surrogateescape")
        kind = record["event_type"]
        event = Event(
            record["event_id"],
            record["user_id"],
            record["product_id"],
            record["product_category"],
            EventType.UNKNOWN if kind in _TYPES_READ_BESIDE else EventType(kind),
            record["timestamp"],
            record["session_id"],
            record["price_minor"],
            record["currency"],
        )
        return event, record["quantity"]


class HotWindowCodec:
    """Hot windows as this release writes them to topic flash-sale-alerts."""

    def __init__(self, schema_id: int) -> None:
        """Write HOT_WINDOW_VERSION, registered as `schema_id`."""
        self._schema = parsed_schema(schema_text(ALERTS, HOT_WINDOW_VERSION))
        self._schema_id = schema_id

    def encode(self, window: HotWindow) -> bytes:
        """Return the framed message."""
        out = io.BytesIO()
        record = window._asdict()
        for name in _INSTANTS:
            record[name] = record.pop(f"{name}_ms")
        fastavro.schemaless_writer(out, self._schema, record)
        return frame(self._schema_id, out.getvalue())

    def decode(self, message: bytes) -> HotWindow:
        """Return the window of a framed message that this release wrote.

        Raises:
            BadFrame: the message is not in Confluent's framing.
            BadMessage: the body cannot be decoded.
        """
        _, body = unframe(message)
        return _hot_window(read_record(body, self._schema, self._schema))


class HotWindowDecoder:
    """Turns values of topic flash-sale-alerts into hot windows, each by the schema it was written with."""

    def __init__(self, registry: WriterSchemas) -> None:
        """Look writer schemas up in `registry`, once each."""
        self._writers = _Writers(registry)
        self._reader = parsed_schema(schema_text(ALERTS, HOT_WINDOW_VERSION))

    def decode(self, message: bytes) -> HotWindow:
        """Return the window as this release reads it.

        Raises:
            BadFrame: the message is not in Confluent's framing.
            BadMessage: the body cannot be decoded.
            LookupError: the registry has no schema of that id.
        """
        schema_id, body = unframe(message)
        return _hot_window(read_record(body, self._writers[schema_id], self._reader))


_INSTANTS = ("window_start", "window_end", "newest_kafka_timestamp")


def _hot_window(record: dict[str, Any]) -> HotWindow:
    return HotWindow(
        record["product_id"],
        record["product_category"],
        record["window_start"],
        record["window_end"],
        record["views"],
        record["purchases"],
        record["closed"],
        record["newest_kafka_timestamp"],
    )
