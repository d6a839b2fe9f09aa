"""What is wrong with a line that is no event, said to the person who has to mend it.

The engine decides which lines are malformed; this only explains its verdict.
"""

import json
import re
from collections.abc import Mapping

from clickwatch_batch.log_file import MAX_LINE_BYTES

MAX_TEXT_BYTES = 1024
MAX_PRICE_DIGITS = 15

_REQUIRED = ("user_id", "product_id", "product_category", "event_type", "timestamp")
_OPTIONAL_TEXT = ("event_id", "currency")
_OFFSET = re.compile(r"\d:\d\d.*(Z|[+-]\d\d(:?\d\d)?)$")


def why_malformed(line: bytes) -> str:
    """Return the first thing that keeps a line from being an event."""
    if len(line) > MAX_LINE_BYTES:
        return f"longer than {MAX_LINE_BYTES} bytes"
    if not line.strip():
        return "empty line"
    if b"\0" in line:
        return "holds NUL bytes"
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"not UTF-8 at byte {error.start + 1}"
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    if not isinstance(record, dict):
        return f"JSON, but not an object: {_shown(record)}"
    return _why_no_event(record)


def _why_no_event(record: Mapping[str, object]) -> str:
    for name in _REQUIRED:
        if name not in record or record[name] is None:
            return f"field {name} is missing"
    for name in (*_REQUIRED, *_OPTIONAL_TEXT):
        value = record.get(name)
        if value is None:
            continue
        if not isinstance(value, str):
            return f"field {name} is {_shown(value)}, must be text"
        if "\0" in value:
            return f"field {name} holds a NUL character"
        if len(value.encode("utf-8", errors="replace")) > MAX_TEXT_BYTES:
            return f"field {name} is longer than {MAX_TEXT_BYTES} bytes"
    price = record.get("price_minor")
    if price is not None:
        if isinstance(price, bool) or not isinstance(price, int):
            return f"field price_minor is {_shown(price)}, must be a whole number"
        if abs(price) >= 10**MAX_PRICE_DIGITS:
            return f"field price_minor is {price}, must have at most {MAX_PRICE_DIGITS} digits"
    timestamp = str(record["timestamp"])
    if not _OFFSET.search(timestamp):
        return f"field timestamp is {_shown(timestamp)}, must carry an offset such as Z or +02:00"
    return f"field timestamp is {_shown(timestamp)}, must be ISO-8601 such as 2025-06-01T12:00:00Z"


def _shown(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:60] + "…"
