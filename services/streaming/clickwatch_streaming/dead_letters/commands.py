"""`dlq`: commands for the dead letters."""

import base64
import json
import sys
from collections import Counter
from contextlib import nullcontext
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from clickwatch_events.registry import Registry
from clickwatch_service import UserError, load_settings
from clickwatch_service.shown import shown

from clickwatch_streaming.dead_letters.replay import Judge, ReplayProducer, refused_again
from clickwatch_streaming.dead_letters.replay import replay as replay_letters
from clickwatch_streaming.dead_letters.stored import (
    Selection,
    StoredLetter,
    parse_position,
    stored_letters,
    tallies,
)
from clickwatch_streaming.dead_letters.view import explained
from clickwatch_streaming.settings import Settings

dlq = typer.Typer(help="Look at the dead letters, and send them again.", no_args_is_help=True)


class Grain(StrEnum):
    """The stretches of time that dead letters are counted by."""

    ALL = "all"
    DAY = "day"
    HOUR = "hour"


class ExportFormat(StrEnum):
    """How dead letters are written out."""

    JSONL = "jsonl"
    BINARY = "binary"


_BUCKETS = {Grain.ALL: "", Grain.DAY: "%Y-%m-%d", Grain.HOUR: "%Y-%m-%d %H:00"}
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
Reasons = Annotated[list[str] | None, typer.Option("--reason", help="Only this reason; repeatable.")]
Since = Annotated[datetime | None, typer.Option(formats=_FORMATS, help="Only what arrived then or later (UTC).")]
Until = Annotated[datetime | None, typer.Option(formats=_FORMATS, help="Only what arrived before then (UTC).")]
At = Annotated[list[str] | None, typer.Option("--at", help="Only this one, partition:offset; repeatable.")]


def _selection(
    reasons: list[str] | None, since: datetime | None, until: datetime | None, at: list[str] | None
) -> Selection:
    return Selection(
        frozenset(reasons or ()),
        None if since is None else since.replace(tzinfo=UTC),
        None if until is None else until.replace(tzinfo=UTC),
        frozenset(parse_position(text) for text in at or ()),
    )


@dlq.command("list")
def list_dead_letters(
    by: Annotated[Grain, typer.Option(help="Count for each day or hour apart.")] = Grain.ALL,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
) -> None:
    """Count the dead letters by reason and time."""
    settings = load_settings(Settings)
    chosen = _selection(reason, since, until, None)
    found = tallies(stored_letters(settings.kafka, settings.dead_letter_topic, chosen), _BUCKETS[by])
    for (stretch, why), tally in found.items():
        times = f"{tally.oldest:%Y-%m-%d %H:%M:%S} to {tally.newest:%Y-%m-%d %H:%M:%S}"
        print(f"{tally.count:>10}  {shown(why):<20} {stretch or times}")
    print(f"{sum(tally.count for tally in found.values()):>10}  in {settings.dead_letter_topic}")


@dlq.command()
def show(
    position: Annotated[str, typer.Argument(help="partition:offset in the dead-letter topic, such as 0:41.")],
    show_all: Annotated[bool, typer.Option("--all", help="Every byte, however many.")] = False,
) -> None:
    """Show one dead letter: its origin, its bytes, and as much of it as can be decoded."""
    settings = load_settings(Settings)
    letter = _only(settings, position)
    for line in explained(letter, Registry(settings.registry), None if show_all else 512):
        print(line)


@dlq.command()
def export(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    at: At = None,
    to: Annotated[Path | None, typer.Option(help="File to write; else standard output.")] = None,
    form: Annotated[
        ExportFormat, typer.Option("--format", help="jsonl: a line for each; binary: the bytes of one message.")
    ] = ExportFormat.JSONL,
) -> None:
    """Write dead letters out, bytes and all; nothing is removed from the topic."""
    settings = load_settings(Settings)
    if form is ExportFormat.BINARY and len(at or ()) != 1:
        raise UserError("--format binary writes the bytes of one message: say which by one --at partition:offset")
    letters = stored_letters(settings.kafka, settings.dead_letter_topic, _selection(reason, since, until, at))
    count = 0
    with nullcontext(sys.stdout.buffer) if to is None else to.open("wb") as out:
        for letter in letters:
            count += 1
            out.write((letter.value or b"") if form is ExportFormat.BINARY else _json_line(letter))
    print(f"{count} dead letters written", file=sys.stderr)
    if at and count < len(set(at)):
        raise UserError(f"{len(set(at)) - count} of those named by --at are not in {settings.dead_letter_topic}")


@dlq.command()
def replay(
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    at: At = None,
    dry_run: Annotated[bool, typer.Option(help="Say what would be sent, and send nothing.")] = False,
    again: Annotated[bool, typer.Option(help="Also those that were refused again after a replay.")] = False,
    force: Annotated[bool, typer.Option(help="Send what is chosen, whether it is good by now or not.")] = False,
) -> None:
    """Send dead letters to their topic once more: those that are good by now, each event counted once."""
    settings = load_settings(Settings)
    chosen = _selection(reason, since, until, at)
    if force and chosen == Selection():
        raise UserError("--force sends what may be refused again: choose by --reason, --since, --until or --at")
    kafka, topic = settings.kafka, settings.dead_letter_topic
    failed = frozenset() if again or force else refused_again(stored_letters(kafka, topic))
    report = replay_letters(
        stored_letters(kafka, topic, chosen),
        (lambda letters: None) if dry_run else ReplayProducer(kafka).send,
        Judge(
            Registry(settings.registry),
            settings.max_future,
            settings.unknown_event_type,
            alerts_topic=settings.alerts_topic,
        ),
        settings.lake_events_dir,
        failed_before=failed,
        force=force,
    )
    to = " and ".join(sorted(report.topics)) or settings.kafka_topic
    _say(report.sent, "would be sent" if dry_run else f"sent to {shown(to)}")
    _say(report.in_lake, "left out: the lake has the event")
    _say(report.refused, "left out: would be refused again")
    _say(report.failed_before, "left out: refused again after a replay (--again sends them)")


def _say(counts: Counter[str], what: str) -> None:
    print(f"{counts.total():>10}  {what}")
    for reason, count in sorted(counts.items()):
        print(f"{count:>14}  {shown(reason)}")


def _only(settings: Settings, position: str) -> StoredLetter:
    chosen = Selection(positions=frozenset({parse_position(position)}))
    found = next(stored_letters(settings.kafka, settings.dead_letter_topic, chosen), None)
    if found is None:
        raise UserError(f"{settings.dead_letter_topic} has no dead letter {position}: `dlq export` tells those it has")
    return found


def _json_line(letter: StoredLetter) -> bytes:
    line = {
        "dead_letter": str(letter.position),
        "reason": letter.reason,
        "detail": letter.detail or None,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "arrived": letter.arrived.isoformat(timespec="milliseconds"),
        "schema_id": int(letter.schema_id) if letter.schema_id else None,
        "replays": letter.replays,
        "replayed_from": None if letter.replayed_from is None else str(letter.replayed_from),
        "key_base64": _base64(letter.key),
        "value_base64": _base64(letter.value),
    }
    return json.dumps(line).encode() + b"\n"


def _base64(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()
