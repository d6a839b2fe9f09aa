"""Whatever is sent, the answer is a verdict or a refusal, never a fault of ours. Kafka is away: the disk takes it."""

import contextlib
import gzip
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest
from clickwatch_servers.ports import HOST, free_port
from collector_program import PATIENCE_SECONDS, Collector, running_collector
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

VIEW = {"event_type": "view", "user_id": "u", "product_id": "p"}
PATHS = ("/v1/events", "/v1/track", "/v1/page", "/v1/identify", "/v1/batch", "/mp/collect")
NAMES = [
    "event_id",
    "event_type",
    "timestamp",
    "user_id",
    "anonymous_id",
    "product_id",
    "product_category",
    "session_id",
    "price",
    "price_minor",
    "currency",
    "order_id",
    "quantity",
    "coupon",
    "list_id",
    "source",
    "user_agent",
    "events",
    "batch",
    "type",
    "event",
    "userId",
    "anonymousId",
    "messageId",
    "properties",
    "products",
    "context",
    "name",
    "params",
    "items",
    "item_id",
    "client_id",
    "timestamp_micros",
]
WORDS = [
    "view",
    "purchase",
    "Product_Viewed",
    "Product",
    "Viewed",
    "Order",
    "Completed",
    "track",
    "page",
    "identify",
    "view_item",
    "refund",
    "EUR",
    "JPY",
    "2026-03-01T12:00:00Z",
    "user_1",
    "1e400",
    "-0",
    "NaN",
    "\x00",
    "\ud7ff",
    "😀",
]

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(NAMES), inner, max_size=8)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=40,
)
bodies = (
    json_values.map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=200)
    | json_values.map(lambda value: json.dumps(value).encode()[:-1])
)


@contextlib.contextmanager
def without_kafka(folder: Path, **variables: str) -> Iterator[Collector]:
    """A collector that has only its disk: it knows the schema's id from an earlier start."""
    nowhere, registry_url = f"{HOST}:{free_port()}", f"http://{HOST}:{free_port()}/apis/ccompat/v7"
    spool = folder / "collector" / "spool"
    spool.mkdir(parents=True)
    (spool / "schema_id").write_text(f"3 {registry_url}\n")
    options = {"COLLECTOR_DELIVERY_TIMEOUT": "500 ms", "COLLECTOR_BODY_TIMEOUT": "1 s", **variables}
    with running_collector(nowhere, registry_url, folder, "hostile", **options) as collector:
        answer = collector.post("/v1/events", VIEW)
        assert answer.status_code == 200
        yield collector


@pytest.fixture(scope="module")
def lone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with without_kafka(tmp_path_factory.mktemp("lone")) as collector:
        yield collector


@pytest.fixture(scope="module")
def http(lone: Collector) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=lone.url, timeout=PATIENCE_SECONDS) as http:
        yield http


# The same examples each time: a run decides on a change, and not on what it happens to try.
hostile = settings(deadline=None, derandomize=True, max_examples=300, suppress_health_check=list(HealthCheck))


@hostile
@given(path=st.sampled_from(PATHS), body=bodies, packed=st.booleans())
@example(path="/v1/events", body=b"[" * 900_000, packed=False)
@example(path="/v1/batch", body=b'{"batch":[' + b'{"a":' * 100_000, packed=False)
@example(path="/v1/events", body=b'{"quantity":' + b"9" * 900_000 + b"}", packed=False)
@example(path="/v1/events", body=b'{"price":1e999999999,"currency":"EUR"}', packed=False)
@example(path="/v1/events", body=b'{"price":1e-999999999}', packed=False)
@example(path="/v1/events", body=b'{"timestamp":1e999999999}', packed=False)
@example(path="/v1/events", body=b'{"user_id":"\\ud800"}', packed=False)
@example(path="/v1/events", body=b'{"user_id":{},"user_id":[]}', packed=True)
@example(path="/v1/events", body=b"\xef\xbb\xbf{}", packed=False)
@example(path="/v1/events", body="{}".encode("utf-16"), packed=False)
def test_no_body_makes_a_fault_of_ours(
    lone: Collector, http: httpx2.Client, path: str, body: bytes, packed: bool
) -> None:
    headers = {"authorization": f"Bearer {lone.key}"} | ({"content-encoding": "gzip"} if packed else {})

    answer = http.post(path, content=gzip.compress(body) if packed else body, headers=headers)

    assert answer.status_code in (200, 400, 413, 422), answer.text
    assert answer.json()


event_values = st.dictionaries(st.sampled_from(NAMES), json_values, max_size=12)
likely = st.fixed_dictionaries(
    {"event_type": st.sampled_from(["view", "refund", "x"]), "user_id": json_values, "product_id": json_values},
    optional={name: json_values for name in NAMES if name not in ("event_type", "user_id", "product_id")},
)


@hostile
@given(st.lists(likely | event_values, max_size=5))
def test_each_event_of_a_list_is_answered_whatever_it_holds(
    lone: Collector, http: httpx2.Client, events: list[dict[str, Any]]
) -> None:
    answer = http.post("/v1/events", json=events, headers={"authorization": f"Bearer {lone.key}"})

    assert answer.status_code in (200, 422), answer.text
    assert [one["index"] for one in answer.json()["verdicts"]] == list(range(len(events)))


@hostile
@given(
    st.sampled_from(("GET", "POST", "PUT", "OPTIONS", "HEAD", "DELETE")),
    st.text("abc/%.?&=~", max_size=20),
    st.dictionaries(
        st.sampled_from(("authorization", "origin", "content-encoding", "if-none-match", "user-agent")),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip),
    ),
)
def test_no_address_or_header_makes_a_fault_of_ours(
    http: httpx2.Client, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = http.request(method, f"/{path}", headers=headers)

    assert answer.status_code < 500


def raw(collector: Collector, sent: bytes, ends: bool = True) -> bytes:
    """Send bytes, and return what comes until the other side closes."""
    parts = urlsplit(collector.url)
    with socket.create_connection((parts.hostname, parts.port), PATIENCE_SECONDS) as connection:
        found = b""
        # The other side may hang up before all is sent.
        with contextlib.suppress(OSError):
            connection.sendall(sent)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65536):
                found += chunk
        return found


@pytest.mark.parametrize(
    "sent",
    [
        b"\0" * 1000,
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic \xff\xfe\r\nOrigin: \xff\r\n\r\n",
    ],
)
def test_a_broken_request_does_not_hurt_the_next_one(lone: Collector, sent: bytes) -> None:
    answer = raw(lone, sent)

    assert b" 500 " not in answer[:20]
    assert lone.get("/health").status_code == 200


def test_a_client_that_is_slow_is_cut_off(lone: Collector) -> None:
    head = f"POST /v1/events?key={lone.key} HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n"

    answers: list[bytes] = []
    slow = [threading.Thread(target=lambda: answers.append(raw(lone, head.encode() + b"[", ends=False))) for _ in "12"]
    for one in slow:
        one.start()
    health = lone.get("/health")
    for one in slow:
        one.join(PATIENCE_SECONDS)

    assert health.status_code == 200
    assert [answer.split(b" ")[1] for answer in answers] == [b"408", b"408"]


def test_memory_does_not_grow_with_what_is_refused(lone: Collector, http: httpx2.Client) -> None:
    assert lone.process is not None
    process = psutil.Process(lone.process.pid)
    bomb = gzip.compress(b"[" + b" " * 100_000_000 + b"]")
    headers = {"authorization": f"Bearer {lone.key}", "content-encoding": "gzip"}

    def refuse(times: int) -> int:
        for _ in range(times):
            assert http.post("/v1/events", content=bomb, headers=headers).status_code == 413
        return int(process.memory_info().rss)

    before = refuse(20)
    after = refuse(200)

    assert after - before < 50_000_000


def test_an_unknown_key_is_told_nothing_of_a_shop(lone: Collector) -> None:
    answer = lone.post("/v1/events", VIEW, key="cw_guess")

    assert answer.status_code == 401
    assert "shoes" not in answer.text


def test_a_key_that_sends_too_fast_is_told_when_to_go_on(tmp_path: Path) -> None:
    with without_kafka(tmp_path, COLLECTOR_RATE="1") as collector:
        # A full bucket holds one full request, of which the first event has taken one.
        answers = [collector.post("/v1/events", [VIEW] * 499), collector.post("/v1/events", [VIEW] * 400)]
        other = collector.post("/v1/events", VIEW, key=collector.page_key)

    assert [answer.status_code for answer in answers] == [200, 429]
    assert int(answers[1].headers["retry-after"]) > 100
    assert other.status_code == 200


def test_a_key_that_is_taken_out_of_the_file_is_unknown_soon(tmp_path: Path) -> None:
    with without_kafka(tmp_path) as collector:
        (tmp_path / "collector" / "keys.toml").write_text("")

        deadline = monotonic() + PATIENCE_SECONDS
        while collector.post("/v1/events", VIEW).status_code != 401:
            assert monotonic() < deadline
            sleep(0.1)


def test_metrics_tell_verdicts_and_what_waits(tmp_path: Path) -> None:
    port = free_port()
    with without_kafka(tmp_path, METRICS_PORT=str(port)) as collector:
        collector.post("/v1/events", [VIEW, {}])

        told = httpx2.get(f"http://{HOST}:{port}/metrics", timeout=PATIENCE_SECONDS).text

    assert 'clickwatch_collector_events_total{door="native",shop="shoes",verdict="accepted"} 2.0' in told
    assert 'clickwatch_collector_events_total{door="native",shop="shoes",verdict="refused"} 1.0' in told
    assert 'clickwatch_collector_messages_total{fate="spooled"} 3.0' in told
    assert "clickwatch_collector_kafka_up 0.0" in told
    assert "clickwatch_collector_request_seconds_count" in told
