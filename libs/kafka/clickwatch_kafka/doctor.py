"""What a service can reach of Kafka with its own settings, as a line for people."""

from collections.abc import Sequence

from clickwatch_service.doctor import Finding

from clickwatch_kafka.doors import Tls, addresses, tls_of
from clickwatch_kafka.reaching import require_kafka
from clickwatch_kafka.refusals import KafkaRefused, KafkaUnreachable
from clickwatch_kafka.rights import Resource, Right, missing_rights
from clickwatch_kafka.settings.connection import KafkaConnection

_WAIT_SECONDS = 15.0
_PATIENCE_SECONDS = 3.0


def check_kafka(connection: KafkaConnection, rights: Sequence[Right]) -> Finding:
    """Return what is found of a Kafka: reached, its TLS, who we are there, and whether we may do what we must."""
    what = f"Kafka {connection.bootstrap_servers}"
    topics = [one.name for one in rights if one.resource is Resource.TOPIC]
    try:
        require_kafka(connection, topics, _WAIT_SECONDS, patience_seconds=_PATIENCE_SECONDS)
        missing = missing_rights(connection, rights)
    except (KafkaRefused, KafkaUnreachable) as error:
        return Finding(what, False, str(error))
    parts = ["reached", _tls(connection)]
    if connection.login is not None:
        parts.append(f"logged in as {connection.login!r} by {connection.sasl_mechanism}")
    elif connection.ssl_certificate_file is not None:
        parts.append(f"known by {connection.ssl_certificate_file}")
    else:
        parts.append("no login")
    lacks = [f"{'+'.join(lacking)} on {right.resource} {right.name}" for right, lacking in missing]
    parts.append(f"lacks {', '.join(lacks)}" if lacks else "may do what it must")
    return Finding(what, not lacks, ", ".join(parts))


def _tls(connection: KafkaConnection) -> str:
    if not connection.security_protocol.has_tls:
        return "no TLS"
    for host, port in addresses(connection.bootstrap_servers):
        try:
            found = tls_of(host, port, connection.ssl_ca_file)
        except OSError:
            continue
        if found is not None:
            return tls_words(found)
    return "TLS"


def tls_words(tls: Tls) -> str:
    """Return the TLS of a server for people: whose certificate, and until when."""
    return f"TLS by {tls.issuer} until {tls.until:%Y-%m-%d}"
