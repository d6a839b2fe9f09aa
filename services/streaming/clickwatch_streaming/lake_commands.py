"""Commands that look after the lake and the dead letters."""

from datetime import datetime
from typing import Annotated

import typer
from clickwatch_service import load_settings

from clickwatch_streaming.compaction import compact
from clickwatch_streaming.dead_letter_list import counts_by_reason
from clickwatch_streaming.lake_folder import LakeFolder
from clickwatch_streaming.settings import Settings

dlq = typer.Typer(help="Look at the dead letters.", no_args_is_help=True)


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


@dlq.command("list")
def list_dead_letters() -> None:
    """Count the dead letters by reason."""
    settings = load_settings(Settings)
    counts = counts_by_reason(settings.kafka_bootstrap_servers, settings.dead_letter_topic)
    for reason, count in counts.most_common():
        print(f"{count:>10}  {reason}")
    print(f"{counts.total():>10}  in {settings.dead_letter_topic}")
