"""Commands that look after the lake."""

from datetime import datetime
from typing import Annotated

import typer
from clickwatch_service import load_settings

from clickwatch_streaming.lake.compaction import compact
from clickwatch_streaming.lake.folder import LakeFolder
from clickwatch_streaming.settings import Settings


def compact_lake(
    date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only this UTC day; else all days.")
    ] = None,
) -> None:
    """Merge the lake's small files; safe beside a running service and for readers."""
    day = None if date is None else f"{date:%Y-%m-%d}"
    done = 0
    for result in compact(LakeFolder(load_settings(Settings).lake_dir), day):
        print(f"{result.folder.parent.name}/{result.folder.name}: {result.before} files to {result.after}", flush=True)
        done += 1
    print(f"{done} folders compacted")
