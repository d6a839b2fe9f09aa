"""The pages behind links: one that asks, and one that says what was done.

Following a link changes nothing, because chats and mail programs follow links to show a preview. Only the button does.
"""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from html import escape
from urllib.parse import parse_qs

import psycopg
import structlog
import uvicorn
from clickwatch_service import UserError
from clickwatch_service.shown import shown
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from clickwatch_notifier.links import BadLink, Links, Snooze

log = structlog.get_logger()

_HOURS = (1, 4, 24, 168)
_MOST_BYTES = 4096
_LONGEST_NAME = 100
_CLOSE_SECONDS = 3
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}

SnoozeProduct = Callable[[str, timedelta, str], datetime]
"""Snoozes a product for some time at someone's wish, and returns until when."""


def link_pages(links: Links, snooze: SnoozeProduct) -> Starlette:
    """Return the pages."""

    async def ask(request: Request) -> HTMLResponse:
        try:
            asked = links.read(request.path_params["token"], datetime.now(UTC))
        except BadLink as error:
            return _page("Nothing was changed", f"<p>{escape(str(error))}</p>", 403)
        return _page(f"Snooze {shown(asked.product_id)}?", _form(asked))

    async def act(request: Request) -> HTMLResponse:
        try:
            asked = links.read(request.path_params["token"], datetime.now(UTC))
        except BadLink as error:
            return _page("Nothing was changed", f"<p>{escape(str(error))}</p>", 403)
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                return _page("Nothing was changed", "<p>Too much was sent.</p>", 413)
        fields = parse_qs(body.decode("utf-8", "replace"))
        hours = fields.get("hours", [""])[0]
        if hours not in map(str, _HOURS):
            return _page("Nothing was changed", f"<p>hours must be one of {', '.join(map(str, _HOURS))}.</p>", 400)
        who = " ".join(fields.get("who", [""])[0].replace("\0", "").split())[:_LONGEST_NAME]
        who = who or f"someone in channel {asked.channel}"
        try:
            until = await run_in_threadpool(snooze, asked.product_id, timedelta(hours=int(hours)), who)
        except psycopg.Error as error:
            log.warning("snooze_failed", reason=" ".join(str(error).split()))
            return _page("Nothing was changed", "<p>The database does not answer. Try again in a minute.</p>", 503)
        log.info("product_snoozed", product_id=asked.product_id, until=until.isoformat(), who=who)
        told = f"Nobody is told of {shown(asked.product_id)} until {until:%Y-%m-%d %H:%M} UTC."
        return _page("Snoozed", f"<p>{escape(told)}</p>")

    return Starlette(
        routes=[
            Route("/snooze/{token}", ask, methods=["GET"]),
            Route("/snooze/{token}", act, methods=["POST"]),
        ]
    )


@contextmanager
def served(pages: Starlette, host: str, port: int) -> Iterator[None]:
    """Serve pages while the block runs.

    Raises:
        UserError: the port cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise UserError(
                f"NOTIFIER_LINKS_HOST={host!r} NOTIFIER_LINKS_PORT={port}: cannot listen there ({error.strerror}): "
                "choose another port or address"
            ) from None
        config = uvicorn.Config(
            pages, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=_CLOSE_SECONDS
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=_run, args=(server, [listener]), name="links", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join(_CLOSE_SECONDS + 2)


def _run(server: uvicorn.Server, listeners: Sequence[socket.socket]) -> None:
    server.run(list(listeners))


def _form(asked: Snooze) -> str:
    choices = "".join(
        f'<p><label><input type="radio" name="hours" value="{hours}"{" checked" if hours == _HOURS[0] else ""}> '
        f"{_length(hours)}</label></p>"
        for hours in _HOURS
    )
    return (
        f"<p>No channel is told of {escape(shown(asked.product_id))} for that time. What changes meanwhile is not told "
        f'later.</p><form method="post">{choices}<p><label>Your name <input name="who" maxlength="{_LONGEST_NAME}">'
        "</label></p><p><button>Snooze</button></p></form>"
    )


def _length(hours: int) -> str:
    if hours % 24:
        return f"{hours} hour{'s' if hours > 1 else ''}"
    return f"{hours // 24} day{'s' if hours > 24 else ''}"


def _page(title: str, content: str, status: int = 200) -> HTMLResponse:
    text = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width"></head>'
        f"<body><main><h1>{escape(title)}</h1>{content}</main></body></html>"
    )
    return HTMLResponse(text, status, _HEADERS)
