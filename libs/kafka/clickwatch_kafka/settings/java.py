"""A connection in the names of Java's clients, which Spark's connector is made of.

A secret stands in no property: `${directory:FOLDER:FILE}` has the client read the file when it is made. So a
plan, a page or an event log of Spark that shows the properties shows the file's name, and a new client reads
what the file holds then.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from clickwatch_service import UserError

from clickwatch_kafka.settings.choices import Mechanism
from clickwatch_kafka.settings.passthrough import Dialect, parsed_properties
from clickwatch_kafka.settings.secret_files import readable_text

if TYPE_CHECKING:
    from clickwatch_kafka.settings.connection import KafkaConnection

_MODULES = {
    Mechanism.PLAIN: "org.apache.kafka.common.security.plain.PlainLoginModule",
    Mechanism.SCRAM_SHA_256: "org.apache.kafka.common.security.scram.ScramLoginModule",
    Mechanism.SCRAM_SHA_512: "org.apache.kafka.common.security.scram.ScramLoginModule",
    Mechanism.OAUTHBEARER: "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule",
}
_OAUTH_HANDLER = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler"
ALLOWED_URLS = "org.apache.kafka.sasl.oauthbearer.allowed.urls"
"""The property of the Java machine without which Kafka's client asks no address for a token."""


def java_properties(connection: KafkaConnection) -> dict[str, str]:
    """Return the properties of a client.

    Raises:
        UserError: a file cannot be read, or Java cannot take a secret from it as it is.
    """
    properties = dict(parsed_properties(connection.client_properties)[Dialect.JAVA])
    properties["bootstrap.servers"] = connection.bootstrap_servers
    if connection.security_protocol != "PLAINTEXT":
        properties["security.protocol"] = str(connection.security_protocol)
    if connection.security_protocol.has_tls:
        properties |= _tls(connection)
    if connection.security_protocol.has_login:
        properties |= _login(connection)
    if any("${directory:" in value for value in properties.values()):
        properties["config.providers"] = "directory"
        properties["config.providers.directory.class"] = (
            "org.apache.kafka.common.config.provider.DirectoryConfigProvider"
        )
    return properties


def spark_options(connection: KafkaConnection) -> dict[str, str]:
    """Return the options of Spark's connector, for a source and for a sink.

    Raises:
        UserError: see `java_properties`.
    """
    return {f"kafka.{name}": value for name, value in java_properties(connection).items()}


def java_options(connection: KafkaConnection) -> list[str]:
    """Return the options that a Java machine needs whose clients are made by `java_properties`."""
    if connection.oauth_token_url is None:
        return []
    return [f"-D{ALLOWED_URLS}={connection.oauth_token_url}"]


def _tls(connection: KafkaConnection) -> dict[str, str]:
    properties = {"ssl.endpoint.identification.algorithm": "https"}
    if connection.ssl_ca_file is not None:
        properties |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": str(connection.ssl_ca_file.absolute())}
    if connection.ssl_certificate_file is not None:
        assert connection.ssl_key_file is not None
        _require_pkcs8(connection.ssl_key_file)
        properties |= {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.certificate.chain": _content("KAFKA_SSL_CERTIFICATE_FILE", connection.ssl_certificate_file),
            "ssl.keystore.key": _content("KAFKA_SSL_KEY_FILE", connection.ssl_key_file),
        }
    if connection.ssl_key_password_file is not None:
        properties["ssl.key.password"] = _secret("KAFKA_SSL_KEY_PASSWORD_FILE", connection.ssl_key_password_file)
    return properties


def _login(connection: KafkaConnection) -> dict[str, str]:
    mechanism = connection.sasl_mechanism
    assert mechanism is not None
    properties = {"sasl.mechanism": str(mechanism)}
    if mechanism is not Mechanism.OAUTHBEARER:
        assert connection.sasl_password_file is not None
        options = {
            "username": _quoted("KAFKA_SASL_USERNAME", connection.sasl_username or ""),
            "password": _secret("KAFKA_SASL_PASSWORD_FILE", connection.sasl_password_file),
        }
    else:
        assert connection.oauth_client_secret_file is not None
        options = {
            "clientId": _quoted("KAFKA_OAUTH_CLIENT_ID", connection.oauth_client_id or ""),
            "clientSecret": _secret("KAFKA_OAUTH_CLIENT_SECRET_FILE", connection.oauth_client_secret_file),
        }
        if connection.oauth_scope is not None:
            options["scope"] = _quoted("KAFKA_OAUTH_SCOPE", connection.oauth_scope)
        if connection.oauth_ca_file is not None:
            options["ssl.truststore.type"] = "PEM"
            options["ssl.truststore.location"] = _quoted(
                "KAFKA_OAUTH_CA_FILE", str(connection.oauth_ca_file.absolute())
            )
        properties["sasl.login.callback.handler.class"] = _OAUTH_HANDLER
        properties["sasl.oauthbearer.token.endpoint.url"] = connection.oauth_token_url or ""
    stated = " ".join(f'{key}="{value}"' for key, value in options.items())
    properties["sasl.jaas.config"] = f"{_MODULES[mechanism]} required {stated};"
    return properties


def _quoted(variable: str, value: str) -> str:
    if re.search(r"[\x00-\x1f]|\$\{", value):
        raise UserError(f"{variable}={value!r}: must hold no control character and no ${{")
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _secret(variable: str, file: Path) -> str:
    """Return a reference to a file whose bytes are the secret, exactly, as they stand between two quotes."""
    text = readable_text(variable, file)
    if re.search(r'["\\\x00-\x1f]', text):
        raise UserError(
            f"{variable}={str(file)!r}: Spark's connector takes the file as it is, so it may hold no line break, "
            "quote or backslash: write it by `printf %s`, or choose a secret without these"
        )
    return _content(variable, file)


def _content(variable: str, file: Path) -> str:
    path = file.absolute()
    if re.search(r"[:{}$]", str(path)):
        raise UserError(f"{variable}={str(file)!r}: Spark's connector can read no path with a colon, brace or dollar")
    return f"${{directory:{path.parent}:{path.name}}}"


def _require_pkcs8(file: Path) -> None:
    text = readable_text("KAFKA_SSL_KEY_FILE", file)
    if "-----BEGIN PRIVATE KEY-----" not in text and "-----BEGIN ENCRYPTED PRIVATE KEY-----" not in text:
        raise UserError(
            f"KAFKA_SSL_KEY_FILE={str(file)!r}: Spark's connector reads keys in PKCS#8 alone: "
            "convert it by `openssl pkcs8 -topk8`"
        )
