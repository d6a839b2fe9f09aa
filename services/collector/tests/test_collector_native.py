"""The door in clickwatch's own words, by HTTP, with a real Kafka behind it."""

import gzip
import json
import os
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from clickwatch_collector.doors.judging import event_id_of
from clickwatch_events.shop_event import ShopEvent, ShopEventType, Source
from collector_program import PATIENCE_SECONDS, Collector, make_topics, running_collector


def an_event(**changed: Any) -> dict[str, Any]:
    event = {
        "event_id": str(uuid.uuid4()),
        "event_type": "view",
        "timestamp": datetime.now(UTC).isoformat(),
        "user_id": "user_1",
        "product_id": "product_7",
        "product_category": "laptops",
    }
    return {name: value for name, value in {**event, **changed}.items() if value is not None}


def stored(collector: Collector, event_id: str) -> ShopEvent:
    """The one event of this id."""
    (found,) = [event for event in collector.events() if event.event_id == event_id]
    return found


def test_an_event_that_is_answered_is_in_kafka_with_all_it_says(collector: Collector) -> None:
    sent = an_event(
        event_type="purchase",
        timestamp="2026-03-01T12:00:00.250Z",
        anonymous_id="a-1",
        session_id="s-1",
        price=35.79,
        currency="EUR",
        order_id="o-1",
        quantity=2,
        coupon="SPRING",
        list_id="search",
    )

    answer = collector.post("/v1/events", sent)

    assert answer.status_code == 200
    (verdict,) = answer.json()["verdicts"]
    assert verdict == {"index": 0, "verdict": "accepted", "event_id": event_id_of("shoes", sent["event_id"], 0)}
    event = stored(collector, verdict["event_id"])
    assert event[1:15] == (
        "user_1",
        "product_7",
        "laptops",
        ShopEventType.PURCHASE,
        1_772_366_400_250,
        "s-1",
        3579,
        "EUR",
        "a-1",
        "o-1",
        2,
        "SPRING",
        "search",
        None,
    )
    assert event.source is Source.SERVER
    assert event.received_at is not None
    assert abs(datetime.now(UTC) - datetime.fromtimestamp(event.received_at / 1000, UTC)) < timedelta(hours=1)


def test_a_retry_makes_the_same_event_again(collector: Collector) -> None:
    event = an_event()

    first, second = (collector.post("/v1/events", event).json()["verdicts"][0] for _ in range(2))

    assert first == second
    same = [one for one in collector.events() if one.event_id == first["event_id"]]
    assert len({one._replace(received_at=None) for one in same}) == 1


def test_each_event_of_a_list_has_its_own_verdict(collector: Collector) -> None:
    listed = [an_event(), an_event(product_id="p\0"), an_event(quantity=0), an_event(), 17]

    answer = collector.post("/v1/events", {"events": listed})

    assert answer.status_code == 200
    content = answer.json()
    assert (content["accepted"], content["refused"], content["success"]) == (2, 3, False)
    assert [(one["verdict"], one.get("field"), one.get("rule")) for one in content["verdicts"]] == [
        ("accepted", None, None),
        ("refused", "product_id", "control_character"),
        ("refused", "quantity", "too_small"),
        ("accepted", None, None),
        ("refused", "event", "not_an_object"),
    ]
    assert content["verdicts"][2]["message"] == "quantity must be a whole number from 1 to 1000000"


def test_a_refused_event_is_a_dead_letter_with_what_was_sent(collector: Collector) -> None:
    bad = an_event(user_id="refused-one", price_minor=-1)

    answer = collector.post("/v1/events", bad)

    assert answer.status_code == 422
    (letter,) = [one for one in collector.dead_letters() if b"refused-one" in (one.value() or b"")]
    assert json.loads(letter.value() or b"") == bad
    headers: dict[str, Any] = dict(letter.headers() or [])
    assert headers["reason"] == b"invalid_field"
    assert headers["detail"] == b"price_minor: too_small"
    assert headers["topic"] == collector.topic.encode()
    assert (headers["partition"], headers["offset"], headers["schema_id"]) == (b"-1", b"-1", b"")
    assert datetime.fromisoformat(headers["timestamp"].decode()).tzinfo is not None


@pytest.mark.parametrize(
    ("changed", "field", "rule"),
    [
        ({"user_id": None}, "user_id", "missing"),
        ({"product_id": None}, "product_id", "missing"),
        ({"product_id": ""}, "product_id", "empty"),
        ({"product_id": "a" * 1025}, "product_id", "too_long"),
        ({"product_id": ["a"]}, "product_id", "wrong_type"),
        ({"event_type": "wish"}, "event_type", "unknown_event_type"),
        ({"event_type": "unknown"}, "event_type", "unknown_event_type"),
        ({"event_type": None}, "event_type", "missing"),
        ({"timestamp": None}, "timestamp", "missing"),
        ({"timestamp": "yesterday"}, "timestamp", "not_a_time"),
        ({"timestamp": "2098-01-01T00:00:00Z"}, "timestamp", "too_late"),
        ({"event_id": "\n"}, "event_id", "control_character"),
        ({"event_id": {}}, "event_id", "wrong_type"),
        ({"currency": "euro"}, "currency", "not_a_currency"),
        ({"price_minor": 10**15}, "price_minor", "too_large"),
        ({"price_minor": 1.5}, "price_minor", "wrong_type"),
        ({"price_minor": "100"}, "price_minor", "wrong_type"),
        ({"price": "much"}, "price_minor", "wrong_type"),
        ({"quantity": 1_000_001}, "quantity", "too_large"),
        ({"quantity": True}, "quantity", "wrong_type"),
        ({"source": "tracker"}, "source", "unknown_source"),
    ],
)
def test_what_is_outside_the_contract_is_refused_by_field_and_rule(
    collector: Collector, changed: dict[str, Any], field: str, rule: str
) -> None:
    answer = collector.post("/v1/events", an_event(**changed))

    assert answer.status_code == 422
    (verdict,) = answer.json()["verdicts"]
    assert (verdict["field"], verdict["rule"]) == (field, rule)
    assert field in verdict["message"] or verdict["message"].startswith("price")


def test_without_an_id_of_its_own_an_event_needs_no_time(collector: Collector) -> None:
    answer = collector.post("/v1/events", an_event(event_id=None, timestamp=None, user_id=None, anonymous_id="a-9"))

    event = stored(collector, answer.json()["verdicts"][0]["event_id"])
    assert event.timestamp == event.received_at
    assert event.user_id == event.anonymous_id == "a-9"


def test_a_body_may_be_gzip(collector: Collector) -> None:
    body = gzip.compress(json.dumps([an_event()]).encode())

    answer = collector.post("/v1/events", body, headers={"content-encoding": "gzip"})

    assert answer.json()["accepted"] == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (gzip.compress(b"[" + b" " * 50_000_000 + b"]"), {"content-encoding": "gzip"}, 413),
        (b"[" + b" " * 1_000_000 + b"]", {}, 413),
        (b"no gzip", {"content-encoding": "gzip"}, 415),
        (gzip.compress(b"[]")[:-3], {"content-encoding": "gzip"}, 415),
        (gzip.compress(b"[]") * 2, {"content-encoding": "gzip"}, 415),
        (b"[]", {"content-encoding": "br"}, 415),
        (b"", {}, 400),
        (b"{", {}, 400),
        (b"17", {}, 400),
        (b'"\xff"', {}, 400),
        (b"[" * 100_000, {}, 400),
        (b'{"events": {}}', {}, 400),
        (json.dumps([{}] * 501).encode(), {}, 413),
    ],
)
def test_a_body_beyond_the_bounds_is_refused_as_a_whole(
    collector: Collector, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = collector.post("/v1/events", body, headers=headers)

    assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)


def test_an_empty_list_is_well_formed(collector: Collector) -> None:
    assert collector.post("/v1/events", []).json()["verdicts"] == []


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nobody", "Basic !", "Basic bm9ib2R5Og==", "Digest x"])
def test_without_a_known_key_nothing_is_taken(collector: Collector, header: str) -> None:
    answer = httpx2.post(
        f"{collector.url}/v1/events", json=an_event(), headers={"authorization": header}, timeout=PATIENCE_SECONDS
    )

    assert answer.status_code == 401


def test_the_key_may_stand_in_the_address_or_in_basic_auth(collector: Collector) -> None:
    by_address = httpx2.post(f"{collector.url}/v1/events?key={collector.key}", json=an_event(), timeout=60)
    by_basic = httpx2.post(f"{collector.url}/v1/events", json=an_event(), auth=(collector.key, ""), timeout=60)

    assert (by_address.status_code, by_basic.status_code) == (200, 200)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/events", 405),
        ("PUT", "/v1/events", 405),
        ("POST", "/health", 405),
        ("GET", "/", 404),
        ("POST", "/v1/nothing", 404),
        ("GET", "/shop", 404),
        ("GET", "/../etc/passwd", 404),
    ],
)
def test_other_paths_and_methods_say_what_is_there(collector: Collector, method: str, path: str, status: int) -> None:
    assert httpx2.request(method, f"{collector.url}{path}", timeout=PATIENCE_SECONDS).status_code == status


def test_health_and_description_are_open(collector: Collector) -> None:
    health, description = collector.get("/health"), collector.get("/openapi.json")

    assert (health.status_code, health.json()["ready"]) == (200, True)
    assert description.json()["openapi"] == "3.1.0"
    assert "/v1/events" in description.json()["paths"]


def test_a_dead_letter_that_its_topic_does_not_take_goes_there_without_its_value(
    kafka_bootstrap: str, registry_url: str, tmp_path: Path
) -> None:
    make_topics(kafka_bootstrap, "small", "small-dlq", max_message_bytes="50000")
    with running_collector(kafka_bootstrap, registry_url, tmp_path, "small") as collector:
        answer = collector.post("/v1/events", [an_event(product_id=os.urandom(300_000).hex()), an_event()])
        health = collector.get("/health").json()

        (letter,) = collector.dead_letters()
        events = collector.events()

    assert answer.json()["accepted"] == len(events) == 1
    assert health["kafka"] == "up"
    assert letter.value() is None
    headers: dict[str, Any] = dict(letter.headers() or [])
    assert headers["detail"].startswith(b"product_id: too_long; value of 600")
