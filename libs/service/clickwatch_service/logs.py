"""Logs as events with fields: key=value on a terminal, JSON in containers."""

import logging
import os
import sys

import structlog

from clickwatch_service.errors import UserError
from clickwatch_service.shown import one_line

_OF_SEVERAL_LINES = frozenset({"exception", "stack"})
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logging() -> None:
    """Send structlog's events to stderr.

    `LOG_FORMAT` is `console` or `json` (default: console on a terminal, else json);
    `LOG_LEVEL` is debug, info, warning or error (default info).

    Raises:
        UserError: one of the two variables has another value.
    """
    log_format = os.environ.get("LOG_FORMAT") or ("console" if sys.stderr.isatty() else "json")
    level = (os.environ.get("LOG_LEVEL") or "info").lower()
    if log_format not in ("console", "json"):
        raise UserError(f"LOG_FORMAT={log_format!r}: must be console or json")
    if level not in _LEVELS:
        raise UserError(f"LOG_LEVEL={level!r}: must be one of {', '.join(_LEVELS)}")
    renderers: list[structlog.typing.Processor]
    if log_format == "json":
        renderers = [structlog.processors.JSONRenderer()]
    else:
        renderers = [_shown, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _shown(
    logger: structlog.typing.WrappedLogger, method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Show fields by their escapes where they hold what a terminal acts on; a trace keeps its lines."""
    return {
        name: value if name in _OF_SEVERAL_LINES or not isinstance(value, str) else one_line(value)
        for name, value in event.items()
    }
