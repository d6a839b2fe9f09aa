"""What every service does the same way at its edge: settings, logs, command line, stopping."""

from clickwatch_service.cli import run_cli
from clickwatch_service.errors import UserError
from clickwatch_service.logs import configure_logging
from clickwatch_service.settings import Duration, ServiceSettings, load_settings
from clickwatch_service.stopping import stop_on_signals

__all__ = [
    "Duration",
    "ServiceSettings",
    "UserError",
    "configure_logging",
    "load_settings",
    "run_cli",
    "stop_on_signals",
]
