"""The web application, put together."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
import structlog
from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware

from clickwatch_dashboard import api, pages
from clickwatch_dashboard.access import Access
from clickwatch_dashboard.database import Database
from clickwatch_dashboard.live import Live, explained
from clickwatch_dashboard.metrics import DashboardMetrics, Measured
from clickwatch_dashboard.sessions import Sessions
from clickwatch_dashboard.settings import Settings
from clickwatch_dashboard.single_sign_on import SingleSignOn
from clickwatch_dashboard.users import read_users

_FOLDER = Path(__file__).parent
_TRY_AGAIN = 1013


class Assets(StaticFiles):
    """Files that browsers keep, and ask about before they use them."""

    def file_response(self, *args: object, **options: object) -> object:  # type: ignore[override]
        """Return the file."""
        response = super().file_response(*args, **options)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


def application(settings: Settings) -> FastAPI:
    """Return the dashboard.

    Raises:
        UserError: it would be open to the network, or the users cannot be read.
    """
    settings.require_login_beyond_loopback()
    users = None if settings.dashboard_users_file is None else read_users(settings.dashboard_users_file)
    provider = settings.provider
    single_sign_on = None if provider is None else SingleSignOn(provider)
    has_login = users is not None or single_sign_on is not None
    sessions = Sessions(secrets.token_bytes(32), settings.dashboard_session_hours * 3600) if has_login else None
    database = Database(settings.database_url, settings.dashboard_connections)
    live = Live(database)
    metrics = DashboardMetrics(live)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await database.open()
        following = asyncio.create_task(live.follow())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following
            await database.close()

    app = FastAPI(
        title="clickwatch",
        description="Flash-sale alerts as they happen, and the exact picture of each day.",
        version="0.1.0",
        openapi_url="/api/openapi.json",
        # The pages FastAPI has for it load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.settings, app.state.database, app.state.live = settings, database, live
    app.state.users, app.state.sessions, app.state.single_sign_on = users, sessions, single_sign_on
    app.state.metrics = metrics
    app.include_router(api.router)
    app.include_router(pages.router)
    app.mount("/static", Assets(directory=_FOLDER / "static"))
    app.add_api_websocket_route("/live", _follow)
    app.add_api_route("/health", _health, include_in_schema=False)
    app.add_exception_handler(psycopg.Error, _say_down)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=4)
    app.add_middleware(
        Access,
        sessions=sessions,
        only_loopback=settings.is_on_loopback,
    )
    app.add_middleware(Measured, requests=metrics.requests)
    return app


async def _health(request: Request) -> JSONResponse:
    live: Live = request.app.state.live
    state = {"database": "up" if live.is_up else "down", "pages": live.pages}
    return JSONResponse(state, 200 if live.is_up else 503)


async def _say_down(request: Request, error: Exception) -> JSONResponse:
    structlog.get_logger().warning("question not answered", path=request.url.path, reason=" ".join(str(error).split()))
    return JSONResponse({"detail": explained(error)}, 503)


async def _follow(page: WebSocket) -> None:
    """Tell a page what changes, until it goes."""
    live: Live = page.app.state.live
    await page.accept()

    async def notice_end() -> None:
        with suppress(WebSocketDisconnect):
            while True:
                await page.receive_text()

    with live.page() as messages:
        ended = asyncio.create_task(notice_end())
        try:
            while not ended.done():
                next_one = asyncio.create_task(messages.get())
                await asyncio.wait({next_one, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not next_one.done():
                    next_one.cancel()
                    break
                message = next_one.result()
                if message is None:
                    await page.close(_TRY_AGAIN)
                    break
                await page.send_text(message)
        except WebSocketDisconnect:
            pass
        finally:
            ended.cancel()
