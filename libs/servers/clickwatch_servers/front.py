"""A door with TLS and a login before an HTTP server, as companies put one before their Schema Registry."""

import base64
import http.client
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from clickwatch_servers.certificates import Certificate
from clickwatch_servers.ports import HOST, free_port


@dataclass(frozen=True)
class Door:
    """What a door asks for.

    Attributes:
        certificate: what it shows; None speaks plain HTTP.
        clients: PEM of who signs clients' certificates, which are asked for then.
        users: names and passwords of who may pass.
        tokens: bearer tokens that may pass; a caller may add and remove some while it runs.
        forbidden: names of users who are known and may do nothing.
    """

    certificate: Certificate | None = None
    clients: Path | None = None
    users: Mapping[str, str] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    forbidden: frozenset[str] = frozenset()


@contextmanager
def front(url: str, door: Door) -> Iterator[str]:
    """Serve what the server at `url` serves, behind a door; yield the address of the door."""
    server = _Server((HOST, free_port()), url, door)
    if door.certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(door.certificate.certificate, door.certificate.key)
        if door.clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(door.clients)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        scheme = "http" if door.certificate is None else "https"
        yield f"{scheme}://{HOST}:{server.server_port}{urlsplit(url).path}"
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], behind: str, door: Door) -> None:
        self.behind, self.door = urlsplit(behind), door
        super().__init__(address, _Request)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that leave, or that do not get through TLS."""


class _Request(BaseHTTPRequestHandler):
    server: _Server
    timeout = 60

    def do_GET(self) -> None:
        self._pass_on()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _pass_on(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        status = self._verdict()
        if status is not None:
            self._answer(status, b'{"error_code": %d, "message": "no"}' % (status * 100))
            return
        behind = self.server.behind
        connection = http.client.HTTPConnection(behind.hostname or HOST, behind.port, timeout=60)
        try:
            kept = {name: value for name, value in self.headers.items() if name.lower() in ("accept", "content-type")}
            connection.request(self.command, self.path, body or None, kept)
            answer = connection.getresponse()
            self._answer(answer.status, answer.read())
        finally:
            connection.close()

    def _verdict(self) -> int | None:
        door = self.server.door
        if not door.users and not door.tokens:
            return None
        kind, _, word = self.headers.get("Authorization", "").partition(" ")
        if kind == "Bearer":
            return None if word in door.tokens else 401
        user, _, password = base64.b64decode(word).decode().partition(":") if kind == "Basic" else ("", "", "")
        if door.users.get(user) != password:
            return 401
        return 403 if user in door.forbidden else None

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/vnd.schemaregistry.v1+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""
