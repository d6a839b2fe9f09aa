"""The environment, parsed once."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from clickwatch_service import Duration, UserError
from clickwatch_service.metrics import MetricsSettings
from pydantic import AfterValidator, Field

from clickwatch_notifier.links import Links
from clickwatch_notifier.messages import Places

_SHORTEST_SECRET = 16


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
        notifier_links_url: where people reach the port of links; None makes no links.
        notifier_links_port: the port that links lead to.
        notifier_links_host: the address it listens on.
        notifier_links_secret_file: the file of what signs links.
        notifier_keep: how long is kept what was told to whom.
        data_dir: takes the file that says how the service does.
    """

    notifier_channels_file: Path
    dashboard_url: Annotated[str, AfterValidator(_page_url)] = "http://127.0.0.1:8000"
    notifier_links_url: Annotated[str, AfterValidator(_page_url)] | None = None
    notifier_links_port: Annotated[int, Field(ge=1, le=65535)] = 8010
    notifier_links_host: str = "127.0.0.1"
    notifier_links_secret_file: Path | None = None
    notifier_keep: Duration = timedelta(days=90)
    data_dir: Path = Path("./var/data")

    @property
    def places(self) -> Places:
        """Where links in messages lead.

        Raises:
            UserError: links are wanted, and what signs them is not there.
        """
        if self.notifier_links_url is None:
            return Places(self.dashboard_url)
        file = self.notifier_links_secret_file
        if file is None:
            raise UserError(
                "NOTIFIER_LINKS_SECRET_FILE is not set: NOTIFIER_LINKS_URL asks for links; name a file of random text"
            )
        try:
            secret = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"NOTIFIER_LINKS_SECRET_FILE={file}: cannot be read ({error})") from None
        if len(secret) < _SHORTEST_SECRET:
            raise UserError(
                f"NOTIFIER_LINKS_SECRET_FILE={file}: is too short to sign with: put {_SHORTEST_SECRET} random "
                "characters or more into it"
            )
        return Places(self.dashboard_url, Links(self.notifier_links_url, secret))
