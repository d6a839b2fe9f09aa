"""Messages that nobody can decode or trust, and log lines that nobody can parse."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from clickwatch_events import Event, frame


class PoisonKind(StrEnum):
    """What is wrong with a message."""

    EMPTY_VALUE = "empty_value"
    NULL_VALUE = "null_value"
    BAD_MAGIC = "bad_magic"
    TOO_SHORT = "too_short"
    UNKNOWN_SCHEMA_ID = "unknown_schema_id"
    TRUNCATED_BODY = "truncated_body"
    PLAIN_JSON = "plain_json"
    HUGE_SCHEMA_ID = "huge_schema_id"
    NEGATIVE_LENGTH = "negative_length"
    GARBAGE_BODY = "garbage_body"


KINDS = tuple(PoisonKind)

REASON = {
    PoisonKind.EMPTY_VALUE: "empty_value",
    PoisonKind.NULL_VALUE: "empty_value",
    PoisonKind.BAD_MAGIC: "bad_framing",
    PoisonKind.TOO_SHORT: "bad_framing",
    PoisonKind.UNKNOWN_SCHEMA_ID: "unknown_schema_id",
    PoisonKind.TRUNCATED_BODY: "undecodable_body",
    PoisonKind.PLAIN_JSON: "bad_framing",
    PoisonKind.HUGE_SCHEMA_ID: "unknown_schema_id",
    PoisonKind.NEGATIVE_LENGTH: "undecodable_body",
    PoisonKind.GARBAGE_BODY: "undecodable_body",
}
"""Why the speed layer must refuse it (dead letters: spec, speed layer)."""

FIRST_UNKNOWN_SCHEMA_ID = 2_000_000_000
"""No registry hands out ids so high: they count from 1."""


class Poison(NamedTuple):
    """One bad message and the bad line that stands for it in the log.

    Attributes:
        kind: what is wrong with the message.
        key: message key, a user as for any event.
        value: message value; None is Kafka's null.
        line: the log line, newline included.
        timestamp_ms: when it is sent, event time; the day of its log line.
    """

    kind: PoisonKind
    key: str
    value: bytes | None
    line: bytes
    timestamp_ms: int


class Refused(NamedTuple):
    """A message whose values break a limit, as a shop's file holds it; the log has no line of it.

    Attributes:
        event: its values.
        key: message key.
        timestamp_ms: when it is sent, event time.
    """

    event: Event
    key: str
    timestamp_ms: int


REFUSED_REASON = "invalid_field"
"""Why the speed layer must refuse it."""


@dataclass(frozen=True)
class Sound:
    """A good message to spoil.

    Attributes:
        message: framed, as the encoder wrote it.
        line: its log line.
        key: its key.
    """

    message: bytes
    line: bytes
    key: str


def poison(kind: PoisonKind, sound: Sound, timestamp_ms: int, rng: np.random.Generator) -> Poison:
    """Return a message of this kind.

    A truncated body always ends inside a field: an Avro record has no end mark, but each field
    takes a byte at least, so a reader of any shorter prefix runs out of bytes. A huge schema id is
    above what a registry's signed number can be; garbage is a number that does not end.
    """
    values: dict[PoisonKind, Callable[[], bytes | None]] = {
        PoisonKind.EMPTY_VALUE: lambda: b"",
        PoisonKind.NULL_VALUE: lambda: None,
        PoisonKind.BAD_MAGIC: lambda: bytes([int(rng.integers(1, 256))]) + sound.message[1:],
        PoisonKind.TOO_SHORT: lambda: sound.message[: int(rng.integers(1, 5))],
        PoisonKind.UNKNOWN_SCHEMA_ID: lambda: frame(
            FIRST_UNKNOWN_SCHEMA_ID + int(rng.integers(1000)), sound.message[5:]
        ),
        PoisonKind.TRUNCATED_BODY: lambda: sound.message[: int(rng.integers(5, len(sound.message)))],
        PoisonKind.PLAIN_JSON: lambda: sound.line.rstrip(),
        PoisonKind.HUGE_SCHEMA_ID: lambda: frame(int(rng.integers(2**31, 2**32)), sound.message[5:]),
        PoisonKind.NEGATIVE_LENGTH: lambda: sound.message[:5] + b"\x01" + sound.message[6:],
        PoisonKind.GARBAGE_BODY: lambda: sound.message[:5] + b"\xff" * int(rng.integers(11, 64)),
    }
    lines = (
        sound.line[: int(rng.integers(1, len(sound.line) - 2))] + b"\n",
        b"java.lang.NullPointerException: cart\n",
        sound.line.replace(b'"product_id"', b'"produkt"'),
        sound.line.replace(b'"timestamp":"', b'"timestamp":"about '),
    )
    return Poison(kind, sound.key, values[kind](), lines[int(rng.integers(len(lines)))], timestamp_ms)
