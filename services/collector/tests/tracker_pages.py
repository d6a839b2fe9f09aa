"""Pages of a shop, and a collector of another origin that answers as a test says and records what it gets."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from clickwatch_servers.ports import HOST

KEY = "page-key"
NO_ANSWER = 0
"""A status of `Pages`: the connection ends without an answer, as where nobody listens."""


@dataclass(frozen=True)
class Sent:
    """A request with events, and what it was answered.

    Attributes:
        status: the answer's, NO_ANSWER where there was none.
        key: the key in the address.
        content_type: as the browser said it.
        events: the body.
    """

    status: int
    key: str
    content_type: str
    events: list[dict[str, Any]]

    @property
    def ids(self) -> list[str]:
        """The ids of its events."""
        return [event["event_id"] for event in self.events]


@dataclass
class Pages:
    """What is served, how events are answered, and what came.

    Attributes:
        url: of the page.
        collector_url: of the other origin.
        attributes: of the script's element.
        body: of the page.
        status: the answer to events from now on.
        retry_after: of an answer that is not 200, None for none.
        sent: the requests with events, in the order they came.
        preflights: how many were asked.
        hold: while it is clear, answers to events wait.
    """

    url: str = ""
    collector_url: str = ""
    attributes: str = ""
    body: str = ""
    status: int = 200
    retry_after: int | None = None
    sent: list[Sent] = field(default_factory=list)
    preflights: int = 0
    hold: threading.Event = field(default_factory=threading.Event)

    def taken(self) -> list[dict[str, Any]]:
        """Return the events that were answered by 200."""
        return [event for one in self.sent if one.status == 200 for event in one.events]

    def products(self) -> set[str]:
        """Return the products of `taken`."""
        return {event["product_id"] for event in self.taken()}


@contextmanager
def running_pages() -> Iterator[Pages]:
    """Serve pages and a collector, each from an origin of its own."""
    pages = Pages()
    pages.hold.set()
    script = (files("clickwatch_collector") / "static" / "clickwatch.js").read_bytes()

    class Quiet(BaseHTTPRequestHandler):
        def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    class Shop(Quiet):
        def do_GET(self) -> None:
            element = f'<script src="{pages.collector_url}/clickwatch.js" data-key="{KEY}" {pages.attributes}></script>'
            policy = (
                f"default-src 'none'; script-src {pages.collector_url}; connect-src {pages.collector_url}; "
                "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
            )
            self.answer(
                200,
                f"<!doctype html><title>Shop</title>{element}{pages.body}".encode(),
                ("content-type", "text/html; charset=utf-8"),
                ("content-security-policy", policy),
            )

    class Collector(Quiet):
        def do_GET(self) -> None:
            if urlsplit(self.path).path == "/clickwatch.js":
                self.answer(200, script, ("content-type", "text/javascript; charset=utf-8"))
            else:
                self.answer(200, b"", ("access-control-allow-origin", "*"))

        def do_OPTIONS(self) -> None:
            pages.preflights += 1
            self.answer(403, b"")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, retry_after = pages.status, pages.retry_after
            key = parse_qs(urlsplit(self.path).query).get("key", [""])[0]
            pages.sent.append(Sent(status, key, self.headers["content-type"], json.loads(body)))
            pages.hold.wait()
            if status == NO_ANSWER:
                self.close_connection = True
                return
            headers = [("access-control-allow-origin", "*"), ("access-control-expose-headers", "retry-after")]
            if status != 200 and retry_after is not None:
                headers.append(("retry-after", str(retry_after)))
            self.answer(status, b"{}", *headers)

    with ExitStack() as stack:
        # Chromium takes localhost for secure, and the other name makes it another origin.
        for handler, attribute, name in ((Shop, "url", "localhost"), (Collector, "collector_url", HOST)):
            server = stack.enter_context(ThreadingHTTPServer((HOST, 0), handler))
            server.daemon_threads = True
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            stack.callback(server.shutdown)
            setattr(pages, attribute, f"http://{name}:{server.server_address[1]}")
        stack.callback(pages.hold.set)
        yield pages
