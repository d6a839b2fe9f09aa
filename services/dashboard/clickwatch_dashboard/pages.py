"""The pages: shells that the scripts in `static/` fill from the API; login and logout."""

import asyncio
from pathlib import Path
from time import time
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from clickwatch_dashboard.access import COOKIE
from clickwatch_dashboard.sessions import Sessions
from clickwatch_dashboard.single_sign_on import LoginFailed, SingleSignOn
from clickwatch_dashboard.users import User, Users

_FOLDER = Path(__file__).parent
_MOST_FORM_BYTES = 10_000
_GUESSES_AT_ONCE = asyncio.Semaphore(2)
"""A password costs memory and time to check; more than this wait."""

_LOGIN_COOKIE = "clickwatch_login"
_LOGIN_SECONDS = 600

templates = Jinja2Templates(_FOLDER / "pages")
router = APIRouter(include_in_schema=False)

PAGES = {
    "/": ("now", "Now"),
    "/day": ("day", "Day"),
    "/trust": ("trust", "Trust"),
    "/products": ("products", "Products"),
}


def _shell(name: str, title: str) -> None:
    path = next(path for path, page in PAGES.items() if page[0] == name)

    @router.get(path, name=name)
    def page(request: Request) -> HTMLResponse:
        context = {
            "title": title,
            "page": name,
            "pages": [(path, *entry) for path, entry in PAGES.items()],
            "has_login": request.app.state.sessions is not None,
            "may_act": request.state.user.may_act,
        }
        return templates.TemplateResponse(request, f"{name}.html", context, headers={"Cache-Control": "no-cache"})


for _name, _title in PAGES.values():
    _shell(_name, _title)


@router.get("/login")
def login(request: Request) -> Response:
    """The form; home where no login is asked for."""
    if request.app.state.sessions is None:
        return RedirectResponse("/", 303)
    return _form(request, request.query_params.get("next", "/"))


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Check a name and its password; a cookie, or the form again."""
    users: Users | None = request.app.state.users
    sessions: Sessions | None = request.app.state.sessions
    if users is None or sessions is None:
        return RedirectResponse("/", 303)
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_FORM_BYTES:
            return Response(status_code=413)
    fields = parse_qs(body.decode("utf-8", "replace"))
    name, password, wanted = (fields.get(field, [""])[0] for field in ("name", "password", "next"))
    async with _GUESSES_AT_ONCE:
        user = await asyncio.to_thread(users.with_password, name, password)
    if user is None:
        return _form(request, wanted, "This name and password do not belong together.", name, 401)
    return _let_in(request, sessions, user, wanted)


@router.get("/login/sso")
async def log_in_elsewhere(request: Request) -> Response:
    """Send the browser to the provider, with what it must bring back sealed in a cookie."""
    provider: SingleSignOn | None = request.app.state.single_sign_on
    sessions: Sessions | None = request.app.state.sessions
    if provider is None or sessions is None:
        return RedirectResponse("/login", 303)
    try:
        begun = await provider.begin()
    except LoginFailed as error:
        return _form(request, "/", str(error), status=503)
    claims = {"state": begun.state, "nonce": begun.nonce, "verifier": begun.verifier}
    claims["next"] = _ours(request.query_params.get("next", "/"))
    response = RedirectResponse(begun.address, 303)
    sealed = sessions.sealed("login", claims, time() + _LOGIN_SECONDS)
    # Lax, since the provider sends the browser back by a link.
    response.set_cookie(
        _LOGIN_COOKIE,
        sealed,
        max_age=_LOGIN_SECONDS,
        path="/login",
        httponly=True,
        samesite="lax",
        secure=_tls(request),
    )
    return response


@router.get("/login/sso/done")
async def come_back(request: Request) -> Response:
    """Take what the provider says of the browser's user: a session, or the form with the reason."""
    provider: SingleSignOn | None = request.app.state.single_sign_on
    sessions: Sessions | None = request.app.state.sessions
    if provider is None or sessions is None:
        return RedirectResponse("/login", 303)
    begun = sessions.opened("login", request.cookies.get(_LOGIN_COOKIE, ""), time())
    if begun is None or request.query_params.get("state") != begun["state"]:
        return _form(request, "/", "This login was not begun here, or took too long. Begin again.", status=400)
    try:
        user = await provider.finish(request.query_params, str(begun["nonce"]), str(begun["verifier"]), time())
    except LoginFailed as error:
        return _form(request, str(begun["next"]), str(error), status=403)
    response = _let_in(request, sessions, user, str(begun["next"]))
    response.delete_cookie(_LOGIN_COOKIE, path="/login")
    return response


def _let_in(request: Request, sessions: Sessions, user: User, wanted: str) -> Response:
    response = RedirectResponse(_ours(wanted), 303)
    response.set_cookie(
        COOKIE,
        sessions.token(user, time()),
        max_age=int(sessions.seconds),
        httponly=True,
        samesite="lax",
        secure=_tls(request),
    )
    return response


def _tls(request: Request) -> bool:
    return request.url.scheme == "https" or request.app.state.settings.is_behind_tls


@router.post("/logout")
def log_out() -> Response:
    """Forget the cookie."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def _form(request: Request, wanted: str, problem: str = "", name: str = "", status: int = 200) -> Response:
    state = request.app.state
    context = {
        "title": "Log in",
        "next": _ours(wanted),
        "problem": problem,
        "name": name,
        "has_passwords": state.users is not None,
        "has_single_sign_on": state.single_sign_on is not None,
    }
    return templates.TemplateResponse(request, "login.html", context, status)


def _ours(wanted: str) -> str:
    """Return a path of ours; home for anything that could lead elsewhere."""
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_path else "/"
