"""What the dashboard tells operators, without a database, and that what is drawn and watched is told."""

import asyncio
import re
from datetime import UTC, datetime
from pathlib import Path

from clickwatch_dashboard.application import application
from clickwatch_dashboard.live import LastDay
from clickwatch_dashboard.metrics import DashboardMetrics
from clickwatch_dashboard.settings import Settings
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.registry import Collector
from starlette.types import Message

MONITORING = Path(__file__).parents[3] / "deploy" / "monitoring"
AT = datetime(2026, 3, 1, tzinfo=UTC)


class KnownShop:
    """Stands for `Live` once it has read a database."""

    pages = 2
    is_up = True
    counts = {"active": 3}  # noqa: RUF012
    status = ({"topic": "clickstream-events", "updated_at": AT, "lake_written_at": AT},)
    last_day = LastDay(AT, AT)


def said(collector: Collector) -> str:
    registry = CollectorRegistry()
    registry.register(collector)
    return generate_latest(registry).decode()


def ask(app: FastAPI, *paths: str) -> None:
    """Send requests without a network."""

    async def one(path: str) -> None:
        waiting = asyncio.Event()

        async def receive() -> Message:
            if waiting.is_set():
                await asyncio.Event().wait()
            waiting.set()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            pass

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"localhost:8000")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
        }
        await asyncio.wait_for(app(scope, receive, send), 60)

    async def each() -> None:
        for path in paths:
            await one(path)

    asyncio.run(each())


def test_requests_count_by_the_template_of_their_route(tmp_path: Path) -> None:
    app = application(Settings(data_dir=tmp_path))

    ask(app, "/day", "/api/days/2026-01-01/report.json", "/api/days/2026-01-02/report.json", "/static/page.js")
    ask(app, "/one-that-is-not", "/another")

    text = said(app.state.metrics)
    count = "clickwatch_dashboard_request_seconds_count"
    assert f'{count}{{route="/day",status="200"}} 1.0' in text
    assert f'{count}{{route="/api/days/{{day}}/report.json",status="404"}} 2.0' in text
    assert f'{count}{{route="/static",status="200"}} 1.0' in text
    assert f'{count}{{route="none",status="404"}} 2.0' in text


def test_before_the_database_has_answered_nothing_is_said_of_the_layers() -> None:
    text = said(application(Settings()).state.metrics)

    assert "clickwatch_dashboard_database_up 0.0" in text
    assert "clickwatch_dashboard_open_pages 0.0" in text
    assert "batch_day" not in text
    assert "updated_timestamp_seconds{" not in text


def test_the_layers_freshness_is_told_as_instants() -> None:
    lines = said(DashboardMetrics(KnownShop())).splitlines()  # type: ignore[arg-type]

    told = {line.split(" ")[0]: float(line.split(" ")[1]) for line in lines if not line.startswith("#")}
    seconds = AT.timestamp()
    assert told["clickwatch_dashboard_batch_day_end_timestamp_seconds"] == seconds
    assert told['clickwatch_dashboard_speed_updated_timestamp_seconds{topic="clickstream-events"}'] == seconds
    assert told['clickwatch_dashboard_alerts{status="active"}'] == 3
    assert told["clickwatch_dashboard_database_up"] == 1


def test_whatever_is_drawn_or_watched_of_the_dashboard_is_told() -> None:
    metrics = DashboardMetrics(KnownShop())  # type: ignore[arg-type]
    metrics.requests.labels("/", "200").observe(0.01)
    told = {sample.name for family in metrics.collect() for sample in family.samples}

    for file in ("alerts.yaml", "grafana-dashboard.json"):
        text = (MONITORING / file).read_text("utf-8")
        named = set(re.findall(r"clickwatch_dashboard_[a-z_]+", text))

        assert named
        assert named <= told, file
        assert set(re.findall(r"\bclickwatch_([a-z]+)_", text)) <= {"streaming", "dashboard", "simulator", "notifier"}
