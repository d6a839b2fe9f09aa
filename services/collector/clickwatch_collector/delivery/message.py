"""A message for Kafka, as it stands in memory and in the spool."""

import msgspec


class Message(msgspec.Struct, frozen=True, array_like=True):
    """What is sent.

    Attributes:
        topic: where to.
        key: the record's key.
        value: its value, as Kafka holds it.
        headers: names and texts, for dead letters.
    """

    topic: str
    key: bytes | None
    value: bytes
    headers: tuple[tuple[str, str], ...] = ()


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Message)


def to_bytes(message: Message) -> bytes:
    """Return a message as the spool holds it."""
    return _encoder.encode(message)


def from_bytes(data: bytes) -> Message:
    """Return the message of a spool's frame.

    Raises:
        msgspec.DecodeError: it is none.
    """
    return _decoder.decode(data)
