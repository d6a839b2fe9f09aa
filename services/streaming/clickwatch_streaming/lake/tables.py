"""A batch's decoded messages as tables, asked in SQL.

Spark reads Kafka and decodes; what is left to do with the files it wrote is done by DuckDB in this
process, within a fixed amount of memory and for a third of the CPU time that Spark took for it, a
sixth in a JVM that has just started (docs/decisions/0003-lake-files-by-duckdb.md).
"""

import os
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Self

import duckdb

from clickwatch_streaming.lake.folder import SLOT_MS
from clickwatch_streaming.lake.record import SchemaUse
from clickwatch_streaming.lake.summary import BatchSummary, MessageGroup, batch_summary

_MEMORY = "512MB"


class BatchTables:
    """The tables of one batch: `decoded`, `lake_events` and `newest_before`; see sql/."""

    def __init__(self, scratch: Path) -> None:
        """Keep in folder `scratch` what does not fit into memory."""
        self._database = duckdb.connect(
            config={
                "threads": max(1, (os.cpu_count() or 1) // 2),  # the alert path has the other half
                "memory_limit": _MEMORY,
                "temp_directory": str(scratch),
                "preserve_insertion_order": False,
            }
        )
        self._database.execute("SET TimeZone = 'UTC'")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def set_decoded(self, folders: Iterable[Path]) -> None:
        """Take the files in some folders, columns as in `events.decode.decoded`, as table `decoded`."""
        names = [str(file) for folder in folders for file in sorted(folder.glob("*.parquet"))]
        self._read(names).create_view("decoded", replace=True)

    def summary(self) -> BatchSummary:
        """Return the batch in numbers."""
        rows = self._database.execute(_sql("batch_summary"), {"slot_ms": SLOT_MS}).fetchall()
        return batch_summary(MessageGroup(*row) for row in rows)

    def schema_use(self) -> dict[int, SchemaUse]:
        """Return which schemas the batch's events were written with."""
        rows = self._database.execute(_sql("schema_use")).fetchall()
        return {schema_id: SchemaUse(messages=messages, last_ms=last_ms) for schema_id, messages, last_ms in rows}

    def unknown_ids(self) -> list[int]:
        """Return the schema ids of messages that could not be decoded for want of the schema."""
        return [schema_id for (schema_id,) in self._database.execute(_sql("unknown_ids")).fetchall()]

    def write_dead_letters(self, file: Path) -> None:
        """Write the messages that are no events by a fault of theirs."""
        self._database.execute(_sql("dead_letters"), {"file": str(file)})

    def write_dead_letter_events(self, folder: Path) -> None:
        """Write which events are among the dead letters, in a folder for each day of Kafka's time."""
        self._database.execute(_sql("dead_letter_events"), {"folder": str(folder)})

    def write_parked(self, file: Path) -> None:
        """Write the messages that wait for the registry."""
        self._database.execute(_sql("parked"), {"file": str(file)})

    def write_events(
        self,
        folder: Path,
        lake_files: list[Path],
        slots: Iterable[int],
        newest_before_ms: Mapping[int, int],
        closed_until_ms: int,
        watermark_ms: int,
    ) -> None:
        """Write the batch's new events, in a folder for each day.

        Args:
            folder: takes folders `event_date=…`.
            lake_files: files of the lake that may hold the same events.
            slots: the time slots of the batch's events.
            newest_before_ms: per Kafka partition the newest event time before the batch.
            closed_until_ms: windows that end by then were closed by earlier batches.
            watermark_ms: how far behind the newest event of its partition an event may be.
        """
        self._set_lake_events(lake_files)
        self._database.execute("CREATE TEMP TABLE newest_before (kafka_partition INTEGER, newest_ms BIGINT)")
        for newest in newest_before_ms.items():
            self._database.execute("INSERT INTO newest_before VALUES (?, ?)", newest)
        self._database.execute(
            _sql("events"),
            {
                "folder": str(folder),
                "slots": sorted(slots),
                "slot_ms": SLOT_MS,
                "watermark_ms": watermark_ms,
                "closed_until_ms": closed_until_ms,
            },
        )

    def write_windows(
        self, folder: Path, event_files: list[Path], after_ms: int, until_ms: int, length_ms: int, slide_ms: int
    ) -> None:
        """Write the counts of windows that end in (`after_ms`, `until_ms`], in a folder for each day.

        `event_files` hold at least all events in such windows. Times are epoch milliseconds.
        """
        self._set_lake_events(event_files)
        self._database.execute(
            _sql("closed_windows"),
            {
                "folder": str(folder),
                "after_ms": after_ms,
                "until_ms": until_ms,
                "length_ms": length_ms,
                "slide_ms": slide_ms,
            },
        )

    def count_late(self, event_files: list[Path]) -> int:
        """Return how many events in some files were late."""
        self._set_lake_events(event_files)
        row = self._database.execute("SELECT count(late_at) FROM lake_events").fetchone()
        assert row is not None
        return int(row[0])

    def _set_lake_events(self, parquet_files: list[Path]) -> None:
        """Take some files of the lake as table `lake_events`."""
        rows = _sql("no_events")
        if parquet_files:
            self._read([str(file) for file in parquet_files]).create_view("lake_files", replace=True)
            rows = f"FROM lake_files UNION ALL BY NAME ({rows})"
        self._database.execute(f"CREATE OR REPLACE TEMP VIEW lake_events AS {rows}")

    def _read(self, parquet_files: list[str]) -> duckdb.DuckDBPyRelation:
        # By name, because a file may be of a release that wrote fewer columns or others.
        return self._database.read_parquet(parquet_files, hive_partitioning=False, union_by_name=True)


def _sql(name: str) -> str:
    return (files("clickwatch_streaming.lake") / "sql" / f"{name}.sql").read_text("utf-8")
