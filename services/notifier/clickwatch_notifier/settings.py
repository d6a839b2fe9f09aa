"""The environment, parsed once."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from clickwatch_service import Duration
from clickwatch_service.metrics import MetricsSettings
from pydantic import AfterValidator


def _postgres_url(url: str) -> str:
    if urlsplit(url).scheme not in ("postgresql", "postgres"):
        raise ValueError("must be an address such as postgresql://clickwatch_notifier@localhost:5432/clickwatch")
    return url


def _page_url(url: str) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("must be an address such as https://clickwatch.example.com")
    return url.rstrip("/")


class DatabaseSettings(MetricsSettings):
    """What each command needs to know.

    Attributes:
        database_url: the serving layer, best as the role that may do this and nothing else.
    """

    database_url: Annotated[str, AfterValidator(_postgres_url)] = (
        "postgresql://clickwatch_notifier@localhost:5432/clickwatch"
    )


class Settings(DatabaseSettings):
    """What sending needs to know.

    Attributes:
        notifier_channels_file: the file of channels.
        dashboard_url: where people reach the dashboard; links in messages lead there.
        notifier_keep: how long is kept what was told to whom.
        data_dir: takes the file that says how the service does.
    """

    notifier_channels_file: Path
    dashboard_url: Annotated[str, AfterValidator(_page_url)] = "http://127.0.0.1:8000"
    notifier_keep: Duration = timedelta(days=90)
    data_dir: Path = Path("./var/data")
