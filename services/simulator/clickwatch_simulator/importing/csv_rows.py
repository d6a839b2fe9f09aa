"""Rows of a CSV file."""

import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from clickwatch_simulator.importing.rows import BadRow, Row

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_SEPARATOR_LINE = re.compile(r"sep=(.)")
_LINES_LOOKED_AT = 3
UNCLOSED_QUOTE = "a quote is not closed"


@dataclass(frozen=True)
class CsvLayout:
    """How a CSV file is laid out.

    Attributes:
        delimiter: what stands between values.
        lines_before_rows: lines before the first row: the header, and what comes before it.
        header: the names of its columns.
    """

    delimiter: str
    lines_before_rows: int
    header: list[str]


def csv_layout(sample: str, wanted: Collection[str], header: list[str] | None = None) -> CsvLayout:
    """Return the layout that gives most of the columns that are wanted, else most columns.

    Args:
        sample: the beginning of the file.
        wanted: names of columns.
        header: the names of the columns, where the file has no line of them.
    """
    lines = io.StringIO(sample, newline="")
    first = _next_line(lines)
    stated, before = _SEPARATOR_LINE.fullmatch(first.strip()), 0
    if stated is not None:
        first, before = _next_line(lines), 1

    def names(delimiter: str) -> list[str]:
        return [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]

    if stated is not None:
        delimiter = stated[1]
    else:
        delimiter = max(DELIMITERS, key=lambda each: (len({*names(each)} & {*wanted}), len(names(each)), each == ","))
    return CsvLayout(delimiter, before, header) if header else CsvLayout(delimiter, before + 1, names(delimiter))


def _next_line(lines: Iterator[str]) -> str:
    return next(lines, "").rstrip("\r\n")


class _Lines:
    """The lines of a file, some of them once more."""

    def __init__(self, text: Iterator[str]) -> None:
        self._text = text
        self._again: list[str] = []
        self.taken: list[str] = []
        self.count = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.pop() if self._again else next(self._text)
        self.taken.append(line)
        self.count += 1
        return line

    def put_back(self, lines: list[str]) -> None:
        """Hand the last lines out again."""
        self._again.extend(reversed(lines))
        self.count -= len(lines)


def csv_rows(text: Iterator[str], layout: CsvLayout) -> Iterator[Row]:
    """Return the rows of a file; broken ones carry their error.

    A value in quotes may span lines. Where the lines after an open quote are rows of their own, the quote
    was a stray one: it costs its line and no other.
    """
    lines = _Lines(text)
    for _ in range(layout.lines_before_rows):
        next(lines, "")
    width, taken = len(layout.header), lines.taken
    reader = csv.reader(lines, delimiter=layout.delimiter)
    while True:
        taken.clear()
        first = lines.count + 1
        fault: BadRow | None = None
        values: list[str] | None = []
        try:
            values = next(reader, None)
        except csv.Error as error:
            fault = BadRow("CSV cannot be read", str(error))
        if values is None:
            return
        if len(taken) > 1:
            if _are_rows(taken[1 : 1 + _LINES_LOOKED_AT], width, layout.delimiter):
                lines.put_back(taken[1:])
                yield Row(first, _plain(taken[:1]), _unclosed(len(taken) - 1))
                continue
            if fault is None and len(values) != width:
                fault = BadRow(
                    "number of values",
                    f"{len(values)} values for {width} columns, in {len(taken)} lines that a quote holds together",
                )
        if fault is not None:
            yield Row(first, _plain(taken), fault)
        elif len(values) == width:
            yield Row(first, taken[0].rstrip("\r\n") if len(taken) == 1 else _plain(taken), values)
        elif values:
            yield Row(first, _plain(taken), BadRow("number of values", f"{len(values)} values for {width} columns"))


def _unclosed(swallowed: int) -> BadRow:
    return BadRow(
        UNCLOSED_QUOTE,
        f"a quote is not closed on its line; the {swallowed} lines that it would have swallowed were read as rows",
    )


def _are_rows(lines: list[str], width: int, delimiter: str) -> bool:
    """Return whether one of these lines is a whole row by itself."""
    for line in lines:
        is_balanced = line.count('"') % 2 == 0
        for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE) if is_balanced else (csv.QUOTE_NONE,):
            try:
                values = next(csv.reader([line], delimiter=delimiter, quoting=quoting), [])
            except csv.Error:
                continue
            if len(values) == width > 1:
                return True
    return False


def _plain(lines: list[str]) -> str:
    return "".join(lines).rstrip("\r\n")
