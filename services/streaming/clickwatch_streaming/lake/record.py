"""What the lake remembers from one batch to the next, and how it is kept on disk."""

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict


class Counts(BaseModel):
    """How many of each a batch, or all batches so far, had.

    Attributes:
        events: valid events written to the lake, late ones among them.
        duplicates: valid messages left out because their event is in the lake already.
        late: events older than the watermark when they arrived.
        dead_letters: messages sent to the dead-letter topic.
        heartbeats: messages that only move the time.
        windows: closed windows written to window_stats.
    """

    model_config = ConfigDict(frozen=True)

    events: int = 0
    duplicates: int = 0
    late: int = 0
    dead_letters: int = 0
    heartbeats: int = 0
    windows: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        ours, theirs = self.model_dump(), other.model_dump()
        return Counts(**{name: ours[name] + theirs[name] for name in ours})


class SchemaUse(BaseModel):
    """How a schema has been used.

    Attributes:
        messages: how many events were written with it.
        last_ms: Kafka timestamp of the newest of them.
    """

    model_config = ConfigDict(frozen=True)

    messages: int
    last_ms: int


class BatchRecord(BaseModel):
    """The outcome of one batch: all that the next one needs to know.

    Attributes:
        batch_id: Spark's id of the batch, counted from 0.
        query_id: Spark's id of the checkpoint the batch belongs to.
        next_offsets: per Kafka partition the first offset after the batch.
        newest_ms: per Kafka partition the newest timestamp of a valid event so far.
        heartbeat_ms: Kafka timestamp of the newest heartbeat so far.
        closed_until_ms: windows that end at or before it are closed; None before the first event.
        parked: messages of this and earlier batches that wait for the registry (`LakeFolder.parked`).
        counts: this batch's.
        totals: those of all batches up to this one.
        reasons: dead letters of all batches up to this one, by reason; like `schemas` counted since the
            release that first did.
        schemas: per schema id its use by events of all batches up to this one, duplicates among them.
    """

    model_config = ConfigDict(frozen=True)

    batch_id: int
    query_id: str
    next_offsets: dict[int, int] = {}
    newest_ms: dict[int, int] = {}
    heartbeat_ms: int | None = None
    closed_until_ms: int | None = None
    parked: int = 0
    counts: Counts = Counts()
    totals: Counts = Counts()
    reasons: dict[str, int] = {}
    schemas: dict[int, SchemaUse] = {}


def write_record(record: BatchRecord, path: Path) -> None:
    """Write a record so that it is there whole or not at all, also after a power cut."""
    draft = path.with_suffix(".tmp")
    with open(draft, "w", encoding="utf-8") as file:
        file.write(record.model_dump_json(indent=1))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def read_record(path: Path) -> BatchRecord:
    """Return the record in a file that `write_record` wrote."""
    return BatchRecord.model_validate_json(path.read_text("utf-8"))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
