"""Who listens: a webhook and a mail server, both real."""

import json
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from clickwatch_servers.ports import HOST, free_port
from notifier_program import PATIENCE_SECONDS, wait_until

Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    """An answer of a status alone."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def twice(handler: BaseHTTPRequestHandler) -> None:
    """Two answers to one request, the second of which says something else."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    handler.wfile.write(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")


def no_answer(handler: BaseHTTPRequestHandler) -> None:
    """The connection ends after the request was taken."""
    handler.close_connection = True


class Held:
    """An answer that does not come until it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.set()
        self.let_go.wait(PATIENCE_SECONDS)
        status(200)(handler)


@dataclass(frozen=True)
class Request:
    """A message as it came."""

    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]

    @property
    def document(self) -> Any:  # JSON
        return json.loads(self.body)

    @property
    def changes(self) -> list[tuple[str, str]]:
        return [(one["product_id"], one["status"]) for one in self.document["data"]["changes"]]


@dataclass
class Shop:
    """A webhook. It answers 200, after the answers that a test has put in front.

    Attributes:
        port: where it listens.
        requests: whatever came, in order.
        answers: what it does first.
    """

    port: int = field(default_factory=free_port)
    requests: list[Request] = field(default_factory=list)
    answers: deque[Answer] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._server: ThreadingHTTPServer | None = None
        self.open()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/alerts"

    def open(self) -> None:
        """Listen."""
        shop = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                shop.requests.append(Request(headers, body))
                answer = shop.answers.popleft() if shop.answers else status(200)
                try:
                    answer(self)
                except OSError:
                    # Who asked has gone.
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer((HOST, self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def taken(self) -> list[Request]:
        """The messages of those that came, each once: what a receiver keeps that looks at the key."""
        return list({request.key: request for request in self.requests}.values())

    def changes(self) -> list[tuple[str, str]]:
        """What it was told, in order."""
        return [change for request in self.taken() for change in request.changes]

    def wait_for_requests(self, count: int) -> None:
        wait_until(lambda: len(self.requests) >= count, f"{count} requests")


class Mailbox:
    """A mail server that keeps what it takes."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.refusals = 0
        self.port = free_port()
        self._controller = Controller(self, hostname=HOST, port=self.port)
        self._controller.start()

    # aiosmtpd calls it so.
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refusals:
            self.refusals -= 1
            return "451 Try again later"
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        return "250 OK"

    @property
    def url(self) -> str:
        return f"mailto://{HOST}:{self.port}?from=clickwatch@example.com&to=buyers@example.com"

    def close(self) -> None:
        self._controller.stop()
