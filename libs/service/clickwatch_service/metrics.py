"""Metrics for Prometheus over HTTP, read when they are asked for, so that counting costs nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server
from prometheus_client.registry import Collector
from pydantic import Field

from clickwatch_service.errors import UserError
from clickwatch_service.settings import ServiceSettings


class MetricsSettings(ServiceSettings):
    """Where metrics are served.

    Attributes:
        metrics_port: the port of `/metrics`; None serves none.
        metrics_host: the address it listens on.
    """

    metrics_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    metrics_host: str = "127.0.0.1"


@contextmanager
def served_metrics(settings: MetricsSettings, *collectors: Collector) -> Iterator[None]:
    """Serve what the collectors know, and the process's own figures, while the block runs.

    Raises:
        UserError: the port cannot be listened on.
    """
    if settings.metrics_port is None:
        yield
        return
    registry = CollectorRegistry()
    for collector in (*collectors, ProcessCollector(registry=None), PlatformCollector(registry=None)):
        registry.register(collector)
    GCCollector(registry=registry)
    try:
        server, thread = start_http_server(settings.metrics_port, settings.metrics_host, registry)
    except OSError as error:
        raise UserError(
            f"METRICS_PORT={settings.metrics_port}: cannot listen on {settings.metrics_host} ({error.strerror}): "
            "choose another port"
        ) from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
