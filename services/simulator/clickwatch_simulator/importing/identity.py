"""The id of an imported event: the shop's own, or one that follows from the row."""

import re
import uuid
from hashlib import sha1

_NAMESPACE = uuid.UUID("6f0dd0f4-7a34-5c0b-9d5a-2f6f1a4c9b11").bytes
"""Of the ids of replayed rows; a change would give every replayed event a new identity."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def id_of_text(text: str) -> str:
    """Return the version 5 UUID of a text in our namespace, as `uuid.uuid5` does, in a third of the time."""
    digest = sha1(_NAMESPACE + text.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"


def id_of_row(text: str, shift_ms: int, index: int) -> str:
    """Return the id that follows from a row's text, how far it was moved in time, and the element in it."""
    name = f"{text}\n{shift_ms / 1000}" if shift_ms else text
    return id_of_text(f"{name}\n#{index}" if index else name)


def as_uuid(given: str) -> str:
    """Return an id as a UUID in its one spelling; an id of another form gets one that follows from it."""
    if _UUID.fullmatch(given):
        return given
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return id_of_text(f"id {given}")
