"""TLS before a PostgreSQL that is built without it, by PostgreSQL's own way of asking for TLS."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import BaseRequestHandler, ThreadingTCPServer

from clickwatch_servers.certificates import Certificate
from clickwatch_servers.ports import HOST, free_port

_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


@contextmanager
def postgres_front(port: int, certificate: Certificate) -> Iterator[int]:
    """Yield a port that speaks TLS with a certificate, and passes on to the server at `port`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate, certificate.key)
    server = _Server((HOST, free_port()), port, context)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], behind: int, context: ssl.SSLContext) -> None:
        self.behind, self.context = behind, context
        super().__init__(address, _Connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that leave, or that do not get through TLS."""


class _Connection(BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        """Agree upon TLS, then pass on what comes from either side until one ends."""
        plain: socket.socket = self.request
        if plain.recv(len(_SSL_REQUEST), socket.MSG_WAITALL) != _SSL_REQUEST:
            return
        plain.sendall(b"S")
        with (
            self.server.context.wrap_socket(plain, server_side=True) as client,
            socket.create_connection((HOST, self.server.behind)) as behind,
        ):
            back = threading.Thread(target=_pass_on, args=(behind, client), daemon=True)
            back.start()
            _pass_on(client, behind)
            back.join()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
