"""How to reach one Kafka: addresses, TLS and login."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from clickwatch_kafka.settings.choices import Mechanism, Protocol
from clickwatch_kafka.settings.consistency import require_consistent
from clickwatch_kafka.settings.java import java_properties
from clickwatch_kafka.settings.librdkafka import librdkafka_properties
from clickwatch_kafka.settings.secret_files import Hidden


@dataclass(frozen=True, kw_only=True)
class KafkaConnection:
    """How to reach one Kafka. It knows in which files secrets are, and never holds one.

    Each attribute is the environment variable of its name in upper case, after `KAFKA_`.

    Attributes:
        bootstrap_servers: addresses, separated by commas.
        security_protocol: whether there is TLS, and a login.
        sasl_mechanism: how to log in.
        sasl_username: who logs in by PLAIN or SCRAM.
        sasl_password_file: his password.
        ssl_ca_file: PEM of the authorities to trust; the system's where it is None.
        ssl_certificate_file: PEM of the client's certificate and its chain.
        ssl_key_file: PEM of the client's key.
        ssl_key_password_file: what the key is encrypted with.
        oauth_token_url: where OAUTHBEARER gets its tokens.
        oauth_client_id: who asks for them.
        oauth_client_secret_file: his secret.
        oauth_scope: what the tokens are for.
        oauth_ca_file: PEM of the authorities to trust at the token's address; the system's where it is None.
        client_properties: further properties of the clients (see `passthrough`).
    """

    bootstrap_servers: str
    security_protocol: Protocol = Protocol.PLAINTEXT
    sasl_mechanism: Mechanism | None = None
    sasl_username: str | None = None
    sasl_password_file: Path | None = None
    ssl_ca_file: Path | None = None
    ssl_certificate_file: Path | None = None
    ssl_key_file: Path | None = None
    ssl_key_password_file: Path | None = None
    oauth_token_url: str | None = None
    oauth_client_id: str | None = None
    oauth_client_secret_file: Path | None = None
    oauth_scope: str | None = None
    oauth_ca_file: Path | None = None
    client_properties: str = ""

    @classmethod
    def plain(cls, bootstrap_servers: str) -> Self:
        """Return a connection without TLS and login, as on one machine."""
        return cls(bootstrap_servers=bootstrap_servers)

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            UserError: see `require_consistent`.
        """
        require_consistent(self)

    @property
    def login(self) -> str | None:
        """Who logs in, for messages; None without a login."""
        if self.security_protocol.has_login:
            return self.oauth_client_id if self.sasl_mechanism is Mechanism.OAUTHBEARER else self.sasl_username
        return None

    def librdkafka(self) -> Mapping[str, object]:
        """Return the properties for librdkafka's clients, with the secrets in them.

        Raises:
            UserError: a secret's file cannot be read.
        """
        return Hidden(librdkafka_properties(self))

    def java(self) -> Mapping[str, str]:
        """Return the properties for Java's clients; secrets stay in their files, which the client reads.

        Raises:
            UserError: a file cannot be read, or Java cannot take a secret from it as it is.
        """
        return java_properties(self)
