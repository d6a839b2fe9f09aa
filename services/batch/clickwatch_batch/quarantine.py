"""Lines that are no event, kept aside with their number and what is wrong with them."""

import json
from collections.abc import Iterable
from datetime import date

from clickwatch_batch.lines import why_malformed
from clickwatch_batch.storage import Location

_MAX_TEXT = 2000


def quarantine_file(quarantine: Location, day: date) -> Location:
    """Return where the malformed lines of a day are kept."""
    return quarantine / f"malformed_{day}.jsonl"


def keep_aside(file: Location, lines: Iterable[tuple[int, bytes]]) -> int:
    """Write number, error and text of each line; return how many there were.

    What an earlier run kept aside is replaced; without any line no file is left. A text is cut after
    2,000 characters, bytes that are not UTF-8 are shown in hexadecimal.
    """
    written = 0
    with file.replacing() as out:
        for number, line in lines:
            text = line[: 4 * _MAX_TEXT].decode("utf-8", errors="backslashreplace")[:_MAX_TEXT]
            entry = {"line": number, "error": why_malformed(line), "text": text}
            out.write(json.dumps(entry, ensure_ascii=False) + "\n")
            written += 1
    if written == 0:
        file.remove()
    return written
