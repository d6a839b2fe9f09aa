"""Golden bytes: encoded records of a released version that every later release must decode.

They are written by Apache Avro's own writer, which none of our codecs uses.
"""

import io
import json
from collections.abc import Iterator
from typing import Any, TypeAlias

import avro.io
import avro.schema

# Schemas and records are trees of whatever JSON holds, hence Any.
Node: TypeAlias = Any

_TEXTS = ("", " ", "\0", "x" * 200, "naïve – 日本語 😀 e\u0301 \u202eabc", '"quoted"\\\n\t')
_UUIDS = (
    "0" * 8 + "-0000" * 3 + "-" + "0" * 12,
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "6F9619FF-8B86-4D01-B42D-00CF4FC964FF",
)
_INTS = (0, -1, 63, 64, -64, -65, 2**31 - 1, -(2**31))
_LONGS = (*_INTS, 2**31, 2**63 - 1, -(2**63))
# What our readers take for an instant: from 1970 to the end of the year 9999.
_MILLIS = (0, 1, 8191, 8192, 1_748_779_200_123, 253_402_300_799_999)
_EDGES: dict[str, tuple[Node, ...]] = {
    "null": (None,),
    "boolean": (False, True),
    "int": _INTS,
    "long": _LONGS,
    "float": (0.0, -1.5, 2.0**100),
    "double": (0.0, -1.5, 1e300, 5e-324),
    "bytes": ("", "\x00\xff"),
    "string": _TEXTS,
}
_LOGICAL_EDGES: dict[str, tuple[Node, ...]] = {
    "uuid": _UUIDS,
    "timestamp-millis": _MILLIS,
    "timestamp-micros": tuple(value * 1000 for value in _MILLIS),
    "date": (0, 1, 20_240, 2_932_896),
}
_TYPICAL: dict[str, Node] = {
    "uuid": "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    "timestamp-millis": 1_748_779_200_123,
    "timestamp-micros": 1_748_779_200_123_000,
    "string": "text",
    "long": 3579,
    "int": 7,
}


def golden_lines(schema_text: str) -> Iterator[str]:
    """Yield the lines of a version's golden file: one record each, a field at one of its edges.

    `avro` is the bare body in hexadecimal, without framing; `record` is what it must decode to,
    logical types as their base type (instants in milliseconds).
    """
    plain = json.loads(schema_text, object_hook=_without_logical_type)
    writer = avro.io.DatumWriter(avro.schema.parse(json.dumps(plain)))
    for case, record in golden_records(json.loads(schema_text)):
        out = io.BytesIO()
        writer.write(record, avro.io.BinaryEncoder(out))
        yield json.dumps({"case": case, "avro": out.getvalue().hex(), "record": record})


def golden_records(schema: Node) -> Iterator[tuple[str, Node]]:
    """Yield named records of a record schema: a typical one, then each field at each of its edges, then all at once."""
    typical = {field["name"]: _typical(field["type"]) for field in schema["fields"]}
    edges = {field["name"]: list(_edges(field["type"])) for field in schema["fields"]}
    yield "typical", typical
    for name, values in edges.items():
        for number, value in enumerate(values, start=1):
            yield f"{name}, edge {number} of {len(values)}", typical | {name: value}
    yield "the first edge of every field", {name: values[0] for name, values in edges.items()}
    yield "the last edge of every field", {name: values[-1] for name, values in edges.items()}


def _edges(kind: Node) -> Iterator[Node]:
    if isinstance(kind, list):
        for branch in kind:
            yield from _edges(branch)
    elif isinstance(kind, str):
        yield from _EDGES[kind]
    elif kind.get("logicalType") in _LOGICAL_EDGES:
        yield from _LOGICAL_EDGES[kind["logicalType"]]
    elif kind["type"] == "enum":
        yield from kind["symbols"]
    elif kind["type"] == "record":
        yield from (record for _, record in golden_records(kind))
    elif kind["type"] == "array":
        yield from ([], [_typical(kind["items"])], list(_edges(kind["items"])))
    elif kind["type"] == "map":
        yield from ({}, {"": _typical(kind["values"])}, {"key é": _typical(kind["values"])})
    else:
        yield from _edges(kind["type"])


def _typical(kind: Node) -> Node:
    if isinstance(kind, list):
        return _typical(next((branch for branch in kind if branch != "null"), "null"))
    name = kind if isinstance(kind, str) else kind.get("logicalType", kind["type"])
    return _TYPICAL[name] if name in _TYPICAL else next(_edges(kind))


def _without_logical_type(node: dict[str, Node]) -> dict[str, Node]:
    return {name: value for name, value in node.items() if name != "logicalType"}
