"""The environment, parsed once."""

import ipaddress
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from clickwatch_service import UserError
from clickwatch_service.metrics import MetricsSettings
from pydantic import AfterValidator, Field

from clickwatch_dashboard.single_sign_on import Provider


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
        dashboard_url: where browsers reach the pages, such as https://clickwatch.example.com; needed by OIDC.
        dashboard_oidc_issuer: an OpenID Connect provider that vouches for users; None: none does.
        dashboard_oidc_client_id: what the provider calls this dashboard.
        dashboard_oidc_client_secret_file: holds the secret that the provider gave it.
        dashboard_oidc_name_claim: the claim of its token that names a user.
        dashboard_oidc_groups_claim: the claim that lists a user's groups.
        dashboard_oidc_look_groups: groups that may look, separated by commas; all users where it is empty.
        dashboard_oidc_act_groups: groups that may act; none where it is empty.
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
    dashboard_url: Annotated[str, Field(pattern=r"^https?://[^/]+/?$")] | None = None
    dashboard_oidc_issuer: Annotated[str, Field(pattern=r"^https?://.+")] | None = None
    dashboard_oidc_client_id: str | None = None
    dashboard_oidc_client_secret_file: Path | None = None
    dashboard_oidc_name_claim: str = "preferred_username"
    dashboard_oidc_groups_claim: str = "groups"
    dashboard_oidc_look_groups: str = ""
    dashboard_oidc_act_groups: str = ""
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
        has_login = self.dashboard_users_file is not None or self.dashboard_oidc_issuer is not None
        if not has_login and not self.is_on_loopback:
            raise UserError(
                f"DASHBOARD_HOST={self.dashboard_host!r}: the pages would be open to the network: set "
                "DASHBOARD_USERS_FILE to a file made by `add-user`, or DASHBOARD_OIDC_ISSUER, or listen on 127.0.0.1"
            )

    @property
    def is_behind_tls(self) -> bool:
        """Whether browsers reach the pages by https, so that cookies may travel by nothing else."""
        return self.dashboard_url is not None and self.dashboard_url.startswith("https://")

    @property
    def provider(self) -> Provider | None:
        """Who vouches for users; None where nobody does.

        Raises:
            UserError: a variable that it needs is not set, or its address would show secrets to the network.
        """
        if self.dashboard_oidc_issuer is None:
            return None
        secret, client, ours = self.dashboard_oidc_client_secret_file, self.dashboard_oidc_client_id, self.dashboard_url
        if secret is None or client is None or ours is None:
            names = {
                "DASHBOARD_OIDC_CLIENT_ID": client,
                "DASHBOARD_OIDC_CLIENT_SECRET_FILE": secret,
                "DASHBOARD_URL": ours,
            }
            missing = " and ".join(name for name, value in names.items() if value is None)
            raise UserError(f"DASHBOARD_OIDC_ISSUER={self.dashboard_oidc_issuer!r}: needs {missing}: set it")
        if urlsplit(self.dashboard_oidc_issuer).scheme != "https" and not is_loopback(
            urlsplit(self.dashboard_oidc_issuer).hostname
        ):
            raise UserError(
                f"DASHBOARD_OIDC_ISSUER={self.dashboard_oidc_issuer!r}: must begin with https://, "
                "as secrets are sent there"
            )
        return Provider(
            self.dashboard_oidc_issuer,
            client,
            secret,
            ours,
            self.dashboard_oidc_name_claim,
            self.dashboard_oidc_groups_claim,
            _words(self.dashboard_oidc_look_groups),
            _words(self.dashboard_oidc_act_groups),
        )

    @property
    def is_on_loopback(self) -> bool:
        """Whether only this machine can reach the pages."""
        return is_loopback(self.dashboard_host)


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine, whatever the network says."""
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _words(text: str) -> frozenset[str]:
    return frozenset(word.strip() for word in text.split(",") if word.strip())
