"""What becomes of a user who is to be forgotten, in a row, a line and a file."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from clickwatch_service.pseudonyms import Pseudonyms
from clickwatch_service.shown import visible_json

from clickwatch_streaming.lake.folder import sync_file

_ROWS_AT_A_TIME = 122_880


class Mode(StrEnum):
    """What is done with a user's events."""

    PSEUDONYMISE = "pseudonymise"
    REMOVE = "remove"


@dataclass(frozen=True)
class Forgetting:
    """Whom to forget, and how.

    Attributes:
        names: what the user is called, wherever that may be.
        pseudonym: what the user is called afterwards; None: the rows go.
    """

    names: tuple[str, ...]
    pseudonym: str | None

    @classmethod
    def of(cls, user_id: str, mode: Mode, pseudonyms: Pseudonyms | None) -> "Forgetting":
        """Return how to forget a user; to pseudonymise needs `pseudonyms`, to remove finds both names by it."""
        if mode is Mode.PSEUDONYMISE:
            assert pseudonyms is not None
            return cls((user_id,), pseudonyms.of(user_id))
        names = {user_id} | (set() if pseudonyms is None else {pseudonyms.of(user_id)})
        return cls(tuple(sorted(names)), None)

    def line(self, line: bytes) -> bytes | None:
        """Return what a line of the log becomes: itself, the line without the user, or None: it goes.

        A malformed line that names the user loses the name too, and stays malformed.
        """
        if not self._may_name(line):
            return line
        try:
            fields = json.loads(line)
        except ValueError:
            return self.text(line)
        if not isinstance(fields, dict) or str(fields.get("user_id")) not in self.names:
            return line
        if self.pseudonym is None:
            return None
        fields["user_id"] = self.pseudonym
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"

    def text(self, line: bytes) -> bytes | None:
        """Return what a line becomes that is no event but may hold the user's name somewhere."""
        replaced = self._pattern.sub((self.pseudonym or "").encode(), line)
        return None if self.pseudonym is None and replaced != line else replaced

    def rows(self, file: Path) -> int:
        """Return how many rows of a Parquet file are the user's."""
        column = pq.read_table(file, columns=["user_id"])["user_id"]
        return pc.sum(self._is_user(column)).as_py() or 0

    def rewrite(self, source: Path, target: Path) -> None:
        """Write a Parquet file as it becomes; a file of which no row is left is not written."""
        with pq.ParquetFile(source) as parquet:
            writer: pq.ParquetWriter | None = None
            try:
                for rows in self._rewritten(parquet):
                    if writer is None:
                        writer = pq.ParquetWriter(target, parquet.schema_arrow, compression="zstd")
                    writer.write_batch(rows)
            finally:
                if writer is not None:
                    writer.close()
        if writer is not None:
            sync_file(target)

    def _rewritten(self, parquet: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
        for rows in parquet.iter_batches(_ROWS_AT_A_TIME):
            at = rows.schema.get_field_index("user_id")
            is_user = self._is_user(rows.column(at))
            if self.pseudonym is None:
                kept = rows.filter(pc.invert(is_user))
            else:
                users = pc.if_else(is_user, pa.scalar(self.pseudonym, rows.column(at).type), rows.column(at))
                kept = rows.set_column(at, rows.schema.field(at), users)
            if kept.num_rows:
                yield kept

    def _is_user(self, column: pa.Array) -> pa.Array:
        return pc.fill_null(pc.is_in(column, value_set=pa.array(self.names, column.type)), fill_value=False)

    def _may_name(self, line: bytes) -> bool:
        # A name may be written with escapes; only then is a line looked into that does not show it.
        return any(name.encode() in line for name in self.names) or b"\\u" in line

    @cached_property
    def _pattern(self) -> re.Pattern[bytes]:
        written = sorted({text for name in self.names for text in _spellings(name)}, key=len, reverse=True)
        return re.compile(
            rb"(?<![\w.-])(?:" + b"|".join(re.escape(name.encode()) for name in written) + rb")(?![\w.-])"
        )


def _spellings(name: str) -> set[str]:
    """Return a name as it is, as JSON has it, and either as batch writes it into the JSON of what it keeps aside."""
    plain = {name, *(json.dumps(name, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))}
    return plain | {visible_json(json.dumps(text, ensure_ascii=False))[1:-1] for text in plain}
