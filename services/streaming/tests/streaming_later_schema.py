"""A version of the events' schema that no release has: one optional field more, and one event type more."""

import json
from typing import Any

from clickwatch_events import Event, frame
from clickwatch_events.avro import EventEncoder, reader_text
from clickwatch_events.schemas import EVENTS, schema_text

_UNFRAMED = 5
_WISH = 4
"""Place of the new event type, after the four that are released."""


def later_schema() -> str:
    """Return version 2 with field `channel` and event type `wish`."""
    schema = _with_wish(schema_text(EVENTS, 2))
    schema["fields"].append({"name": "channel", "type": ["null", "string"], "default": None, "doc": "app or web"})
    return json.dumps(schema)


def later_reader() -> str:
    """Return the reader schema of a release that knows event type `wish`."""
    return json.dumps(_with_wish(reader_text()))


def _with_wish(text: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(text)
    for field in schema["fields"]:
        if field["name"] == "event_type":
            field["type"]["symbols"].append("wish")
    return schema


class LaterEncoder:
    """Turns events into messages of that version."""

    def __init__(self, schema_id: int) -> None:
        """Frame with `schema_id`."""
        self._schema_id = schema_id
        self._encoder = EventEncoder(2, schema_id)

    def encode(self, event: Event, *, channel: bytes = b"app") -> bytes:
        """Return the message; its bytes are those of version 2 and the new field."""
        return self._encoder.encode(event) + b"\x02" + bytes([len(channel) << 1]) + channel

    def wish(self, event: Event) -> bytes:
        """Return a message of the new event type, which readers of version 2 know as `unknown`."""
        texts = (event.event_id, event.user_id, event.product_id, event.product_category)
        at = _UNFRAMED + sum(1 + len(text.encode()) for text in texts)
        message = bytearray(self.encode(event))
        message[at] = _WISH << 1
        return frame(self._schema_id, bytes(message[_UNFRAMED:]))
