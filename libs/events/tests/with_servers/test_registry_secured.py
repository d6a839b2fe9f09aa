"""A real registry behind TLS and logins: let in, or refused with one line."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from clickwatch_events.registry import Registry, RegistryRefused, RegistryUnavailable
from clickwatch_events.registry_connection import RegistryConnection, RegistrySettings
from clickwatch_events.schemas import EVENTS
from clickwatch_servers.certificates import Authority
from clickwatch_servers.front import Door, front
from clickwatch_service import UserError, load_settings

PASSWORD, TOKEN = "planted-pass-word", "planted-token"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "clickwatch")


@pytest.fixture(scope="module")
def door(authority: Authority) -> Door:
    users = {"shop": PASSWORD, "reader": PASSWORD}
    return Door(authority.issue("registry"), users=users, tokens={TOKEN}, forbidden=frozenset({"reader"}))


@pytest.fixture(scope="module")
def secured_url(schema_registry_url: str, door: Door) -> Iterator[str]:
    with front(schema_registry_url, door) as url:
        yield url


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "password").write_text(PASSWORD + "\n")
    (tmp_path / "wrong").write_text("not-the-password")
    (tmp_path / "token").write_text(TOKEN)
    return tmp_path


@pytest.fixture
def by_password(secured_url: str, authority: Authority, files: Path) -> RegistryConnection:
    return RegistryConnection(
        url=secured_url, ca_file=authority.file, username="shop", password_file=files / "password"
    )


def refused_with(connection: RegistryConnection) -> str:
    """Return the one line of a refusal; it must not wait for the whole time that a server may be away."""
    began = monotonic()
    with pytest.raises(RegistryRefused) as refused:
        Registry(connection).wait(600)
    assert monotonic() - began < 300
    said = str(refused.value)
    assert "\n" not in said
    assert PASSWORD not in said
    return said


def test_a_login_over_tls_registers_and_reads(by_password: RegistryConnection) -> None:
    registry = Registry(by_password)

    registry.wait(60)
    ids = registry.register(EVENTS)

    assert registry.ids(EVENTS)[1] == ids[1]
    assert '"ClickstreamEvent"' in registry.schema(ids[1])


def test_the_second_of_two_addresses_is_used_where_the_first_is_away(by_password: RegistryConnection) -> None:
    Registry(replace(by_password, url=f"https://127.0.0.1:1/apis/ccompat/v7, {by_password.url}")).wait(60)


def test_a_token_is_read_anew_for_each_request(secured_url: str, authority: Authority, files: Path, door: Door) -> None:
    registry = Registry(RegistryConnection(url=secured_url, ca_file=authority.file, token_file=files / "token"))
    registry.wait(60)

    door.tokens.add("another")
    door.tokens.remove(TOKEN)
    try:
        with pytest.raises(RegistryRefused, match=r"refuses the login \(401\): see SCHEMA_REGISTRY_TOKEN_FILE"):
            registry.wait(600)
        (files / "token").write_text("another")
        registry.wait(60)
    finally:
        door.tokens.add(TOKEN)


def test_a_client_certificate_is_let_in_and_asked_for(
    schema_registry_url: str, authority: Authority, tmp_path: Path
) -> None:
    client = authority.issue("shop")
    with front(schema_registry_url, Door(authority.issue("registry"), clients=authority.file)) as url:
        without = RegistryConnection(url=url, ca_file=authority.file)
        Registry(replace(without, certificate_file=client.certificate, key_file=client.key)).wait(60)

        assert "asks for a client's certificate" in refused_with(without)


def test_a_wrong_password_and_no_password_are_refused(by_password: RegistryConnection, files: Path) -> None:
    wrong = replace(by_password, password_file=files / "wrong")
    without = replace(by_password, username=None, password_file=None)

    assert "refuses the login (401): see SCHEMA_REGISTRY_USERNAME ('shop')" in refused_with(wrong)
    assert "none is set" in refused_with(without)


def test_a_user_without_rights_is_refused(by_password: RegistryConnection) -> None:
    assert "forbids what was asked (403): let user 'reader' read subjects" in refused_with(
        replace(by_password, username="reader")
    )


def test_a_foreign_authority_an_expired_certificate_and_another_name_are_refused(
    schema_registry_url: str, authority: Authority, by_password: RegistryConnection, tmp_path: Path
) -> None:
    foreign = replace(by_password, ca_file=Authority(tmp_path / "foreign", "foreign").file)
    assert "does not convince us" in refused_with(foreign)

    for certificate, why in (
        (authority.issue("old", expired=True), "certificate has expired"),
        (authority.issue("other", ("registry.example.com",)), "is not valid for '127.0.0.1'"),
    ):
        with front(schema_registry_url, Door(certificate)) as url:
            assert why in refused_with(RegistryConnection(url=url, ca_file=authority.file))


def test_tls_asked_of_plain_http_and_the_reverse_are_refused(
    schema_registry_url: str, by_password: RegistryConnection
) -> None:
    asked = replace(by_password, url=schema_registry_url.replace("http://", "https://"))
    assert "speaks no TLS" in refused_with(asked)

    plain = RegistryConnection(url=by_password.url.replace("https://", "http://"))
    assert "speaks TLS: let SCHEMA_REGISTRY_URL begin with https://" in refused_with(plain)


def test_a_registry_that_is_away_is_no_refusal() -> None:
    with pytest.raises(RegistryUnavailable, match="did not answer within 1 s") as away:
        Registry("http://127.0.0.1:1").wait(1)

    assert not isinstance(away.value, RegistryRefused)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"USERNAME": "shop"}, "SCHEMA_REGISTRY_PASSWORD_FILE is not set"),
        ({"URL": f"https://shop:{PASSWORD}@registry.example.com"}, "SCHEMA_REGISTRY_URL: holds a name or a password"),
        ({"URL": "https://a.example.com,http://b.example.com"}, "must be all https:// or all http://"),
        ({"URL": "ftp://a.example.com"}, "must begin with http:// or https://"),
        ({"PASSWORD": PASSWORD}, "SCHEMA_REGISTRY_PASSWORD is set: secrets are read from files alone"),
        ({"URL": "http://a.example.com", "CA_FILE": "@password"}, "SCHEMA_REGISTRY_URL has no TLS"),
        ({"USERNAME": "s", "PASSWORD_FILE": "@password", "TOKEN_FILE": "@token"}, "is set too: unset one"),
        ({"TOKEN_FILE": "@none"}, "SCHEMA_REGISTRY_TOKEN_FILE=.*cannot be read"),
        ({"URL": "https://a", "CERTIFICATE_FILE": "@password"}, "SCHEMA_REGISTRY_KEY_FILE is not set"),
    ],
)
def test_a_contradiction_ends_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, files: Path, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"SCHEMA_REGISTRY_{name}", value.replace("@", f"{files}/") if value[0] == "@" else value)

    with pytest.raises(UserError, match=said) as refused:
        load_settings(RegistrySettings)

    assert PASSWORD not in str(refused.value)


def test_no_secret_is_shown(by_password: RegistryConnection) -> None:
    assert PASSWORD not in repr(by_password)
