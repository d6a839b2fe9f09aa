"""The pages: shells that the scripts in `static/` fill from the API; login and logout."""

import asyncio
from pathlib import Path
from time import time
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from clickwatch_dashboard.access import COOKIE
from clickwatch_dashboard.users import Sessions, Users

_FOLDER = Path(__file__).parent
_MOST_FORM_BYTES = 10_000
_GUESSES_AT_ONCE = asyncio.Semaphore(2)
"""A password costs memory and time to check; more than this wait."""

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
        is_right = await asyncio.to_thread(users.has, name, password)
    if not is_right:
        return _form(request, wanted, "This name and password do not belong together.", name, 401)
    response = RedirectResponse(_ours(wanted), 303)
    response.set_cookie(
        COOKIE,
        sessions.token(name, time()),
        max_age=int(sessions.seconds),
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/logout")
def log_out() -> Response:
    """Forget the cookie."""
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def _form(request: Request, wanted: str, problem: str = "", name: str = "", status: int = 200) -> Response:
    context = {"title": "Log in", "next": _ours(wanted), "problem": problem, "name": name}
    return templates.TemplateResponse(request, "login.html", context, status)


def _ours(wanted: str) -> str:
    """Return a path of ours; home for anything that could lead elsewhere."""
    is_path = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if is_path else "/"
