"""Rows that are no events, kept with their number and reason, in a file that can be replayed once they are mended."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import orjson

from clickwatch_simulator.importing.rows import BadRow, Row
from clickwatch_simulator.importing.values import NULLS

_MARK = "set_aside"


class SetAside:
    """The file of such rows; it is made with the first of them."""

    def __init__(self, path: Path, header: Sequence[str] | None = None) -> None:
        """Write to `path`, one JSON object a row; an earlier run's file of that name goes.

        Args:
            path: the file.
            header: names of the columns of a CSV file; None: rows are JSON objects.
        """
        self.path = path
        self._header = header
        self._file: BinaryIO | None = None
        self._last: Row | None = None
        path.unlink(missing_ok=True)

    def add(self, row: Row, error: BadRow) -> None:
        """Keep a row; of several faults in one row the first."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("wb", buffering=1 << 16)
        if row is self._last:
            return
        self._last = row
        record: dict[str, object] = {
            _MARK: row.number,
            "reason": error.reason,
            "error": str(error),
            "text": _encodable(row.text),
        }
        if self._header is not None and not isinstance(row.values, BadRow | Mapping):
            record["columns"] = dict(zip(self._header, map(_encodable, row.values), strict=True))
        self._file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))

    def __enter__(self) -> "SetAside":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


def again(rows: Iterator[Row]) -> Iterator[Row]:
    """Return rows; one that was set aside comes back as what it was, with its text and so with its id."""
    for row in rows:
        values = row.values
        if not isinstance(values, dict) or _MARK not in values or "error" not in values:
            yield row
            continue
        text, columns = values.get("text"), values.get("columns")
        if isinstance(columns, dict) and isinstance(text, str):
            yield Row(row.number, text, {name: None if cell in NULLS else cell for name, cell in columns.items()})
        elif isinstance(text, str):
            yield Row(row.number, text, _object(text))
        else:
            yield row


def _object(text: str) -> Mapping[str, object] | BadRow:
    try:
        values = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return BadRow("not JSON", f"not JSON: {error}")
    return values if isinstance(values, dict) else BadRow("not JSON", "JSON, but not an object")


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
