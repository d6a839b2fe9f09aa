"""A file of somebody's shop, row by row: CSV or JSON lines, plain or gzipped."""

import csv
import gzip
import io
import zlib
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson
from clickwatch_events import Event
from clickwatch_service import UserError
from clickwatch_service.pseudonyms import Pseudonyms

from clickwatch_simulator.mappings import BadRow, Fields, RowMapping, SkippedRow, event_of
from clickwatch_simulator.scenarios import Batch, Fate

_ROWS_A_BATCH = 2000


class RowFormat(StrEnum):
    """How a file holds its rows."""

    AUTO = "auto"
    CSV = "csv"
    JSONL = "jsonl"


class Row(NamedTuple):
    """One row.

    Attributes:
        line: its first line in the file, counted from 1.
        text: the row as it stands there, without its line end.
        fields: its values by column, or what is wrong with it.
    """

    line: int
    text: str
    fields: Fields | BadRow


def rows(path: Path, row_format: RowFormat = RowFormat.AUTO) -> Iterator[Row]:
    """Return the rows of a file; broken ones carry their error.

    Raises:
        UserError: the file is not there, of unknown format, without a header, or damaged.
    """
    name = path.name.removesuffix(".gz")
    if row_format is RowFormat.AUTO:
        if name.endswith(".csv"):
            row_format = RowFormat.CSV
        elif name.endswith((".jsonl", ".ndjson", ".json")):
            row_format = RowFormat.JSONL
        else:
            raise UserError(f"{path}: no .csv or .jsonl (or .gz of one): say --format csv or --format jsonl")
    line = 0
    try:
        with gzip.open(path) if path.name.endswith(".gz") else path.open("rb") as binary:
            # Bytes that are no UTF-8 come through as surrogates, so one bad row stays one bad row.
            text = io.TextIOWrapper(binary, encoding="utf-8-sig", errors="surrogateescape", newline="")
            for row in _csv_rows(path, text) if row_format is RowFormat.CSV else _json_rows(text):
                line = row.line
                yield row
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: damaged after line {line} ({error}): the rows before it were sent") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}): check the path and its permissions") from None


def _csv_rows(path: Path, text: io.TextIOWrapper) -> Iterator[Row]:
    taken: list[str] = []

    def lines() -> Iterator[str]:
        for line in text:
            taken.append(line)
            yield line

    reader = csv.reader(lines())
    header = next(reader, None)
    if not header:
        raise UserError(f"{path}: empty: a CSV file starts with a line of column names")
    while True:
        taken.clear()
        first = reader.line_num + 1
        try:
            values = next(reader, None)
        except csv.Error as error:
            yield Row(first, _plain(taken), BadRow(str(error)))
            continue
        if values is None:
            return
        if values:
            yield _row(first, _plain(taken), _csv_fields(header, values))


def _csv_fields(header: list[str], values: list[str]) -> Fields | BadRow:
    if len(values) != len(header):
        return BadRow(f"{len(values)} values for {len(header)} columns")
    return dict(zip(header, values, strict=True))


def _json_rows(text: io.TextIOWrapper) -> Iterator[Row]:
    for number, line in enumerate(text, start=1):
        plain = _plain([line])
        if plain:
            yield _row(number, plain, _json_fields(plain))


def _json_fields(text: str) -> Fields | BadRow:
    try:
        fields = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError) as error:
        return BadRow(f"not JSON: {error}")
    return fields if isinstance(fields, dict) else BadRow(f"a JSON {type(fields).__name__}, not an object")


def _plain(lines: list[str]) -> str:
    return "".join(lines).rstrip("\r\n")


def _row(line: int, text: str, fields: Fields | BadRow) -> Row:
    try:
        text.encode()
    except UnicodeEncodeError:
        return Row(line, text, BadRow("not UTF-8"))
    return Row(line, text, fields)


class Rejects:
    """Bad rows, kept aside with line number and reason; the file is made with the first of them."""

    def __init__(self, path: Path) -> None:
        """Write to `path`, one JSON object a row."""
        self.path = path
        self.count = 0
        path.unlink(missing_ok=True)

    def add(self, row: Row, error: BadRow) -> None:
        """Keep a row."""
        if not self.count:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        self.count += 1
        text = row.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        with self.path.open("ab") as file:
            file.write(
                orjson.dumps({"line": row.line, "error": str(error), "text": text}, option=orjson.OPT_APPEND_NEWLINE)
            )


class Replay:
    """The events of a file, in its order."""

    def __init__(
        self,
        source: Iterator[Row],
        mapping: RowMapping,
        rejects: Rejects,
        limit: int | None,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        """Read `source` by `mapping`, at most `limit` events; users get `pseudonyms` if there are any."""
        self._source = source
        self._mapping = mapping
        self._rejects = rejects
        self._limit = limit
        self._pseudonyms = pseudonyms
        self.skipped = 0

    def batches(self, first_at_ms: int | None, watermark: timedelta, *, with_fates: bool) -> Iterator[Batch]:
        """Return the events, due when they happened.

        Args:
            first_at_ms: move all times so that the first event happens then.
            watermark: events further behind the newest are late.
            with_fates: work out what is a duplicate, late or out of order, for a ledger. This
                remembers every id.
        """
        fates = _Fates(watermark) if with_fates else None
        events: list[Event] = []
        due_ms = 0
        for event in self._events(first_at_ms):
            events.append(event)
            if len(events) >= _ROWS_A_BATCH:
                batch = _batch(events, due_ms, fates)
                due_ms = int(batch.due_ms[-1])
                yield batch
                events = []
        if events:
            yield _batch(events, due_ms, fates)

    def _events(self, first_at_ms: int | None) -> Iterator[Event]:
        shift = timedelta(0)
        count = 0
        for row in self._source:
            try:
                if isinstance(row.fields, BadRow):
                    raise row.fields
                if not count and first_at_ms is not None:
                    recorded = event_of(row.fields, row.text, self._mapping).timestamp_ms
                    shift = timedelta(milliseconds=first_at_ms - recorded)
                event = event_of(row.fields, row.text, self._mapping, shift)
            except BadRow as error:
                self._rejects.add(row, error)
                continue
            except SkippedRow:
                self.skipped += 1
                continue
            yield event if self._pseudonyms is None else event._replace(user_id=self._pseudonyms.of(event.user_id))
            count += 1
            if count == self._limit:
                return


class _Fates:
    """What a reader will make of events that a file holds as they are."""

    def __init__(self, watermark: timedelta) -> None:
        self._watermark_ms = round(watermark / timedelta(milliseconds=1))
        self._seen: dict[str, Fate] = {}
        self._newest_ms = 0

    def of(self, event: Event) -> Fate:
        before = self._seen.get(event.event_id)
        if before is not None:
            return Fate.DUPLICATE_LATE if before is Fate.LATE else Fate.DUPLICATE
        behind = self._newest_ms - event.timestamp_ms
        self._newest_ms = max(self._newest_ms, event.timestamp_ms)
        fate = Fate.ON_TIME if behind <= 0 else Fate.OUT_OF_ORDER if behind <= self._watermark_ms else Fate.LATE
        self._seen[event.event_id] = fate
        return fate


def _batch(events: list[Event], due_ms: int, fates: _Fates | None) -> Batch:
    times = np.fromiter((event.timestamp_ms for event in events), dtype=np.int64, count=len(events))
    due = np.maximum.accumulate(np.maximum(times, due_ms))
    return Batch(list(events), due, np.array([fates.of(event) for event in events], np.uint8) if fates else None)
