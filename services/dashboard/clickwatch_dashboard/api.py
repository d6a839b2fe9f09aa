"""The JSON API: `/api`, documented at `/api/openapi.json`."""

import hashlib
from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from clickwatch_service.money import minor_digits
from clickwatch_service.shown import FORMULA, NEUTRAL
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.routing import APIRoute
from pydantic import AfterValidator, AwareDatetime
from starlette.datastructures import Headers

from clickwatch_dashboard import answers
from clickwatch_dashboard.comparison import compared, compared_revenue
from clickwatch_dashboard.database import Database, Row, Snapshot
from clickwatch_dashboard.live import ENDED_FOR
from clickwatch_dashboard.settings import Settings

TREND_DAYS = 30


class AnswerWithTag(APIRoute):
    """A route whose answers carry an ETag, and are not sent again to who has them."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler with the tag around it."""
        handle = super().get_route_handler()

        async def tagged(request: Request) -> Response:
            response = await handle(request)
            if isinstance(response, (StreamingResponse, FileResponse)) or response.status_code != 200:
                return response
            tag = f'"{hashlib.blake2b(bytes(response.body), digest_size=12).hexdigest()}"'
            response.headers["ETag"] = tag
            response.headers["Cache-Control"] = "no-cache"
            if _has(request.headers, tag):
                kept = {name: response.headers[name] for name in ("ETag", "Cache-Control")}
                return Response(status_code=304, headers=kept)
            return response

        return tagged


def _has(headers: Headers, tag: str) -> bool:
    known = headers.get("if-none-match", "")
    return any(one.strip().removeprefix("W/") in (tag, "*") for one in known.split(","))


def _storable(text: str) -> str:
    if "\0" in text:
        raise ValueError("must hold no NUL character")
    return text


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


Asked = Annotated[Database, Depends(_database)]
Configured = Annotated[Settings, Depends(_settings)]
Text = Annotated[str, Query(max_length=1024), AfterValidator(_storable)]
ProductId = Annotated[str, Query(min_length=1, max_length=1024), AfterValidator(_storable)]
Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]
_NOT_DONE: dict[int | str, dict[str, Any]] = {404: {"model": answers.Problem, "description": "no such day"}}

router = APIRouter(
    prefix="/api",
    route_class=AnswerWithTag,
    responses={503: {"model": answers.Problem, "description": "the database does not answer"}},
)


class Table(StrEnum):
    """The tables of a day that can be had as CSV."""

    SUMMARY = "summary"
    SEGMENTS = "segments"
    PRODUCTS = "products"
    CATEGORIES = "categories"
    REVENUE = "revenue"
    RECONCILIATION = "reconciliation"
    GATES = "gates"


@router.get("/now", tags=["speed layer"])
async def now(database: Asked) -> answers.Now:
    """How many alerts there are, and what the speed layer says of itself."""
    counts = await database.rows("board_counts", since=datetime.now(UTC) - ENDED_FOR)
    status = await database.rows("stream_status")
    return answers.Now.model_validate({"counts": {row["status"]: row["alerts"] for row in counts}, "status": status})


@router.get("/alerts", tags=["speed layer"])
async def alerts(
    database: Asked,
    status: answers.Status | None = None,
    category: Text | None = None,
    product: Text | None = None,
    since: Annotated[AwareDatetime | None, Query(description="windows that start then or later")] = None,
    until: Annotated[AwareDatetime | None, Query(description="windows that start before then")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> answers.Alerts:
    """Flash-sale alerts, those that changed last first."""
    found = await database.rows(
        "alerts",
        status=status,
        category=category,
        product=product,
        since=since,
        until=until,
        limit=limit,
        offset=offset,
    )
    total = found[0]["total"] if found else 0
    return answers.Alerts.model_validate({"alerts": found, "total": total, "limit": limit, "offset": offset})


@router.get("/product-windows", tags=["speed layer"])
async def product_windows(
    database: Asked,
    settings: Configured,
    product: ProductId,
    hours: Annotated[int, Query(ge=1, le=48)] = 6,
) -> answers.ProductWindows:
    """The counts of a product's windows in the last hours, with the thresholds of an alert."""
    windows = await database.rows("product_windows", product=product, since=datetime.now(UTC) - timedelta(hours=hours))
    return answers.ProductWindows.model_validate(
        {
            "product_id": product,
            "views_threshold": settings.views_threshold,
            "purchases_threshold": settings.purchases_threshold,
            "windows": windows,
        }
    )


@router.get("/trust", tags=["trust"])
async def trust(database: Asked) -> answers.Trust:
    """How fresh each layer is, what streaming left out and why, and which schemas messages have."""
    async with database.snapshot() as moment:
        freshness = await moment.rows("freshness")
        return answers.Trust.model_validate(
            {
                "freshness": freshness[0],
                "status": await moment.rows("stream_status"),
                "dead_letters": await moment.rows("dead_letters"),
                "schemas": await moment.rows("schemas"),
            }
        )


@router.get("/days", tags=["batch layer"])
async def days(database: Asked, limit: Annotated[int, Query(ge=1, le=3660)] = 400) -> answers.Days:
    """The days that the batch layer has done, newest first."""
    found = await database.rows("days", limit=limit)
    return answers.Days(
        days=[row["report_date"] for row in found],
        unfinished=[row["report_date"] for row in found if row["unfinished"]],
    )


@router.get("/days/{day}", tags=["batch layer"], responses=_NOT_DONE)
async def one_day(database: Asked, settings: Configured, day: date) -> answers.Day:
    """A day's summary beside other days', its categories, and the 30 days up to it."""
    async with database.snapshot() as moment:
        summaries = await _summaries(moment, day, TREND_DAYS)
        categories = await moment.rows("categories", day=day)
    if not summaries or summaries[-1]["report_date"] != day:
        raise _not_done(day)
    return answers.Day.model_validate(
        {
            "summary": summaries[-1],
            "compared": {name: vars(figure) for name, figure in compared(summaries, day).items()},
            "compared_revenue": [
                {"currency": currency, "digits": minor_digits(currency), **vars(figure)}
                for currency, figure in compared_revenue(summaries, day).items()
            ],
            "categories": categories,
            "trend": summaries,
            "has_report": _report(settings, day).is_file(),
        }
    )


@router.get("/days/{day}/trust", tags=["trust"])
async def day_trust(database: Asked, day: date, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> answers.DayTrust:
    """How far speed and batch agree about a day, and what the quality gates said."""
    async with database.snapshot() as moment:
        summaries = await _summaries(moment, day, 1)
        return answers.DayTrust.model_validate(
            {
                "summary": summaries[0] if summaries else None,
                "reconciliation": await moment.rows("reconciliation", day=day, limit=limit),
                "gates": await moment.rows("gates", day=day),
            }
        )


@router.get("/days/{day}/report.json", tags=["batch layer"], responses=_NOT_DONE)
async def report(settings: Configured, day: date) -> FileResponse:
    """The report that the batch layer wrote of a day."""
    file = _report(settings, day)
    if not file.is_file():
        raise HTTPException(404, f"no report of {day} in {settings.reports_dir}: make it by `batch run --date {day}`")
    return FileResponse(file, media_type="application/json", filename=file.name)


@router.get("/days/{day}/{table}.csv", tags=["batch layer"], responses=_NOT_DONE)
async def csv(database: Asked, day: date, table: Table) -> StreamingResponse:
    """A table of a day, all of it. What a spreadsheet would run as a formula has a `'` before it."""
    if not await database.rows("summaries", day=day, days=1):
        raise _not_done(day)
    name = f"{table}_{day}.csv"
    return StreamingResponse(
        database.csv(f"csv_{table}", day=day, formula=FORMULA, neutral=NEUTRAL),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get("/products", tags=["products"])
async def products(
    database: Asked,
    day: Annotated[date | None, Query(description="the last day there is, by default")] = None,
    search: Annotated[Text, Query(description="part of a product's id")] = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> answers.Products:
    """The products of a day by rank, all or those whose id holds a text."""
    if day is None:
        last = await database.rows("days", limit=1)
        day = last[0]["report_date"] if last else None
    found = []
    if day is not None:
        query = "products_search" if search else "products"
        found = await database.rows(query, day=day, search=search, limit=limit, offset=offset)
    total = found[0]["total"] if found else 0
    return answers.Products.model_validate(
        {"day": day, "products": found, "total": total, "limit": limit, "offset": offset}
    )


@router.get("/product-names", tags=["products"])
async def product_names(
    database: Asked, search: Text = "", limit: Annotated[int, Query(ge=1, le=50)] = 10
) -> answers.ProductSuggestions:
    """Ids that hold a text: of products in the last hour's windows, else of the last day's."""
    names = [row["product_id"] for row in await database.rows("products_live", search=search, limit=limit)]
    if not names:
        names = [product.product_id for product in (await products(database, None, search, limit, 0)).products]
    return answers.ProductSuggestions(products=names)


@router.get("/product-days", tags=["products"])
async def product_days(
    database: Asked,
    product: ProductId,
    until: Annotated[date | None, Query(description="the last day there is, by default")] = None,
    days: Annotated[int, Query(ge=1, le=366)] = 90,
) -> answers.ProductDays:
    """One product, day by day."""
    if until is None:
        last = await database.rows("days", limit=1)
        until = last[0]["report_date"] if last else datetime.now(UTC).date()
    found = await database.rows("product_days", product=product, until=until, days=days)
    return answers.ProductDays.model_validate({"product_id": product, "until": until, "days": found})


async def _summaries(moment: Snapshot, day: date, days: int) -> list[Row]:
    """Return the summaries of some days up to one, each with its revenue by currency."""
    summaries = await moment.rows("summaries", day=day, days=days)
    by_day: dict[date, list[Row]] = {summary["report_date"]: [] for summary in summaries}
    for row in await moment.rows("revenue", day=day, days=days):
        if row["report_date"] in by_day:
            by_day[row["report_date"]].append({**row, "digits": minor_digits(row["currency"])})
    return [{**summary, "revenue": by_day[summary["report_date"]]} for summary in summaries]


def _report(settings: Settings, day: date) -> Path:
    return settings.reports_dir / f"summary_{day.isoformat()}.json"


def _not_done(day: date) -> HTTPException:
    return HTTPException(404, f"{day} has not been analysed: run `batch run --date {day}`")
