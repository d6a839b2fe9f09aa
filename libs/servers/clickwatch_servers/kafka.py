"""Apache Kafka: one node, broker and controller, on 127.0.0.1."""

import base64
import subprocess
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from clickwatch_jars.jars import Artifact, fetched_jars
from clickwatch_kafka import KafkaConnection, Reach
from clickwatch_service import UserError

from clickwatch_servers.java import Java
from clickwatch_servers.ports import HOST, accepts_connections, free_port
from clickwatch_servers.process import Command, Process
from clickwatch_servers.tokens import AUDIENCE, ISSUER

ARTIFACTS = (
    Artifact("org.apache.kafka", "kafka_2.13", "4.4.0", with_dependencies=True),
    Artifact("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.5", with_dependencies=True),
)


@dataclass(frozen=True)
class Listener:
    """A further door of a broker.

    Attributes:
        name: in capital letters.
        port: where it listens on 127.0.0.1.
        protocol: SSL, SASL_SSL or SASL_PLAINTEXT.
        keystore: PEM of the broker's key and certificate; None without TLS.
        asks_for_certificate: whether clients must show one.
    """

    name: str
    port: int
    protocol: str
    keystore: Path | None = None
    asks_for_certificate: bool = False


@dataclass(frozen=True)
class Security:
    """Doors that ask who is there, beside the plain one, through which anyone on this machine may do anything.

    Attributes:
        listeners: the doors.
        authorities: PEM of who signs clients' certificates.
        users: names and passwords, each for PLAIN and for SCRAM alike.
        keys_url: where the keys are that tokens for OAUTHBEARER are signed with (JWKS); must answer at the start.
    """

    listeners: tuple[Listener, ...]
    authorities: Path
    users: Mapping[str, str] = field(repr=False)
    keys_url: str


REGISTRATION_SECONDS = 120
"""How long a broker tries to be let in; after a kill that takes as long as its session."""

_LOG4J = """\
Configuration:
  status: warn
  Appenders:
    Console:
      name: out
      PatternLayout:
        pattern: "%d{ISO8601} %p %c{1}: %m%n"
  Loggers:
    Root:
      level: WARN
      AppenderRef:
        ref: out
"""


def kafka_jars(java: Java, ivy: Path | None = None) -> Path:
    """Return the folder of Kafka's jars, downloaded the first time (43 MB)."""
    return fetched_jars("kafka", ARTIFACTS, java, ivy)


def start_kafka(
    folder: Path,
    port: int,
    java: Java,
    jars: Path,
    log_file: Path,
    heap_mb: int = 256,
    security: Security | None = None,
) -> Process:
    """Start a broker and return at once; `wait_for_kafka` says when it serves.

    Args:
        folder: keeps its data between runs.
        port: where clients connect.
        java: version 17 or newer.
        jars: see `kafka_jars`.
        log_file: what it says.
        heap_mb: its memory besides the file cache.
        security: further listeners, users and ACLs.

    Raises:
        UserError: the folder cannot be formatted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    properties = folder / "server.properties"
    properties.touch(0o600)
    properties.write_text(_properties(folder, port, controller_port=free_port(), security=security))
    (folder / "log4j2.yaml").write_text(_LOG4J)
    classpath = {"CLASSPATH": f"{jars}/*"}
    if not (folder / "data" / "meta.properties").exists():
        _format(properties, java, classpath, security)
    return Process(
        Command(
            "Kafka",
            (
                str(java.executable),
                f"-Xmx{heap_mb}m",
                "-XX:+UseSerialGC",
                f"-Dlog4j2.configurationFile={folder / 'log4j2.yaml'}",
                # Without it a broker asks no address for keys.
                *((f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={security.keys_url}",) if security else ()),
                "kafka.Kafka",
                str(properties),
            ),
            log_file,
            environment=classpath,
            stop_seconds=30,
        )
    )


def wait_for_kafka(kafka: Process, port: int, timeout_seconds: float = REGISTRATION_SECONDS + 60) -> None:
    """Return once the broker answers; after a hard kill that takes a quarter of a minute.

    Raises:
        ProcessDied: it ended instead.
        UserError: it took too long.
    """
    # librdkafka retries a refused connection ever more slowly, hence the plain look at the port first.
    kafka.wait_until(lambda: accepts_connections(port), timeout_seconds)
    reach = Reach(KafkaConnection.plain(f"{HOST}:{port}"))
    kafka.wait_until(lambda: reach.metadata() is not None, timeout_seconds)


def _format(properties: Path, java: Java, environment: dict[str, str], security: Security | None) -> None:
    cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    done = subprocess.run(
        [
            str(java.executable),
            "-XX:TieredStopAtLevel=1",
            "kafka.tools.StorageTool",
            "format",
            f"--cluster-id={cluster_id}",
            f"--config={properties}",
            *_scram_users(security),
        ],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise UserError(f"Kafka's folder {properties.parent} cannot be formatted: {done.stdout}{done.stderr}")


def _scram_users(security: Security | None) -> list[str]:
    if security is None:
        return []
    return [
        f"--add-scram={mechanism}=[name={name},password={password}]"
        for name, password in security.users.items()
        for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512")
    ]


def _properties(folder: Path, port: int, controller_port: int, security: Security | None) -> str:
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": folder / "data",
        # A misspelt topic must be an error, and topics are the deployment's to make.
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "group.initial.rebalance.delay.ms": 0,
        # A broker that was killed is let in again when its session before is over, so a long session is a
        # long way back. Its own heartbeats, one in two seconds, come in time for this one on a machine with
        # thirty busy programs a core.
        "broker.session.timeout.ms": 9000,
        # It waits for that and must not give up first.
        "initial.broker.registration.timeout.ms": 1000 * REGISTRATION_SECONDS,
    }
    if security is not None:
        _add_security(settings, security)
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _add_security(settings: dict[str, object], security: Security) -> None:
    for one in security.listeners:
        door = f",{one.name}://{HOST}:{one.port}"
        settings["listeners"] = f"{settings['listeners']}{door}"
        settings["advertised.listeners"] = f"{settings['advertised.listeners']}{door}"
        protocols = settings["listener.security.protocol.map"]
        settings["listener.security.protocol.map"] = f"{protocols},{one.name}:{one.protocol}"
        own = f"listener.name.{one.name.lower()}"
        if one.keystore is not None:
            settings |= {f"{own}.ssl.keystore.type": "PEM", f"{own}.ssl.keystore.location": one.keystore}
            settings |= {f"{own}.ssl.truststore.type": "PEM", f"{own}.ssl.truststore.location": security.authorities}
        if one.asks_for_certificate:
            settings[f"{own}.ssl.client.auth"] = "required"
            settings[f"{own}.ssl.principal.mapping.rules"] = "RULE:^CN=(.*)$/$1/"
        if one.protocol.startswith("SASL"):
            settings |= _logins(own, security)
    settings["sasl.enabled.mechanisms"] = "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER"
    settings["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
    # The plain door alone lets in somebody without a name.
    settings["super.users"] = "User:ANONYMOUS"


def _logins(own: str, security: Security) -> dict[str, object]:
    module = "org.apache.kafka.common.security"
    named = " ".join(f'user_{name}="{password}"' for name, password in security.users.items())
    scram = f"{module}.scram.ScramLoginModule required;"
    return {
        f"{own}.plain.sasl.jaas.config": f"{module}.plain.PlainLoginModule required {named};",
        f"{own}.scram-sha-256.sasl.jaas.config": scram,
        f"{own}.scram-sha-512.sasl.jaas.config": scram,
        f"{own}.oauthbearer.sasl.jaas.config": f"{module}.oauthbearer.OAuthBearerLoginModule required;",
        f"{own}.oauthbearer.sasl.server.callback.handler.class": f"{module}.oauthbearer."
        "OAuthBearerValidatorCallbackHandler",
        f"{own}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url": security.keys_url,
        f"{own}.oauthbearer.sasl.oauthbearer.expected.issuer": ISSUER,
        f"{own}.oauthbearer.sasl.oauthbearer.expected.audience": AUDIENCE,
    }
