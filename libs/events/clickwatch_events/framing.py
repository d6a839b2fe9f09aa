"""Confluent's wire format: a zero byte, the writer schema's id in four bytes, the Avro body."""

import struct

_HEADER = struct.Struct(">bI")


class BadFrame(ValueError):
    """The bytes do not start with a magic zero byte and a schema id."""


def frame(schema_id: int, body: bytes) -> bytes:
    """Return the message for an Avro body."""
    return _HEADER.pack(0, schema_id) + body


def unframe(message: bytes) -> tuple[int, bytes]:
    """Return the writer schema's id and the Avro body.

    Raises:
        BadFrame: the message is shorter than five bytes or its first byte is not zero.
    """
    if len(message) < _HEADER.size:
        raise BadFrame(f"a message of {len(message)} bytes has no room for the magic byte and the schema id")
    magic, schema_id = _HEADER.unpack_from(message)
    if magic != 0:
        raise BadFrame(f"the first byte is {magic & 0xFF:#04x}, not the magic byte 0x00")
    return schema_id, message[_HEADER.size :]
