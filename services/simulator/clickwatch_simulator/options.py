"""Options that several commands have, and how a ledger records them."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

LedgerFile = Annotated[Path | None, typer.Option("--ledger", help="Write what was sent to this JSON file.")]


def options_of(ctx: typer.Context, **worked_out: object) -> dict[str, object]:
    """Return the options of this run as the ledger records them."""
    given = {name: str(value) if isinstance(value, Path | Enum) else value for name, value in ctx.params.items()}
    return given | worked_out
