"""A Kafka that asks who is there, as a pytest fixture: TLS, logins of every kind, ACLs.

Use it by `pytest_plugins = ["clickwatch_servers.fixtures", "clickwatch_servers.secured"]`.
"""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from clickwatch_kafka import KafkaConnection, Mechanism, Protocol

from clickwatch_servers.certificates import Authority, Certificate
from clickwatch_servers.java import find_java
from clickwatch_servers.kafka import Listener, Security, kafka_jars, start_kafka, wait_for_kafka
from clickwatch_servers.ports import HOST, free_port
from clickwatch_servers.tokens import token_server

USERS = ("shop", "stranger")
"""`shop` is given rights by the tests that need them, `stranger` none."""


@dataclass(frozen=True)
class SecuredKafka:
    """A broker with a plain door for tests and secured ones for what is tested.

    Attributes:
        plain: the address of the door through which anyone may do anything.
        ports: of the secured doors, by name: SASL, PLAINSASL, MTLS, EXPIRED, ELSEWHERE.
        authority: signs its certificates.
        client: a client's certificate, for the user `shop`.
        files: holds a password file for each user, named after him, and `wrong`.
        token_url: where OAUTHBEARER gets tokens.
        log_file: what the broker says.
    """

    plain: str
    ports: Mapping[str, int]
    authority: Authority
    client: Certificate
    files: Path
    token_url: str
    log_file: Path

    def address(self, door: str, host: str = HOST) -> str:
        """Return the bootstrap address of a door."""
        return f"{host}:{self.ports[door]}"

    def variables(self, mechanism: str = "SCRAM-SHA-512", user: str = "shop", door: str = "SASL") -> dict[str, str]:
        """Return the environment of a service that logs in."""
        login = {"KAFKA_SASL_USERNAME": user, "KAFKA_SASL_PASSWORD_FILE": str(self.files / user)}
        if mechanism == "OAUTHBEARER":
            login = {
                "KAFKA_OAUTH_TOKEN_URL": self.token_url,
                "KAFKA_OAUTH_CLIENT_ID": user,
                "KAFKA_OAUTH_CLIENT_SECRET_FILE": str(self.files / user),
            }
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.address(door),
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": mechanism,
            "KAFKA_SSL_CA_FILE": str(self.authority.file),
            **login,
        }

    def connection(self, user: str = "shop") -> KafkaConnection:
        """Return how a user logs in by SCRAM over TLS."""
        return KafkaConnection(
            bootstrap_servers=self.address("SASL"),
            security_protocol=Protocol.SASL_SSL,
            sasl_mechanism=Mechanism.SCRAM_SHA_512,
            sasl_username=user,
            sasl_password_file=self.files / user,
            ssl_ca_file=self.authority.file,
        )

    def master(self) -> KafkaConnection:
        """Return how the tests themselves get in, with every right."""
        return KafkaConnection.plain(self.plain)

    def password(self, user: str) -> str:
        """Return a user's password, to be looked for where it must not be."""
        return (self.files / user).read_text()


@pytest.fixture(scope="session")
def secured_kafka(servers_dir: Path) -> Iterator[SecuredKafka]:
    """A Kafka with secured listeners and ACLs."""
    java, port, folder = find_java(21), free_port(), servers_dir / "secured-kafka"
    files = folder / "files"
    authority = Authority(files, "clickwatch")
    good = authority.issue("broker").both
    listeners = (
        Listener("SASL", free_port(), "SASL_SSL", good),
        Listener("PLAINSASL", free_port(), "SASL_PLAINTEXT"),
        Listener("MTLS", free_port(), "SSL", good, asks_for_certificate=True),
        Listener("EXPIRED", free_port(), "SASL_SSL", authority.issue("old-broker", expired=True).both),
        Listener("ELSEWHERE", free_port(), "SASL_SSL", authority.issue("other", ("kafka.example.com",)).both),
    )
    # Long and of one alphabet, so that a search for one in logs finds nothing else.
    users = {user: f"planted{secrets.token_hex(16)}" for user in USERS}
    for user, password in {**users, "wrong": "not-the-password"}.items():
        (files / user).touch(0o600)
        (files / user).write_text(password)
    log_file = servers_dir / "secured-kafka.log"
    with token_server(users) as url:
        security = Security(listeners, authority.file, users, f"{url}/keys")
        kafka = start_kafka(folder, port, java, kafka_jars(java), log_file, security=security)
        try:
            wait_for_kafka(kafka, port)
            yield SecuredKafka(
                f"{HOST}:{port}",
                {one.name: one.port for one in listeners},
                authority,
                authority.issue("shop"),
                files,
                f"{url}/token",
                log_file,
            )
        finally:
            kafka.kill()
