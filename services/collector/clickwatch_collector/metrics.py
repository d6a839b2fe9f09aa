"""What operators watch of the collector."""

from collections.abc import Iterator

from prometheus_client import Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from clickwatch_collector.delivery.delivery import Delivery

_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class CollectorMetrics(Collector):
    """Requests, verdicts, and what waits on the disk."""

    def __init__(self, delivery: Delivery) -> None:
        """Read `delivery` on each scrape."""
        self._delivery = delivery
        self.requests = Histogram(
            "clickwatch_collector_request_seconds",
            "From a request to its answer, by the door and the answer's status",
            ["door", "status"],
            buckets=_SECONDS,
            registry=None,
        )
        self.events = Counter(
            "clickwatch_collector_events",
            "Events of answered requests, by door, shop and verdict",
            ["door", "shop", "verdict"],
            registry=None,
        )

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics as they are now."""
        delivery = self._delivery
        yield from self.requests.collect()
        yield from self.events.collect()
        messages = CounterMetricFamily(
            "clickwatch_collector_messages",
            "Messages by what became of them: sent at once, spooled, sent from the spool, refused as it was full",
            labels=["fate"],
        )
        for fate in ("sent", "spooled", "replayed", "refused"):
            messages.add_metric([fate], getattr(delivery.counts, fate))
        yield messages
        yield GaugeMetricFamily(
            "clickwatch_collector_spool_bytes", "Bytes on the disk that wait for Kafka", delivery.spool_bytes
        )
        yield GaugeMetricFamily(
            "clickwatch_collector_kafka_up", "1 while messages go to Kafka at once", float(delivery.is_direct)
        )
