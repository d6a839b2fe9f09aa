"""Rows of a JSON file: an object a line, or objects one after the other, in an array or not."""

import io
import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

import orjson

from clickwatch_simulator.importing.rows import BadRow, Row

_CHUNK = 1 << 18
_MOST_OF_ONE_VALUE = 1 << 24
_BETWEEN = re.compile(r"[\s,\[\]]*")
_TOKEN = re.compile(r'[{}\[\]]|"(?:[^"\\]|\\.)*"|"', re.DOTALL)
_UNTIL_NEXT = re.compile(r"[^,\[\]{}\n]*")
_EXACT = json.JSONDecoder(parse_float=Decimal)
NOT_JSON = "not JSON"


def has_a_value_a_line(sample: str) -> bool:
    """Return whether a JSON file holds one object a line, by its beginning."""
    text = sample.lstrip()
    if text.startswith("["):
        return False
    first, newline, _ = text.partition("\n")
    try:
        _, end = _EXACT.raw_decode(text)
    except ValueError:
        return first.strip() != "{"
    return not newline or "\n" not in text[:end]


def exact_values(text: str) -> Mapping[str, object]:
    """Return an object whose numbers keep all their digits.

    Raises:
        BadRow: it is no JSON object.
    """
    try:
        values = _EXACT.decode(text)
    except (ValueError, RecursionError) as error:
        raise BadRow(NOT_JSON, f"not JSON: {error}") from None
    return _object(values)


def _object(values: object) -> Mapping[str, object]:
    if isinstance(values, dict):
        return values
    raise BadRow(NOT_JSON, f"JSON, but a {type(values).__name__} and not an object")


def line_rows(text: Iterator[str]) -> Iterator[Row]:
    """Return the rows of a file with an object a line; broken ones carry their error.

    Numbers beyond 64 bits have lost digits; `exact_values` has them.
    """
    for number, line in enumerate(text, start=1):
        plain = line.rstrip("\r\n")
        if not plain:
            continue
        try:
            values = orjson.loads(plain)
        except (orjson.JSONDecodeError, UnicodeEncodeError):
            # NaN, numbers out of a double's range, half surrogates: Python's own reader takes them, and the
            # value is then judged by itself.
            values = None
        if values.__class__ is dict:
            yield Row(number, plain, values)
            continue
        try:
            yield Row(number, plain, exact_values(plain))
        except BadRow as error:
            yield Row(number, plain, error)


def document_rows(text: io.TextIOBase) -> Iterator[Row]:
    """Return the objects of a file, each with its text; broken ones carry their error.

    Arrays around them and commas between them do not matter. Only the object at hand is in memory.
    """
    buffer, at, number, is_end = "", 0, 0, False
    while True:
        between = _BETWEEN.match(buffer, at)
        assert between is not None
        at = between.end()
        if at < len(buffer):
            found = _value(buffer, at, is_end=is_end)
            if found is not None:
                values, end = found
                number += 1
                yield Row(number, buffer[at:end].rstrip(), values)
                at = end
                continue
        if is_end:
            return
        chunk = text.read(_CHUNK)
        is_end = not chunk
        buffer, at = buffer[at:] + chunk, 0


def _value(buffer: str, at: int, *, is_end: bool) -> tuple[Mapping[str, object] | BadRow, int] | None:
    """Return the value that starts at `at` and where it ends; None where more must be read."""
    try:
        values, end = _EXACT.raw_decode(buffer, at)
    except (ValueError, RecursionError) as error:
        closed = _end_by_brackets(buffer, at)
        if closed is None and not is_end and len(buffer) - at < _MOST_OF_ONE_VALUE:
            return None
        return BadRow(NOT_JSON, f"not JSON: {error}"), len(buffer) if closed is None else closed
    if end == len(buffer) and not is_end and buffer[at] != "{":
        return None
    try:
        return _object(values), end
    except BadRow as error:
        return error, end


def _end_by_brackets(buffer: str, at: int) -> int | None:
    """Return where a broken value ends: at the bracket that closes it, or before what follows it."""
    if buffer[at] not in "{[":
        match = _UNTIL_NEXT.match(buffer, at)
        assert match is not None
        return max(match.end(), at + 1) if match.end() < len(buffer) else None
    depth = 0
    for token in _TOKEN.finditer(buffer, at):
        if token[0] == '"':  # a text that does not end here
            return None
        depth += (token[0] in "{[") - (token[0] in "}]")
        if depth <= 0:
            return token.end()
    return None
