"""`forget-user`: a command for a user who asks to be forgotten."""

from collections.abc import Iterator
from typing import Annotated

import typer
from clickwatch_service import UserError, load_settings
from clickwatch_service.pseudonyms import Pseudonyms

from clickwatch_streaming.lake.folder import LakeFolder
from clickwatch_streaming.privacy.files import (
    Forgotten,
    forget_in_lake,
    forget_in_logs,
    forget_in_results,
    utc_today,
)
from clickwatch_streaming.privacy.forgetting import Forgetting, Mode
from clickwatch_streaming.privacy.tables import forget_in_tables
from clickwatch_streaming.settings import Settings


def forget_user(
    user_id: Annotated[str, typer.Argument(help="As it stands in the events.")],
    mode: Annotated[
        Mode, typer.Option(help="pseudonymise keeps every count right; remove takes the user's events out.")
    ] = Mode.PSEUDONYMISE,
    tables: Annotated[bool, typer.Option(help="Also in PostgreSQL (DATABASE_URL).")] = True,
) -> None:
    """Forget a user in lake, daily logs, results and serving tables; run it again after a kill."""
    settings = load_settings(Settings)
    key_file = settings.user_id_key_file
    if mode is Mode.PSEUDONYMISE and key_file is None:
        raise UserError("USER_ID_KEY_FILE is not set: pseudonyms need a key; set it, or say --mode remove")
    if not user_id:
        raise UserError("USER_ID is empty: say whom to forget")
    forgetting = Forgetting.of(user_id, mode, None if key_file is None else Pseudonyms.from_file(key_file))
    left = 0
    # The logs first: what is analysed from them anew has forgotten by then.
    left += _report("daily logs", forget_in_logs(settings.data_dir / "logs", forgetting, utc_today()), "lines")
    if settings.lake_dir.is_dir():
        left += _report("lake", forget_in_lake(LakeFolder(settings.lake_dir), forgetting), "events")
    left += _report("results", forget_in_results(settings.data_dir, forgetting), "rows")
    if tables:
        print(f"{forget_in_tables(settings.database_url, forgetting):>10}  rows of user_segments", flush=True)
    print("not reached: Kafka (until its retention), parked messages, dead letters, backups, other machines")
    if left:
        raise UserError(f"the user is still in {left} files, named above: run this again")


def _report(what: str, found: Iterator[Forgotten], unit: str) -> int:
    rows = left = 0
    for one in found:
        rows += one.rows
        left += bool(one.left)
        print(f"{one.rows:>10}  {unit} in {one.place}{': left, ' + one.left if one.left else ''}", flush=True)
    print(f"{rows:>10}  {unit} in all of the {what}", flush=True)
    return left
