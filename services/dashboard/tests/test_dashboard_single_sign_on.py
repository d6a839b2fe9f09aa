"""A login at an OpenID Connect provider, and what becomes of one that it does not vouch for."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time

import httpx2
import pytest
from clickwatch_dashboard.settings import Settings
from clickwatch_servers.ports import free_port
from clickwatch_service import UserError
from dashboard_program import running_dashboard
from dashboard_provider import CLIENT, SECRET, Provider, running_provider
from joserfc.jwk import KeySet, RSAKey

NEVER_ASKED = "postgresql://clickwatch_reader@127.0.0.1:1/clickwatch"
GROUPS = {"DASHBOARD_OIDC_LOOK_GROUPS": "shop, it", "DASHBOARD_OIDC_ACT_GROUPS": "it"}


@contextmanager
def browser_before(provider: Provider, folder: Path, **variables: str) -> Iterator[httpx2.Client]:
    """A browser in front of a dashboard that trusts a provider."""
    (folder / "secret").write_text(SECRET)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    trust = {
        "DASHBOARD_OIDC_ISSUER": provider.issuer,
        "DASHBOARD_OIDC_CLIENT_ID": CLIENT,
        "DASHBOARD_OIDC_CLIENT_SECRET_FILE": str(folder / "secret"),
        "DASHBOARD_URL": url,
        "DASHBOARD_PORT": str(port),
        "DATABASE_URL": NEVER_ASKED,
    }
    with (
        running_dashboard(NEVER_ASKED, folder, **(trust | variables)),
        httpx2.Client(base_url=url, follow_redirects=True, timeout=120) as browser,
    ):
        yield browser


def test_a_user_comes_back_to_the_page_that_was_asked_for(tmp_path: Path) -> None:
    with (
        running_provider(preferred_username="ada", groups=["it"]) as provider,
        browser_before(provider, tmp_path, **GROUPS) as browser,
    ):
        form = browser.get("/day?day=2026-01-02")
        page = browser.get("/login/sso?next=/day?day=2026-01-02")
        answer = browser.get("/api/days")

    assert form.url.path == "/login"
    assert "Log in with your organisation" in form.text
    assert 'name="password"' not in form.text
    assert (page.status_code, page.url.path, page.url.query) == (200, "/day", b"day=2026-01-02")
    assert answer.status_code == 503  # of the database, so past the login
    assert SECRET not in form.text + page.text


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "another"}, "(aud)"),
        ({"iss": "http://127.0.0.1:1"}, "(iss)"),
        ({"nonce": "of another login"}, "(nonce)"),
        ({"exp": int(time()) - 3600}, "(exp)"),
        ({"groups": ["kitchen"]}, "eve is in none of the groups that may look"),
        ({"groups": None}, "eve is in none of the groups that may look"),
    ],
)
def test_whom_the_provider_does_not_vouch_for_stays_out(tmp_path: Path, claims: dict[str, object], why: str) -> None:
    said = {"preferred_username": "eve", "groups": ["it"], **claims}
    with running_provider(**said) as provider, browser_before(provider, tmp_path, **GROUPS) as browser:
        refused = browser.get("/login/sso")
        answer = browser.get("/api/days")

    assert refused.status_code == 403
    assert why in refused.text
    assert provider.token_requests == 1
    assert answer.status_code == 401


def test_a_token_by_another_key_is_refused_and_a_new_key_is_asked_for(tmp_path: Path) -> None:
    with (
        running_provider(preferred_username="ada") as provider,
        browser_before(provider, tmp_path) as browser,
    ):
        provider.published = KeySet([RSAKey.generate_key(2048, {"kid": "other"})])
        refused = browser.get("/login/sso")
        provider.published = KeySet([provider.key])
        page = browser.get("/login/sso")

    assert refused.status_code == 403
    assert "is not signed by it" in refused.text
    assert (page.status_code, page.url.path) == (200, "/")


def test_a_login_that_was_not_begun_here_ends_nowhere(tmp_path: Path) -> None:
    with running_provider() as provider, browser_before(provider, tmp_path) as browser:
        foreign = browser.get("/login/sso/done?code=stolen&state=guessed")

    assert foreign.status_code == 400
    assert "This login was not begun here" in foreign.text
    assert provider.token_requests == 0


def test_a_provider_that_is_away_is_said(tmp_path: Path) -> None:
    with running_provider() as provider:
        issuer = provider.issuer
    provider.issuer = issuer
    with browser_before(provider, tmp_path) as browser:
        form = browser.get("/login/sso")

    assert form.status_code == 503
    assert "does not answer as it should" in form.text


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "needs DASHBOARD_OIDC_CLIENT_ID and DASHBOARD_OIDC_CLIENT_SECRET_FILE and DASHBOARD_URL"),
        (
            {
                "dashboard_oidc_client_id": "x",
                "dashboard_oidc_client_secret_file": Path("secret"),
                "dashboard_url": "http://localhost:8000",
            },
            "must begin with https://",
        ),
    ],
)
def test_half_a_provider_stops_the_start(variables: dict[str, object], message: str) -> None:
    settings = Settings.model_validate({"dashboard_oidc_issuer": "http://login.example.com", **variables})

    with pytest.raises(UserError, match=message):
        _ = settings.provider
