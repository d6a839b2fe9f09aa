"""The environment, parsed once."""

import ipaddress
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from clickwatch_service import UserError
from clickwatch_service.metrics import MetricsSettings
from pydantic import AfterValidator, Field


def _postgres_url(url: str) -> str:
    if urlsplit(url).scheme not in ("postgresql", "postgres"):
        raise ValueError("must be an address such as postgresql://clickwatch_reader@localhost:5432/clickwatch")
    return url


class Settings(MetricsSettings):
    """What the dashboard needs to know.

    Attributes:
        database_url: the serving layer, best as the role that only reads.
        dashboard_host: the address to listen on.
        dashboard_port: the port of pages and API.
        dashboard_users_file: who may look, a line each, made by `add-user`; None lets everyone in who
            reaches a loopback address.
        dashboard_session_hours: how long a login lasts.
        dashboard_connections: how many connections to the database pages and API share.
        data_dir: holds `reports/`, offered for download where it is there.
        views_threshold: drawn in charts; more views than this raise an alert.
        purchases_threshold: drawn in charts; as many purchases as this prevent it.
    """

    database_url: Annotated[str, AfterValidator(_postgres_url)] = (
        "postgresql://clickwatch_reader@localhost:5432/clickwatch"
    )
    dashboard_host: str = "127.0.0.1"
    dashboard_port: Annotated[int, Field(ge=1, le=65535)] = 8000
    dashboard_users_file: Path | None = None
    dashboard_session_hours: Annotated[float, Field(gt=0)] = 12
    dashboard_connections: Annotated[int, Field(ge=1, le=100)] = 8
    data_dir: Path = Path("./var/data")
    views_threshold: Annotated[int, Field(ge=0)] = 100
    purchases_threshold: Annotated[int, Field(ge=1)] = 5

    @property
    def reports_dir(self) -> Path:
        """The folder of the days' reports."""
        return self.data_dir / "reports"

    def require_login_beyond_loopback(self) -> None:
        """Return if only this machine can reach the pages, or a login is asked for.

        Raises:
            UserError: anyone on the network could look.
        """
        if self.dashboard_users_file is None and not self.is_on_loopback:
            raise UserError(
                f"DASHBOARD_HOST={self.dashboard_host!r}: the pages would be open to the network: set "
                "DASHBOARD_USERS_FILE to a file made by `add-user`, or listen on 127.0.0.1"
            )

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this machine can reach the pages."""
        if self.dashboard_host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.dashboard_host).is_loopback
        except ValueError:
            return False
