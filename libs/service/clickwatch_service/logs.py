"""Logs as events with fields: key=value on a terminal, JSON in containers."""

import logging
import os
import sys

import structlog

from clickwatch_service.errors import UserError

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
    renderer: structlog.typing.Processor
    if log_format == "json":
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
