"""What is kept aside: lines that are no event, and rows that the database refused, each with what is wrong."""

import json
from collections.abc import Iterable, Sequence
from datetime import date

from clickwatch_service.shown import visible_json

from clickwatch_batch.input.lines import why_malformed
from clickwatch_batch.input.storage import Location
from clickwatch_batch.serving.day_tables import RefusedRow

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
            out.write(visible_json(json.dumps(entry, ensure_ascii=False)) + "\n")
            written += 1
    if written == 0:
        file.remove()
    return written


def refused_file(quarantine: Location, day: date) -> Location:
    """Return where the rows of a day are kept that a table of the database refused."""
    return quarantine / f"refused_{day}.jsonl"


def keep_refused_rows(file: Location, refused: Sequence[RefusedRow]) -> None:
    """Write table, row and the database's words for each row that was refused; without any no file is left."""
    if not refused:
        file.remove()
        return
    with file.replacing() as out:
        for each in refused:
            out.write(visible_json(json.dumps(each._asdict(), ensure_ascii=False, default=str)) + "\n")
