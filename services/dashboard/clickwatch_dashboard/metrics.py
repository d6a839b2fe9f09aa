"""What operators watch of the dashboard."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

from prometheus_client import Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from clickwatch_dashboard.live import Live

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class DashboardMetrics(Collector):
    """Requests, open pages, and what the database was last heard to hold."""

    def __init__(self, live: Live) -> None:
        """Read `live` on each scrape."""
        self._live = live
        self.requests = Histogram(
            "clickwatch_dashboard_request_seconds",
            "From a request to the end of its answer, by the route's template and the answer's status",
            ["route", "status"],
            buckets=_SECONDS,
            registry=None,
        )

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        live = self._live
        yield from self.requests.collect()
        yield GaugeMetricFamily("clickwatch_dashboard_open_pages", "Pages that follow what changes", live.pages)
        yield GaugeMetricFamily(
            "clickwatch_dashboard_database_up", "1 if the database answered when last asked", float(live.is_up)
        )
        alerts = GaugeMetricFamily("clickwatch_dashboard_alerts", "Alerts of the last day, by state", labels=["status"])
        for status, count in live.counts.items():
            alerts.add_metric([status], count)
        yield alerts
        yield from _of_speed_layer(live)
        if live.last_day is not None:
            yield GaugeMetricFamily(
                "clickwatch_dashboard_batch_day_end_timestamp_seconds",
                "When the last day that the batch layer has done was over",
                live.last_day.ended_at.timestamp(),
            )
            yield GaugeMetricFamily(
                "clickwatch_dashboard_batch_generated_timestamp_seconds",
                "When the batch layer wrote that day",
                live.last_day.generated_at.timestamp(),
            )


def _of_speed_layer(live: Live) -> Iterator[Metric]:
    updated = GaugeMetricFamily(
        "clickwatch_dashboard_speed_updated_timestamp_seconds",
        "When streaming last wrote its status to the database",
        labels=["topic"],
    )
    lake = GaugeMetricFamily(
        "clickwatch_dashboard_lake_written_timestamp_seconds",
        "When, by that status, the lake's last batch was complete",
        labels=["topic"],
    )
    for row in live.status:
        updated.add_metric([row["topic"]], row["updated_at"].timestamp())
        if row["lake_written_at"] is not None:
            lake.add_metric([row["topic"]], row["lake_written_at"].timestamp())
    yield updated
    yield lake


@dataclass(frozen=True)
class Measured:
    """Measures every request.

    Attributes:
        app: what answers them.
        requests: takes the seconds, by route and status.
    """

    app: ASGIApp
    requests: Histogram

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a request; a web socket passes through."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # Who breaks off before an answer has 499, as with nginx.
        status, began = 499, perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self.requests.labels(_route(scope), str(status)).observe(perf_counter() - began)


def _route(scope: Scope) -> str:
    """The template of the route that took a request: few, whatever people ask for."""
    if scope.get("root_path") == "/static":
        return "/static"
    return getattr(scope.get("route"), "path", "none")
