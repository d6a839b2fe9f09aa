"""Nothing that was answered is lost: Kafka away, the collector killed, the spool full."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import httpx2
import pytest
from clickwatch_collector.doors.judging import event_id_of
from clickwatch_servers import Process
from clickwatch_servers.java import find_java
from clickwatch_servers.kafka import kafka_jars, start_kafka, wait_for_kafka
from clickwatch_servers.ports import HOST, free_port
from collector_program import PATIENCE_SECONDS, Collector, make_topics, running_collector

SPOOL_BYTES = 200_000


class Broker:
    """A Kafka that ends and comes back with what it had."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._folder = folder
        self._process: Process | None = None

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self.port}"

    def start(self) -> None:
        java = find_java(21)
        log = self._folder / "broker.log"
        self._process = start_kafka(self._folder / "broker", self.port, java, kafka_jars(java), log)
        wait_for_kafka(self._process, self.port)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.stop()


def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not holds():
        assert monotonic() < deadline
        sleep(0.05)


class Client(threading.Thread):
    """A shop that sends lists with events, duplicates and bad ones, and sends again what is not answered."""

    def __init__(self, collector: Collector, number: int, lists: int) -> None:
        super().__init__(name=f"client-{number}")
        self._collector = collector
        self._number = number
        self._lists = lists
        self.accepted: set[str] = set()
        self.refused: set[str] = set()
        self.answered = 0
        self.unanswered = 0
        self.fault: BaseException | None = None

    def run(self) -> None:
        try:
            self._send_all()
        except BaseException as error:
            self.fault = error

    def _send_all(self) -> None:
        with httpx2.Client(timeout=PATIENCE_SECONDS) as http:
            for number in range(self._lists):
                events = [self._event(number, place) for place in range(20)]
                events.append(events[0])  # a duplicate within the list
                verdicts = self._verdicts(http, events)
                for event, verdict in zip(events, verdicts, strict=True):
                    if verdict["verdict"] == "accepted":
                        self.accepted.add(verdict["event_id"])
                        assert verdict["event_id"] == event_id_of("shoes", event["event_id"], 0)
                    else:
                        self.refused.add(event["event_id"])
                self.answered += 1

    def _event(self, number: int, place: int) -> dict[str, Any]:
        return {
            "event_id": str(uuid.uuid4()),
            "event_type": "view",
            "timestamp": datetime.now(UTC).isoformat(),
            "user_id": f"client_{self._number}",
            # Every tenth is none.
            "product_id": "" if place % 10 == 9 else f"product_{number}",
            "product_category": "laptops",
        }

    def _verdicts(self, http: httpx2.Client, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        deadline = monotonic() + 2 * PATIENCE_SECONDS
        while True:
            try:
                answer = http.post(f"{self._collector.url}/v1/events?key={self._collector.key}", json=events)
            except httpx2.HTTPError:
                answer = None
            if answer is not None and answer.status_code == 200:
                verdicts: list[dict[str, Any]] = answer.json()["verdicts"]
                return verdicts
            assert answer is None or answer.status_code == 503, answer.text
            assert monotonic() < deadline
            self.unanswered += 1
            sleep(0.05)


def test_what_is_answered_is_in_kafka_whatever_is_killed(broker: Broker, registry_url: str, tmp_path: Path) -> None:
    make_topics(broker.bootstrap, "killed", "killed-dlq")
    with running_collector(
        broker.bootstrap, registry_url, tmp_path, "killed", COLLECTOR_DELIVERY_TIMEOUT="1 s"
    ) as collector:
        clients = [Client(collector, number, lists=60) for number in range(3)]
        for client in clients:
            client.start()

        def answered() -> int:
            return sum(client.answered for client in clients)

        def go_on(lists: int) -> None:
            """Return once so many lists more are answered, or all are."""
            wanted = answered() + lists
            until(lambda: answered() >= wanted or not any(client.is_alive() for client in clients))

        def kill() -> None:
            collector.kill()
            collector.start()

        for _ in range(3):
            go_on(10)
            kill()
        broker.stop()
        go_on(20)
        # The fault took hold: what was answered since is on the disk.
        assert collector.get("/health").json()["spool_bytes"] > 0
        kill()
        assert collector.get("/health").json()["spool_bytes"] > 0
        go_on(20)
        kill()
        broker.start()
        for client in clients:
            client.join(2 * PATIENCE_SECONDS)
            assert client.fault is None
        until(lambda: collector.get("/health").json()["spool_bytes"] == 0)
        collector.stop()

        events, letters = collector.events(), collector.dead_letters()
        accepted: set[str] = set().union(*(client.accepted for client in clients))
        refused: set[str] = set().union(*(client.refused for client in clients))
        assert len(accepted) == 3 * 60 * 18
        # A client sends again until it is answered, so what is stored and what is answered are the same in the end.
        assert {event.event_id for event in events} == accepted
        assert len({(event.event_id, event.timestamp) for event in events}) == len(accepted)
        assert {json.loads(letter.value() or b"")["event_id"] for letter in letters} == refused
        assert len({letter.key() for letter in letters}) == len(refused) == 3 * 60 * 2
        assert sum(client.unanswered for client in clients) > 0


def test_what_waits_on_the_disk_reaches_kafka_in_order(broker: Broker, registry_url: str, tmp_path: Path) -> None:
    make_topics(broker.bootstrap, "ordered", "ordered-dlq")
    with running_collector(
        broker.bootstrap, registry_url, tmp_path, "ordered", COLLECTOR_DELIVERY_TIMEOUT="1 s"
    ) as collector:
        broker.stop()
        sent = [
            collector.post("/v1/events", {"event_type": "view", "user_id": "one", "product_id": f"product_{number}"})
            for number in range(50)
        ]
        assert {answer.status_code for answer in sent} == {200}
        assert collector.get("/health").json()["kafka"] != "up"
        collector.stop()
        # A start does not need Kafka.
        collector.start()
        assert collector.get("/health").json()["spool_bytes"] > 0

        broker.start()
        until(lambda: collector.get("/health").json()["kafka"] == "up")

        products = list(dict.fromkeys(event.product_id for event in collector.events()))
        assert products == [f"product_{number}" for number in range(50)]


def test_a_full_spool_is_said_and_takes_again_once_kafka_is_back(
    broker: Broker, registry_url: str, tmp_path: Path
) -> None:
    make_topics(broker.bootstrap, "full", "full-dlq")
    options = {"COLLECTOR_DELIVERY_TIMEOUT": "1 s", "COLLECTOR_SPOOL_BYTES": str(SPOOL_BYTES)}
    with running_collector(broker.bootstrap, registry_url, tmp_path, "full", **options) as collector:
        broker.stop()
        answers = []
        accepted: set[str] = set()

        def is_full() -> bool:
            events = [
                {"event_type": "view", "user_id": "u", "product_id": "p" * 500, "coupon": "c" * 500} for _ in range(20)
            ]
            answers.append(collector.post("/v1/events", events))
            if answers[-1].status_code == 200:
                accepted.update(one["event_id"] for one in answers[-1].json()["verdicts"])
            return answers[-1].status_code == 503

        until(is_full)
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert {answer.status_code for answer in answers} == {200, 503}
        assert collector.get("/health").status_code == 503

        broker.start()
        until(lambda: collector.get("/health").status_code == 200 and not is_full())
        until(lambda: collector.get("/health").json()["spool_bytes"] == 0)

        assert accepted <= {event.event_id for event in collector.events()}


def test_sigterm_answers_what_is_open_and_keeps_what_kafka_has_not(
    broker: Broker, registry_url: str, tmp_path: Path
) -> None:
    make_topics(broker.bootstrap, "ended", "ended-dlq")
    with running_collector(
        broker.bootstrap, registry_url, tmp_path, "ended", COLLECTOR_DELIVERY_TIMEOUT="5 s"
    ) as collector:
        broker.stop()
        event = {"event_type": "view", "user_id": "u", "product_id": "open"}
        answers: list[httpx2.Response] = []
        opened = threading.Thread(target=lambda: answers.append(collector.post("/v1/events", event)))
        opened.start()
        until(lambda: collector.get("/health").json()["open_requests"] == 1 or bool(answers))

        collector.stop()
        opened.join(PATIENCE_SECONDS)

        assert collector.process is not None
        assert collector.process.exit_status == 0
        collector.start()
        broker.start()
        until(lambda: collector.get("/health").json()["spool_bytes"] == 0)
        assert [answer.status_code for answer in answers] == [200]
        assert {one.product_id for one in collector.events()} == {"open"}
