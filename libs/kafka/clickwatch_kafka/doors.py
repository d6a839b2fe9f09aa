"""What a listener is, asked by hand: TLS or not, whose certificate, which logins. Clients say less when refused."""

import socket
import ssl
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

_SASL_HANDSHAKE = 17
_LIMIT_SECONDS = 8.0
_LONGEST_ANSWER = 100_000


@dataclass(frozen=True)
class Tls:
    """The TLS of a server.

    Attributes:
        distrust: why its certificate does not convince us, in OpenSSL's words; None where it does.
        issuer: who signed the certificate.
        until: when it ends.
    """

    distrust: str | None
    issuer: str
    until: datetime


@dataclass(frozen=True)
class Door:
    """A listener of Kafka.

    Attributes:
        tls: its TLS; None where it speaks in plain text.
        logins: the mechanisms it takes; empty where it has no login, None where it does not say.
    """

    tls: Tls | None
    logins: tuple[str, ...] | None

    @property
    def protocol(self) -> str | None:
        """Return the KAFKA_SECURITY_PROTOCOL that fits; None where that is not known."""
        if self.logins is None:
            return None
        return f"{'SASL_' if self.logins else ''}{'SSL' if self.tls else 'PLAINTEXT'}"


def addresses(bootstrap_servers: str) -> list[tuple[str, int]]:
    """Return hosts and ports of KAFKA_BOOTSTRAP_SERVERS."""
    found = []
    for one in bootstrap_servers.split(","):
        host, _, port = one.strip().rpartition("://")[2].rpartition(":")
        if host and port.isdigit():
            found.append((host.strip("[]"), int(port)))
    return found


def door(host: str, port: int, ca_file: Path | None = None) -> Door | None:
    """Return what listens at an address; None where nobody does, or nobody answers."""
    try:
        tls = tls_of(host, port, ca_file)
        with socket.create_connection((host, port), _LIMIT_SECONDS) as plain:
            if tls is None:
                return Door(None, _logins(plain))
            with _unverified().wrap_socket(plain, server_hostname=host) as wrapped:
                return Door(tls, _logins(wrapped))
    except ssl.SSLError:  # asks for a certificate of the client's first
        return Door(tls, None)
    except OSError:
        return None


def tls_of(host: str, port: int, ca_file: Path | None = None) -> Tls | None:
    """Return the TLS of a server; None where it speaks none.

    Raises:
        OSError: nobody listens, or nobody answers.
    """
    with socket.create_connection((host, port), _LIMIT_SECONDS) as plain:
        try:
            with _unverified().wrap_socket(plain, server_hostname=host) as wrapped:
                shown = wrapped.getpeercert(binary_form=True)
        except TimeoutError:
            raise
        except OSError:  # SSLError is one
            return None
    if shown is None:
        return None
    certificate = x509.load_der_x509_certificate(shown)
    until = certificate.not_valid_after_utc
    return Tls(_distrust(host, port, ca_file), certificate.issuer.rfc4514_string(), until.astimezone(UTC))


def _distrust(host: str, port: int, ca_file: Path | None) -> str | None:
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    with socket.create_connection((host, port), _LIMIT_SECONDS) as plain:
        try:
            context.wrap_socket(plain, server_hostname=host).close()
        except ssl.SSLCertVerificationError as error:
            return error.verify_message
        except OSError:  # past the certificate
            return None
    return None


def _unverified() -> ssl.SSLContext:
    # Only looks at who is there. Nothing of ours is sent through it but a question without content.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _logins(connection: socket.socket) -> tuple[str, ...] | None:
    """Return what a broker says to a login by a mechanism that nobody has: which ones it does have."""
    mechanism, client = b"clickwatch-asks", b"clickwatch"
    request = struct.pack(">hhih", _SASL_HANDSHAKE, 1, 1, len(client)) + client
    request += struct.pack(">h", len(mechanism)) + mechanism
    connection.settimeout(_LIMIT_SECONDS)
    try:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", _read(connection, 4))
        if not 10 <= size <= _LONGEST_ANSWER:
            return None
        answer = _read(connection, size)
    except OSError:
        return None
    (count,) = struct.unpack_from(">i", answer, 6)
    names, at = [], 10
    for _ in range(count):
        (length,) = struct.unpack_from(">h", answer, at)
        names.append(answer[at + 2 : at + 2 + length].decode("ascii", "replace"))
        at += 2 + length
    return tuple(names)


def _read(connection: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        piece = connection.recv(size - len(content))
        if not piece:
            raise ConnectionResetError("the broker left")
        content += piece
    return content
