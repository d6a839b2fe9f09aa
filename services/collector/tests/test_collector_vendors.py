"""Segment's and GA4's doors, with a real Kafka behind them, and Segment's own client in front."""

import base64
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from clickwatch_collector.doors.judging import event_id_of
from clickwatch_events.shop_event import ShopEvent, ShopEventType, Source
from collector_program import PATIENCE_SECONDS, Collector
from segment.analytics.client import Client

NOON_MS = 1_772_366_400_000
NOON = "2026-03-01T12:00:00.000Z"


def basic(key: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{key}:".encode()).decode()}


def of_user(collector: Collector, user: str) -> list[ShopEvent]:
    """The events of a user, each once, by product."""
    found = {event.event_id: event for event in collector.events() if event.user_id == user}
    return sorted(found.values(), key=lambda event: (event.product_id, event.event_type))


def tracked(user: str, event: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "track",
        "event": event,
        "userId": user,
        "anonymousId": "a-1",
        "messageId": str(uuid.uuid4()),
        "timestamp": NOON,
        "properties": properties,
    }


def test_a_product_viewed_by_segment_is_a_view(collector: Collector) -> None:
    user = str(uuid.uuid4())
    message = tracked(
        user,
        "Product Viewed",
        product_id="sku-7",
        category="Boots",
        price=89.9,
        currency="EUR",
        quantity=1,
        coupon="",
        session_id=7,
    )

    answer = collector.post("/v1/track", message, headers=basic(collector.key))

    assert (answer.status_code, answer.json()["success"]) == (200, True)
    (event,) = of_user(collector, user)
    assert event == ShopEvent(
        event_id_of("shoes", message["messageId"], 0),
        user,
        "sku-7",
        "boots",
        ShopEventType.VIEW,
        NOON_MS,
        "7",
        8990,
        "EUR",
        "a-1",
        quantity=1,
        source=Source.SERVER,
        received_at=event.received_at,
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Product Added", ShopEventType.ADD_TO_CART),
        ("Product Removed", ShopEventType.REMOVE_FROM_CART),
        ("Product Viewed", ShopEventType.VIEW),
    ],
)
def test_segments_names_have_ours(collector: Collector, name: str, kind: ShopEventType) -> None:
    user = str(uuid.uuid4())

    collector.post("/v1/track", tracked(user, name, sku="sku-1"))

    (event,) = of_user(collector, user)
    assert (event.event_type, event.product_id, event.product_category) == (kind, "sku-1", "unknown")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Checkout Started", ShopEventType.BEGIN_CHECKOUT),
        ("Order Completed", ShopEventType.PURCHASE),
        ("Order Refunded", ShopEventType.REFUND),
        ("Product List Viewed", ShopEventType.IMPRESSION),
    ],
)
def test_an_order_is_an_event_for_each_product(collector: Collector, name: str, kind: ShopEventType) -> None:
    user = str(uuid.uuid4())
    products = [
        {"product_id": "sku-1", "category": "hats", "price": "12", "quantity": 3},
        {"product_id": "sku-2", "category": "hats", "price": 1500.4, "coupon": "TEN"},
    ]
    message = tracked(user, name, order_id="o-1", currency="JPY", coupon="ALL", products=products)

    for _ in range(2):  # a retry makes the same events
        assert collector.post("/v1/track", message).json()["accepted"] == 2

    first, second = of_user(collector, user)
    assert [event.event_id for event in (first, second)] == [
        event_id_of("shoes", message["messageId"], part) for part in range(2)
    ]
    assert (first.event_type, first.price_minor, first.quantity, first.coupon) == (kind, 12, 3, "ALL")
    assert (second.event_type, second.price_minor, second.quantity, second.coupon) == (kind, 1500, None, "TEN")
    assert {event.order_id for event in (first, second)} == {"o-1"}


def test_a_batch_has_a_verdict_for_each_message(collector: Collector) -> None:
    user = str(uuid.uuid4())
    batch = [
        tracked(user, "Product Viewed", product_id="sku-1"),
        tracked(user, "Signed Up"),
        {"type": "identify", "userId": user, "traits": {"email": "someone@example.com"}},
        {"type": "page", "userId": user, "messageId": "p-1", "timestamp": NOON, "properties": {"path": "/"}},
        {"type": "page", "userId": user, "messageId": "p-2", "timestamp": NOON, "properties": {"product_id": "sku-2"}},
        tracked(user, "Product Viewed"),
        tracked(user, "Order Refunded", order_id="o-1"),
    ]

    answer = collector.post("/v1/batch", {"batch": batch, "sentAt": NOON}, headers=basic(collector.key))

    assert answer.status_code == 200
    assert [(one["index"], one["verdict"]) for one in answer.json()["verdicts"]] == [
        (0, "accepted"),
        (1, "ignored"),
        (2, "ignored"),
        (3, "ignored"),
        (4, "accepted"),
        (5, "refused"),
        (6, "ignored"),
    ]
    assert [event.product_id for event in of_user(collector, user)] == ["sku-1", "sku-2"]
    assert not any(b"someone@example.com" in (letter.value() or b"") for letter in collector.dead_letters())


def test_an_order_with_bad_products_is_one_dead_letter(collector: Collector) -> None:
    user = str(uuid.uuid4())
    message = tracked(user, "Order Completed", products=[{"product_id": "sku-1"}, {}, {"product_id": "\n"}])

    answer = collector.post("/v1/track", message)

    assert [one["verdict"] for one in answer.json()["verdicts"]] == ["accepted", "refused", "refused"]
    (letter,) = [one for one in collector.dead_letters() if user.encode() in (one.value() or b"")]
    assert json.loads(letter.value() or b"") == message


def test_segments_own_client_is_understood(collector: Collector) -> None:
    user = str(uuid.uuid4())
    faults: list[object] = []
    client = Client(
        collector.key, host=collector.url, on_error=lambda error, _: faults.append(error), gzip=True, timeout=60
    )

    for number in range(120):
        client.track(user, "Product Viewed", {"product_id": f"sku-{number:03d}", "category": "boots", "price": 1.5})
    client.identify(user, {"name": "Someone"})
    client.page(user, "Shop", "Home")
    client.flush()
    client.join()

    assert faults == []
    events = of_user(collector, user)
    assert [event.product_id for event in events] == [f"sku-{number:03d}" for number in range(120)]
    assert {(event.event_type, event.price_minor, event.is_bot) for event in events} == {
        (ShopEventType.VIEW, 150, None)
    }
    age = datetime.now(UTC).timestamp() - events[0].timestamp / 1000
    assert -60 < age < 3600


def test_a_bot_that_names_itself_is_marked(collector: Collector) -> None:
    user = str(uuid.uuid4())
    agents = {
        "sku-1": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "sku-2": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "sku-3": None,
    }
    batch = [
        {**tracked(user, "Product Viewed", product_id=product), "context": {"userAgent": agent}}
        for product, agent in agents.items()
    ]

    collector.post("/v1/batch", {"batch": batch})

    assert [event.is_bot for event in of_user(collector, user)] == [True, False, None]


def ga4(user: str, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"client_id": "c-1", "user_id": user, "events": list(events), **more}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("view_item", ShopEventType.VIEW),
        ("view_item_list", ShopEventType.IMPRESSION),
        ("add_to_cart", ShopEventType.ADD_TO_CART),
        ("remove_from_cart", ShopEventType.REMOVE_FROM_CART),
        ("begin_checkout", ShopEventType.BEGIN_CHECKOUT),
        ("purchase", ShopEventType.PURCHASE),
        ("refund", ShopEventType.REFUND),
    ],
)
def test_ga4s_names_have_ours(collector: Collector, name: str, kind: ShopEventType) -> None:
    user = str(uuid.uuid4())
    items = [{"item_id": "i-1", "item_category": "Hats", "price": 9.99, "quantity": 2}, {"item_id": "i-2"}]
    params = {"currency": "EUR", "transaction_id": "t-1", "items": items}
    body = ga4(user, {"name": name, "params": params}, timestamp_micros=str(NOON_MS * 1000))

    for _ in range(2):  # a retry makes the same events
        answer = httpx2.post(
            f"{collector.url}/mp/collect?measurement_id=G-1&api_secret={collector.key}", json=body, timeout=60
        )
        assert answer.json()["accepted"] == 2

    first, second = of_user(collector, user)
    assert first[2:6] == ("i-1", "hats", kind, NOON_MS)
    assert (first.price_minor, first.currency, first.quantity, first.order_id) == (999, "EUR", 2, "t-1")
    assert (second.product_id, second.product_category, second.anonymous_id) == ("i-2", "unknown", "c-1")


def test_what_ga4_sends_beside_products_is_ignored(collector: Collector) -> None:
    body = ga4("u", {"name": "page_view"}, {"name": "purchase", "params": {}}, {"name": "view_item"}, 17)  # type: ignore[arg-type]

    answer = collector.post("/mp/collect", body)

    assert [one["verdict"] for one in answer.json()["verdicts"]] == ["ignored", "ignored", "ignored", "refused"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/track", b"[]"),
        ("/v1/batch", b"{}"),
        ("/v1/batch", b'{"batch": 1}'),
        ("/mp/collect", b"{}"),
        ("/mp/collect", b'{"events": 1}'),
        ("/mp/collect", b"x"),
    ],
)
def test_a_body_of_another_form_is_refused(collector: Collector, path: str, body: bytes) -> None:
    assert collector.post(path, body).status_code == 400


def test_a_page_may_send_where_its_origin_is_among_the_keys(collector: Collector) -> None:
    event = {"event_type": "view", "anonymous_id": str(uuid.uuid4()), "product_id": "p"}
    page = {
        "origin": "https://shoes.example",
        "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    }

    refused = collector.post("/v1/events", event, headers=page)
    taken = collector.post("/v1/events", event, key=collector.page_key, headers=page)

    assert (refused.status_code, taken.status_code) == (403, 200)
    assert "access-control-allow-origin" not in refused.headers
    assert taken.headers["access-control-allow-origin"] == "https://shoes.example"
    assert taken.headers["access-control-expose-headers"] == "retry-after"
    (stored,) = of_user(collector, event["anonymous_id"])
    assert (stored.source, stored.is_bot) == (Source.TRACKER, False)


def test_a_preflight_is_answered_for_pages_that_may_send(collector: Collector) -> None:
    asked = {
        "origin": "https://shoes.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }

    answer = httpx2.request("OPTIONS", f"{collector.url}/v1/events", headers=asked, timeout=PATIENCE_SECONDS)

    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://shoes.example"
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert httpx2.request("OPTIONS", f"{collector.url}/v1/events", timeout=PATIENCE_SECONDS).status_code == 403
