"""A connection in the names of librdkafka, which our own clients are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clickwatch_kafka.settings.choices import Mechanism
from clickwatch_kafka.settings.passthrough import Dialect, parsed_properties
from clickwatch_kafka.settings.secret_files import secret

if TYPE_CHECKING:
    from clickwatch_kafka.settings.connection import KafkaConnection


def librdkafka_properties(connection: KafkaConnection) -> dict[str, object]:
    """Return the properties of a client, with the secrets in them.

    Raises:
        UserError: a secret's file cannot be read.
    """
    properties: dict[str, object] = dict(parsed_properties(connection.client_properties)[Dialect.LIBRDKAFKA])
    properties["bootstrap.servers"] = connection.bootstrap_servers
    if connection.security_protocol != "PLAINTEXT":
        properties["security.protocol"] = str(connection.security_protocol)
    if connection.security_protocol.has_tls:
        properties |= _tls(connection)
    if connection.security_protocol.has_login:
        properties |= _login(connection)
    return properties


def _tls(connection: KafkaConnection) -> dict[str, object]:
    # Said although they are the defaults: nothing may weaken them.
    properties: dict[str, object] = {
        "enable.ssl.certificate.verification": True,
        "ssl.endpoint.identification.algorithm": "https",
        # `probe` looks for the system's authorities where the distributions keep them.
        "ssl.ca.location": str(connection.ssl_ca_file or "probe"),
    }
    if connection.ssl_certificate_file is not None:
        properties["ssl.certificate.location"] = str(connection.ssl_certificate_file)
        properties["ssl.key.location"] = str(connection.ssl_key_file)
    if connection.ssl_key_password_file is not None:
        properties["ssl.key.password"] = secret("KAFKA_SSL_KEY_PASSWORD_FILE", connection.ssl_key_password_file)
    return properties


def _login(connection: KafkaConnection) -> dict[str, object]:
    properties: dict[str, object] = {"sasl.mechanisms": str(connection.sasl_mechanism)}
    if connection.sasl_mechanism is not Mechanism.OAUTHBEARER:
        assert connection.sasl_password_file is not None
        properties["sasl.username"] = connection.sasl_username
        properties["sasl.password"] = secret("KAFKA_SASL_PASSWORD_FILE", connection.sasl_password_file)
        return properties
    assert connection.oauth_client_secret_file is not None
    properties |= {
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.token.endpoint.url": connection.oauth_token_url,
        "sasl.oauthbearer.client.id": connection.oauth_client_id,
        "sasl.oauthbearer.client.secret": secret("KAFKA_OAUTH_CLIENT_SECRET_FILE", connection.oauth_client_secret_file),
    }
    if connection.oauth_scope is not None:
        properties["sasl.oauthbearer.scope"] = connection.oauth_scope
    if connection.oauth_ca_file is not None:
        properties["https.ca.location"] = str(connection.oauth_ca_file)
    return properties
