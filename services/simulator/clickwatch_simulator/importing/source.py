"""A file looked at before anything is sent: packing, encoding, layout, and whether its columns are there."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from clickwatch_events.limits import LATEST_MS
from clickwatch_events.times import BadTime, instant_ms
from clickwatch_service import UserError
from clickwatch_service.shown import shown

from clickwatch_simulator.importing.csv_rows import DELIMITERS, csv_layout, csv_rows
from clickwatch_simulator.importing.json_rows import document_rows, has_a_value_a_line, line_rows
from clickwatch_simulator.importing.mappings import REQUIRED, RowMapping
from clickwatch_simulator.importing.opening import DAMAGE, Opened, opened
from clickwatch_simulator.importing.paths import names_in
from clickwatch_simulator.importing.rows import BadRow, Row
from clickwatch_simulator.importing.set_aside import again

_NAMES_SHOWN = 30
_WIDTH_OF_A_NAME = 40


class RowFormat(StrEnum):
    """How a file holds its rows."""

    AUTO = "auto"
    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"


_WORDS = {RowFormat.JSONL: "JSON lines", RowFormat.JSON: "JSON objects"}


@dataclass(frozen=True)
class Source:
    """A file whose rows can be read.

    Attributes:
        rows: its rows; broken ones carry their error.
        header: names of its columns; None: rows are JSON objects.
        unit: what its rows' numbers count: line or object.
        description: what the file was found to be, for people.
        encoding: its encoding's name.
        encoding_is_guessed: whether its bytes only fit the encoding and do not prove it.
    """

    rows: Iterator[Row]
    header: Sequence[str] | None
    unit: str
    description: str
    encoding: str
    encoding_is_guessed: bool


@contextmanager
def source(
    path: Path,
    mapping: RowMapping,
    row_format: RowFormat = RowFormat.AUTO,
    header: list[str] | None = None,
    encoding: str | None = None,
) -> Iterator[Source]:
    """Look at a file and open it for the length of the block.

    Args:
        path: the file.
        mapping: its columns must be in the header.
        row_format: how it holds its rows; AUTO: its content tells.
        header: names of its columns, where it has no line of them.
        encoding: its encoding, where its content does not tell.

    Raises:
        UserError: it cannot be read, or a column that the mapping needs is not there.
    """
    with opened(path, encoding) as file:
        found = _format(file.sample) if row_format is RowFormat.AUTO else row_format
        names: Sequence[str] | None = None
        if found is RowFormat.CSV:
            columns = mapping.columns
            wanted = {name.strip() for column in columns.values() for name in (column, *column.split(","))}
            layout = csv_layout(file.sample, wanted, header)
            names = layout.header
            _check(path, mapping, layout.header)
            rows = csv_rows(file.text, layout)
            words = f"CSV, {DELIMITERS.get(layout.delimiter, repr(layout.delimiter))} between values"
        else:
            rows = line_rows(file.text) if found is RowFormat.JSONL else document_rows(file.text)
            words = _WORDS[found]
        packed = f", {file.packing}" if file.packing else ""
        description = f"{words}, {file.encoding}{packed}"
        unit = "object" if found is RowFormat.JSON else "line"
        rows = _sound(path, file, rows, unit)
        yield Source(
            rows if found is RowFormat.CSV else again(rows),
            names,
            unit,
            description,
            file.encoding,
            file.encoding_is_guessed,
        )


def _format(sample: str) -> RowFormat:
    text = sample.lstrip("\ufeff \t\r\n")
    if not text.startswith(("{", "[")):
        return RowFormat.CSV
    return RowFormat.JSONL if has_a_value_a_line(text) else RowFormat.JSON


def _sound(path: Path, file: Opened, rows: Iterator[Row], unit: str) -> Iterator[Row]:
    """Return the rows; what is not in the file's encoding is a bad row, damage ends the reading in words."""
    number = 0
    try:
        for row in rows:
            number = row.number
            yield row if row.text.isascii() or _is_text(row.text) else _not_text(row, file.encoding)
    except DAMAGE as error:
        raise UserError(f"{path}: damaged after {unit} {number} ({error}): the rows before it were sent") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read after {unit} {number} ({error.strerror or error})") from None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\ufffd" not in text


def _not_text(row: Row, encoding: str) -> Row:
    if encoding == "UTF-8" and "\ufffd" in row.text and not any("\ud800" <= one <= "\udfff" for one in row.text):
        return row
    return row._replace(values=BadRow(f"not {encoding}", f"holds bytes that are not {encoding}"))


def _check(path: Path, mapping: RowMapping, header: list[str]) -> None:
    """Make sure that the columns that must be there are in the header, each once.

    Raises:
        UserError: which are not, and what is there.
    """
    columns = mapping.columns
    found = {field: names_in(column, header) for field, column in columns.items()}
    missing = [field for field in columns if not found[field] and (field in REQUIRED or field in mapping.given)]
    if missing and not any(found.values()) and any(_is_time(name) for name in header):
        raise UserError(
            f"{path}: its first line holds values, no names of columns ({_listed(header)}): "
            f"name them in order by --header, such as --header {columns['time']},{columns['type']},…"
        )
    if missing:
        wanted = ", ".join(f"{shown(columns[field])!r} ({field})" for field in missing)
        raise UserError(
            f"{path}: no column {wanted} in its header, which has {_listed(header)}: "
            f"name the columns by --column, such as --column {missing[0]}=COLUMN"
        )
    twice = next((name for names in found.values() for name in names if header.count(name) > 1), None)
    if twice is not None:
        raise UserError(f"{path}: column {shown(twice)!r} is twice in its header: rename one of them")


def _is_time(text: str) -> bool:
    try:
        instant_ms(text, LATEST_MS)
    except BadTime:
        return False
    return True


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(shown(name, _WIDTH_OF_A_NAME) for name in names[:_NAMES_SHOWN]) + more
