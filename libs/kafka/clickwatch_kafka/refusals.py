"""What a broker refuses for good, said in one line: what, by whom, and where to look."""

import re

from clickwatch_service import UserError
from confluent_kafka import KafkaError

from clickwatch_kafka.settings.choices import Mechanism
from clickwatch_kafka.settings.connection import KafkaConnection


class KafkaRefused(UserError):
    """Kafka refuses the connection, the login or the act, and will tomorrow: waiting does not help."""


class KafkaUnreachable(UserError):
    """Kafka did not answer in time."""


LOGIN_ERRORS = {
    KafkaError._AUTHENTICATION,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.UNSUPPORTED_SASL_MECHANISM,
    KafkaError.ILLEGAL_SASL_STATE,
}
_RIGHTS = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "cluster",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "transactional id",
}
_OTHER_LISTENER = re.compile(r"incorrect security\.protocol|connecting to an? (SSL|PLAINTEXT|SASL)", re.IGNORECASE)
_CERTIFICATE_REFUSED = re.compile(r"tls alert (bad|unknown|certificate|unsupported|handshake)", re.IGNORECASE)


def refusal(connection: KafkaConnection, error: KafkaError, what: str | None = None) -> KafkaRefused | None:
    """Return an error of Kafka's as a refusal, or None where waiting may mend it.

    Args:
        connection: who was refused.
        error: what the client or the broker said.
        what: what was asked for, such as `read topic clickstream-events`.
    """
    code, said = error.code(), _words(error)
    at = f"Kafka at {connection.bootstrap_servers}"
    if code in _RIGHTS:
        asked = what or f"use the {_RIGHTS[code]} it asked for"
        who = f"user {connection.login!r}" if connection.login else "this client"
        return KafkaRefused(
            f"{at} does not let {who} {asked} ({said}): grant it that by an ACL "
            "(python -m clickwatch_kafka acls prints them)"
        )
    if code == KafkaError._SSL or _OTHER_LISTENER.search(said) or _CERTIFICATE_REFUSED.search(said):
        return KafkaRefused(f"{at}: {_tls_advice(connection, said)}")
    if code in LOGIN_ERRORS:
        return KafkaRefused(f"{at} refuses the login of {connection.login!r} ({said}): {_login_advice(connection)}")
    return None


def _words(error: KafkaError) -> str:
    return " ".join(error.str().split())


def _tls_advice(connection: KafkaConnection, said: str) -> str:
    if _OTHER_LISTENER.search(said):
        return (
            f"the listener does not speak {connection.security_protocol} ({said}): "
            "set KAFKA_SECURITY_PROTOCOL to what this listener speaks, or KAFKA_BOOTSTRAP_SERVERS to another one"
        )
    if _CERTIFICATE_REFUSED.search(said):
        return f"our certificate is refused ({said}): see KAFKA_SSL_CERTIFICATE_FILE and KAFKA_SSL_KEY_FILE"
    if "verify failed" in said:
        where = connection.ssl_ca_file or "none, so the system's"
        return (
            f"the broker's certificate does not convince us ({said}): see KAFKA_SSL_CA_FILE ({where}), the name in "
            "KAFKA_BOOTSTRAP_SERVERS, and until when it is valid"
        )
    return (
        f"TLS cannot be agreed upon ({said}): see KAFKA_SECURITY_PROTOCOL, KAFKA_SSL_CA_FILE, "
        "KAFKA_SSL_CERTIFICATE_FILE and KAFKA_SSL_KEY_FILE"
    )


def _login_advice(connection: KafkaConnection) -> str:
    if connection.sasl_mechanism is Mechanism.OAUTHBEARER:
        return "see KAFKA_OAUTH_TOKEN_URL, KAFKA_OAUTH_CLIENT_ID, KAFKA_OAUTH_CLIENT_SECRET_FILE and KAFKA_OAUTH_SCOPE"
    return f"see KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD_FILE and KAFKA_SASL_MECHANISM ({connection.sasl_mechanism})"
