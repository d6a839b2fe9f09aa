"""One dead letter for a person to read: where it was, its bytes, and as much of it as can be decoded."""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

import fastavro
import fastavro.read
from clickwatch_events.registry import NotRegistered, RegistryUnavailable
from clickwatch_events.schemas import EVENTS, released_versions, schema_text
from clickwatch_service.shown import one_line, shown, visible_json
from fastavro.types import Schema

from clickwatch_streaming.dead_letters.stored import StoredLetter
from clickwatch_streaming.events.decode import HEADER_BYTES
from clickwatch_streaming.events.writer_schemas import HIGHEST_ID, SchemaSource

_BYTES_A_LINE = 16
_UNREADABLE = (
    EOFError,
    ValueError,
    IndexError,
    OverflowError,
    MemoryError,
    fastavro.read.SchemaResolutionError,
)


def explained(letter: StoredLetter, schemas: SchemaSource, most_bytes: int | None = 512) -> Iterator[str]:
    """Yield lines that say all there is to know of a dead letter; `most_bytes` of it as hex.

    What the message and its headers hold is shown so that it acts on no terminal.
    """
    yield f"dead letter {letter.position}"
    yield f"reason      {shown(letter.reason)}" + (f" ({shown(letter.detail)})" if letter.detail else "")
    yield f"origin      {shown(letter.topic)} partition {letter.partition} offset {letter.offset}"
    yield f"arrived     {letter.arrived:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"
    if letter.replays:
        yield f"replays     {letter.replays}, the last from dead letter {letter.replayed_from or 'that is not named'}"
    yield f"key         {_text(letter.key)}"
    value = letter.value
    if value is None:
        yield "value       null"
        return
    yield f"value       {len(value)} bytes"
    head = value if most_bytes is None else value[:most_bytes]
    yield from hex_lines(head)
    if len(head) < len(value):
        yield f"            … {len(value) - len(head)} bytes more (--all shows them)"
    yield from _decoded(value, schemas)


def hex_lines(value: bytes) -> Iterator[str]:
    """Yield bytes as offset, hex and printable text, sixteen a line."""
    for start in range(0, len(value), _BYTES_A_LINE):
        line = value[start : start + _BYTES_A_LINE]
        printable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in line)
        yield f"  {start:08x}  {line.hex(' '):<{_BYTES_A_LINE * 3 - 1}}  {printable}"


def _text(key: bytes | None) -> str:
    if key is None:
        return "null"
    try:
        text = key.decode()
    except UnicodeDecodeError:
        return f"0x{key.hex()}"
    return shown(text)


def _decoded(value: bytes, schemas: SchemaSource) -> Iterator[str]:
    if not value:
        return
    if len(value) < HEADER_BYTES or value[0] != 0:
        yield "framing     none: a framed message begins with a byte 0 and four bytes of schema id"
        yield from _as_json(value)
        return
    schema_id, body = int.from_bytes(value[1:HEADER_BYTES], "big"), value[HEADER_BYTES:]
    yield f"framing     schema id {schema_id}, body of {len(body)} bytes"
    try:
        if schema_id > HIGHEST_ID:
            raise NotRegistered
        text = schemas.schema(schema_id)
    except NotRegistered:
        yield "schema      not registered"
        yield from _guesses(body)
    except RegistryUnavailable as error:
        yield f"schema      not known: {one_line(str(error))}"
        yield from _guesses(body)
    else:
        yield from _fields(body, text)


def _as_json(value: bytes) -> Iterator[str]:
    try:
        found = json.loads(value)
    except ValueError:
        return
    yield f"as JSON     {visible_json(json.dumps(found, ensure_ascii=False))}"


def _guesses(body: bytes) -> Iterator[str]:
    """Yield what the body is where it fits a released version to its last byte."""
    for version in reversed(released_versions(EVENTS)):
        lines = list(_fields(body, schema_text(EVENTS, version)))
        if not any(line.startswith(("stopped", "left over")) for line in lines):
            yield f"fits        version {version} of {EVENTS}, to the last byte:"
            yield from lines
            return


def _fields(body: bytes, text: str) -> Iterator[str]:
    """Yield a record field by field, up to the one that cannot be read."""
    try:
        schema = json.loads(text)
        named: dict[str, dict[Any, Any]] = {}  # as fastavro types it
        fastavro.parse_schema(json.loads(text), named_schemas=named)
    except (ValueError, fastavro.schema.SchemaParseException) as error:
        yield f"stopped     the schema is no Avro schema: {one_line(str(error))}"
        return
    if not isinstance(schema, Mapping) or "fields" not in schema:
        yield "stopped     the schema describes no record"
        return
    yield one_line(f"schema      {schema.get('namespace', '')}.{schema.get('name')}".replace(" .", " "))
    stream = io.BytesIO(body)
    for field in schema["fields"]:
        before = stream.tell()
        try:
            read = fastavro.schemaless_reader(stream, _alone(field["type"], named), None)
        except _UNREADABLE as error:
            reason = f"at field {field['name']}, byte {HEADER_BYTES + before}: {error or type(error).__name__}"
            yield f"stopped     {one_line(reason)}"
            return
        yield f"  {one_line(field['name']):<18} {shown(read)}"
    left = len(body) - stream.tell()
    if left:
        yield f"left over   {left} bytes after the last field"


def _alone(field_type: object, named: dict[str, dict[Any, Any]]) -> Schema:
    """Return a field's type as a schema that stands without its record."""
    if isinstance(field_type, str) and field_type in named:
        return named[field_type]
    known = {name: schema for name, schema in named.items() if name != _name(field_type)}
    return fastavro.parse_schema(field_type, named_schemas=known)  # type: ignore[arg-type]  # JSON of a schema


def _name(field_type: object) -> str:
    return str(field_type.get("name", "")) if isinstance(field_type, Mapping) else ""
