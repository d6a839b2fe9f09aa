"""What stands before every request: the session, the headers, the hosts we answer to."""

from dataclasses import dataclass
from time import time
from urllib.parse import quote, urlsplit

from fastapi import HTTPException, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clickwatch_dashboard.sessions import Sessions
from clickwatch_dashboard.users import Role, User

COOKIE = "clickwatch_session"
ANYONE = User("local", Role.ACT)
"""Who asks where no login is: whoever sits at this machine."""
_OPEN = ("/login", "/static/", "/health")
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_HEADERS = {
    # Nothing from elsewhere, nothing inline, and no other site may frame us.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True)
class Access:
    """Lets through who may look.

    Attributes:
        app: what comes after.
        sessions: checks cookies; None asks for no login.
        only_loopback: answer only to names of this machine, so that no web page elsewhere can make a
            browser here read ours under a name of its own.
    """

    app: ASGIApp
    sessions: Sessions | None
    only_loopback: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request or a web socket."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self.only_loopback and urlsplit(f"//{headers.get('host', '')}").hostname not in _LOOPBACK:
            await self._refuse(scope, receive, send, 421, "this dashboard answers to localhost alone")
        elif scope["type"] == "websocket" and not _same_origin(headers):
            await self._refuse(scope, receive, send, 403, "another site's page may not listen")
        elif scope["type"] == "http" and scope["method"] not in _SAFE_METHODS and not _same_origin(headers):
            await self._refuse(scope, receive, send, 403, "another site's page may not change anything here")
        else:
            user = self._user(scope)
            if user is None and not scope["path"].startswith(_OPEN):
                await self._ask_for_login(scope, receive, send)
                return
            scope.setdefault("state", {})["user"] = user
            await self.app(scope, receive, _with_headers(send))

    def _user(self, scope: Scope) -> User | None:
        if self.sessions is None:
            return ANYONE
        token = HTTPConnection(scope).cookies.get(COOKIE)
        return None if token is None else self.sessions.user(token, time())

    async def _ask_for_login(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if scope["type"] == "websocket" or path.startswith("/api/"):
            await self._refuse(scope, receive, send, 401, "log in first")
            return
        query = scope["query_string"].decode("latin-1")
        wanted = f"{path}?{query}" if query else path
        response = RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
        await response(scope, receive, _with_headers(send))

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, why: str) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": why})
        else:
            await JSONResponse({"detail": why}, status)(scope, receive, _with_headers(send))


def require_act(request: Request) -> User:
    """Return who asks, if the user may change something; a dependency of the routes that do.

    Raises:
        HTTPException: 403, the user may only look.
    """
    user: User = request.state.user
    if not user.may_act:
        raise HTTPException(403, f"{user.name} may look, not act: ask for the role act")
    return user


def _same_origin(headers: Headers) -> bool:
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return send_with_headers
