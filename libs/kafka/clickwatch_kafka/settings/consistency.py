"""Whether the settings of a connection fit each other. Whatever is set and would not be used is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from clickwatch_service import UserError

from clickwatch_kafka.settings.choices import Mechanism
from clickwatch_kafka.settings.passthrough import parsed_properties
from clickwatch_kafka.settings.secret_files import readable_text, secret

if TYPE_CHECKING:
    from clickwatch_kafka.settings.connection import KafkaConnection

_PASSWORD = ("sasl_username", "sasl_password_file")
_OAUTH = ("oauth_token_url", "oauth_client_id", "oauth_client_secret_file")
_OAUTH_OPTIONAL = ("oauth_scope", "oauth_ca_file")
_TLS = ("ssl_ca_file", "ssl_certificate_file", "ssl_key_file", "ssl_key_password_file")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def require_consistent(connection: KafkaConnection) -> None:
    """Return if the settings fit each other and the files they name are there.

    Raises:
        UserError: they do not; the line names the variable, its value and the remedy.
    """
    if not connection.bootstrap_servers.strip():
        raise UserError(
            f"KAFKA_BOOTSTRAP_SERVERS={connection.bootstrap_servers!r}: must be the brokers' addresses, "
            "such as kafka.example.com:9093"
        )
    _require_login(connection)
    _require_tls(connection)
    parsed_properties(connection.client_properties)


def variable(attribute: str) -> str:
    """Return the environment variable of an attribute."""
    return f"KAFKA_{attribute.upper()}"


def _require_login(connection: KafkaConnection) -> None:
    protocol, mechanism = connection.security_protocol, connection.sasl_mechanism
    login = (*_PASSWORD, *_OAUTH, *_OAUTH_OPTIONAL)
    if not protocol.has_login:
        _refuse(
            connection,
            ("sasl_mechanism", *login),
            f"KAFKA_SECURITY_PROTOCOL is {protocol}, which has no login: set it to SASL_SSL, or unset this",
        )
        return
    if mechanism is None:
        raise UserError(
            f"KAFKA_SASL_MECHANISM is not set: KAFKA_SECURITY_PROTOCOL={str(protocol)!r} asks for a login: set it to "
            + ", ".join(Mechanism)
        )
    needed = _OAUTH if mechanism is Mechanism.OAUTHBEARER else _PASSWORD
    unused = _PASSWORD if mechanism is Mechanism.OAUTHBEARER else (*_OAUTH, *_OAUTH_OPTIONAL)
    _refuse(connection, unused, f"KAFKA_SASL_MECHANISM is {mechanism}, which does not use it: unset this")
    for attribute in needed:
        if getattr(connection, attribute) is None:
            raise UserError(
                f"{variable(attribute)} is not set: KAFKA_SASL_MECHANISM={str(mechanism)!r} needs it: "
                f"set {' and '.join(map(variable, needed))}"
            )
    for attribute in ("sasl_password_file", "oauth_client_secret_file"):
        file = getattr(connection, attribute)
        if file is not None:
            secret(variable(attribute), file)
    _require_pem(connection, "oauth_ca_file", "CERTIFICATE")
    if connection.oauth_token_url is not None:
        _require_safe_address(connection.oauth_token_url)


def _require_safe_address(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        return
    # An address may hold a password, so it is not shown.
    raise UserError("KAFKA_OAUTH_TOKEN_URL: must begin with https://, as the client's secret is sent to it")


def _require_tls(connection: KafkaConnection) -> None:
    if not connection.security_protocol.has_tls:
        _refuse(
            connection,
            _TLS,
            f"KAFKA_SECURITY_PROTOCOL is {connection.security_protocol}, which has no TLS: "
            "set it to SSL or SASL_SSL, or unset this",
        )
        return
    certificate, key = connection.ssl_certificate_file, connection.ssl_key_file
    if certificate is not None and key is None:
        raise UserError(f"KAFKA_SSL_CERTIFICATE_FILE={str(certificate)!r}: has no key: set KAFKA_SSL_KEY_FILE")
    if key is not None and certificate is None:
        raise UserError(f"KAFKA_SSL_KEY_FILE={str(key)!r}: has no certificate: set KAFKA_SSL_CERTIFICATE_FILE")
    if connection.ssl_key_password_file is not None:
        if key is None:
            raise UserError(
                f"KAFKA_SSL_KEY_PASSWORD_FILE={str(connection.ssl_key_password_file)!r}: there is no key to open: "
                "set KAFKA_SSL_KEY_FILE"
            )
        secret("KAFKA_SSL_KEY_PASSWORD_FILE", connection.ssl_key_password_file)
    _require_pem(connection, "ssl_ca_file", "CERTIFICATE")
    _require_pem(connection, "ssl_certificate_file", "CERTIFICATE")
    _require_pem(connection, "ssl_key_file", "PRIVATE KEY")


def _require_pem(connection: KafkaConnection, attribute: str, kind: str) -> None:
    file: Path | None = getattr(connection, attribute)
    if file is None:
        return
    text = readable_text(variable(attribute), file)
    if "-----BEGIN " not in text or f"{kind}-----" not in text:
        raise UserError(f"{variable(attribute)}={str(file)!r}: holds no {kind} in PEM: name a file that does")


def _refuse(connection: KafkaConnection, attributes: tuple[str, ...], why: str) -> None:
    for attribute in attributes:
        value = getattr(connection, attribute)
        if value is not None:
            shown = "" if attribute == "oauth_token_url" else f"={str(value)!r}"
            raise UserError(f"{variable(attribute)}{shown}: {why}")
