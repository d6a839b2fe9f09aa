"""The outermost frame of each command line."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from clickwatch_service.errors import UserError
from clickwatch_service.logs import configure_logging


def run_cli(app: typer.Typer) -> NoReturn:
    """Run a command line and exit with its status.

    A UserError becomes one line on stderr and status 1; Ctrl-C becomes status 130, SIGTERM 143.
    """
    # As the first process of a container it would otherwise be deaf to SIGTERM.
    signal.signal(signal.SIGTERM, _exit)
    try:
        configure_logging()
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
