"""Why a listener does not let us in, found by looking at it: clients say little of TLS, and nothing of a wrong door."""

from clickwatch_kafka.doors import Door, Tls, addresses, door
from clickwatch_kafka.refusals import KafkaRefused
from clickwatch_kafka.settings.connection import KafkaConnection


def diagnosis(connection: KafkaConnection) -> KafkaRefused | None:
    """Return what is wrong with the connection by the looks of the listeners; None where they look right."""
    for host, port in addresses(connection.bootstrap_servers):
        found = door(host, port, connection.ssl_ca_file)
        words = _words(connection, found) if found is not None else None
        if words is not None:
            return KafkaRefused(f"Kafka at {host}:{port} {words}")
    return None


def _words(connection: KafkaConnection, found: Door) -> str | None:
    protocol = connection.security_protocol
    if found.protocol is not None and found.protocol != protocol:
        logins = f" with the logins {', '.join(found.logins)}" if found.logins else ""
        is_less = (protocol.has_tls and found.tls is None) or (protocol.has_login and not found.logins)
        remedy = "" if is_less else f"set KAFKA_SECURITY_PROTOCOL={found.protocol} or "
        return (
            f"speaks {found.protocol}{logins}, not {protocol}: {remedy}name a listener that speaks {protocol} by "
            "KAFKA_BOOTSTRAP_SERVERS"
        )
    if found.tls is not None and not protocol.has_tls:
        return f"speaks TLS, and KAFKA_SECURITY_PROTOCOL={str(protocol)!r} asks for none: set it to SSL or SASL_SSL"
    if found.tls is not None and found.tls.distrust is not None:
        return _distrust(connection, found.tls)
    mechanism = connection.sasl_mechanism
    if found.logins and mechanism is not None and mechanism not in found.logins:
        return f"offers the logins {', '.join(found.logins)}, not KAFKA_SASL_MECHANISM={str(mechanism)!r}: choose one"
    if found.tls is not None and found.logins is None:
        shown = connection.ssl_certificate_file
        return (
            f"does not take KAFKA_SSL_CERTIFICATE_FILE={str(shown)!r}: have it signed by an authority that it trusts"
            if shown
            else "asks for a client's certificate: set KAFKA_SSL_CERTIFICATE_FILE and KAFKA_SSL_KEY_FILE"
        )
    return None


def _distrust(connection: KafkaConnection, tls: Tls) -> str:
    words = (tls.distrust or "").rstrip(".")
    if "expired" in words or "not yet valid" in words:
        until = f"{tls.until:%Y-%m-%d %H:%M} UTC"
        return f"shows a certificate that is not valid now ({words}, until {until}): have it renewed"
    if "mismatch" in words:
        return f"shows a certificate for another name ({words}): set KAFKA_BOOTSTRAP_SERVERS to the name that is in it"
    trusted = (
        f"KAFKA_SSL_CA_FILE={str(connection.ssl_ca_file)!r}" if connection.ssl_ca_file else "the system's authorities"
    )
    return f"shows a certificate by {tls.issuer}, not by {trusted} ({words}): set KAFKA_SSL_CA_FILE to its authority"
