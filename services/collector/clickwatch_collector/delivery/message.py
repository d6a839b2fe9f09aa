"""A message for Kafka, as it stands in memory and in the spool."""

import msgspec


class Message(msgspec.Struct, frozen=True, array_like=True):
    """What is sent.

    Attributes:
        topic: where to.
        key: the record's key.
        value: its value, as Kafka holds it; None where it was too large for its topic.
        headers: names and texts, for dead letters.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, str], ...] = ()

    def without_value(self) -> "Message":
        """Return a dead letter for a topic that does not take messages of this size; its headers say the rest."""
        words = f"value of {len(self.value or b'')} bytes left out, larger than the topic takes"
        headers = tuple((name, f"{text}; {words}" if name == "detail" else text) for name, text in self.headers)
        return Message(self.topic, self.key, None, headers)


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
