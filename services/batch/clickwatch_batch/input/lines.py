"""What is wrong with a line that is no event, said to the person who has to mend it.

The engine decides which lines are malformed; this only explains its verdict.
"""

import json

from clickwatch_events.jsonl import shown, why_no_event

from clickwatch_batch.input.log_file import MAX_LINE_BYTES


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
        return f"JSON, but not an object: {shown(record)}"
    return why_no_event(record) or "no fault that can be named"
