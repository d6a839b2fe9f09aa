"""The outermost frame of each command line."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from clickwatch_service.errors import UserError
from clickwatch_service.logs import configure_logging
from clickwatch_service.shown import one_line


def run_cli(app: typer.Typer) -> NoReturn:
    """Run a command line and exit with its status.

    A UserError becomes one line on stderr, with nothing in it that a terminal acts on, and status 1. Ctrl-C
    becomes status 130, SIGTERM 143.
    """
    # As the first process of a container it would otherwise be deaf to SIGTERM.
    signal.signal(signal.SIGTERM, _exit)
    try:
        configure_logging()
        app()
    except UserError as error:
        # The end of a server's log may follow on lines of its own.
        print("error:", "\n".join(map(one_line, str(error).split("\n"))), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(0)


def _exit(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)
