"""Metrics over HTTP, where a port asks for them."""

import socket
import urllib.request
from collections.abc import Iterator

import pytest
from clickwatch_servers.ports import free_port
from clickwatch_service import UserError
from clickwatch_service.metrics import MetricsSettings, served_metrics
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector


class Sold(Collector):
    """Counts on its own, as a service does."""

    def __init__(self) -> None:
        self.count = 0

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily("sold", "What was sold", self.count)


def scraped(port: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as response:
        return str(response.read(), "utf-8").splitlines()


def test_a_scrape_sees_the_counts_of_its_moment() -> None:
    sold, port = Sold(), free_port()

    with served_metrics(MetricsSettings(metrics_port=port), sold):
        before = scraped(port)
        sold.count = 3
        after = scraped(port)

    assert "sold_total 0.0" in before
    assert "sold_total 3.0" in after
    assert any(line.startswith("process_cpu_seconds_total ") for line in after)


def test_the_port_is_free_again_afterwards() -> None:
    port = free_port()

    for _ in range(2):
        with served_metrics(MetricsSettings(metrics_port=port), Sold()):
            assert scraped(port)


def test_without_a_port_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clickwatch_service.metrics.start_http_server", pytest.fail)

    with served_metrics(MetricsSettings(), Sold()):
        pass


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        with (
            pytest.raises(UserError, match=f"METRICS_PORT={port}: cannot listen on 127.0.0.1"),
            served_metrics(MetricsSettings(metrics_port=port)),
        ):
            pytest.fail("was served")
