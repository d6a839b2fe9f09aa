"""The tracker in Chromium, on pages of a shop that is another origin than the collector."""

import gzip
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from time import monotonic, sleep

import pytest
from clickwatch_collector.keys import add_key
from clickwatch_events.shop_event import ShopEvent, ShopEventType, Source
from clickwatch_servers.ports import HOST, free_port
from collector_program import PATIENCE_SECONDS, Collector, make_topics, running_collector
from playwright.sync_api import Browser, BrowserContext, Page
from tracker_browser import running_chromium

_POLICY = "default-src 'none'; script-src {collector}; connect-src {collector} {other}; base-uri 'none'"
_PRODUCT = """
<article data-clickwatch-view data-product-id="{user}-1" data-product-category="boots"
  data-product-price="89.90" data-product-currency="EUR">
  <button id="add" data-clickwatch-click="add_to_cart"><b>Into the cart</b></button>
</article>
"""


@dataclass
class Shop:
    """A shop's pages: `/any?body` shows the product that the test asks for."""

    url: str
    collector: Collector
    attributes: str = ""
    other: str = ""
    body: str = ""

    def page(self) -> bytes:
        script = f'<script src="{self.collector.url}/clickwatch.js" data-key="{self.collector.page_key}"'
        return f"<!doctype html><title>Shop</title>{script} {self.attributes}></script>{self.body}".encode()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def shop(collector: Collector) -> Iterator[Shop]:
    """A server of the shop's pages with a strict policy."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = pages.page()
            self.send_response(200)
            self.send_header("content-type", "text/html; charset=utf-8")
            self.send_header("content-security-policy", _POLICY.format(collector=collector.url, other=pages.other))
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    # Chromium takes localhost for secure, and the other name makes it another origin.
    pages = Shop(f"http://localhost:{server.server_address[1]}/", collector)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield pages
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without a past, that ends without an error."""
    context = browser.new_context(user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    yield context
    context.close()


def opened(context: BrowserContext, shop: Shop) -> Page:
    page = context.new_page()
    page.goto(shop.url)
    return page


def of(collector: Collector, prefix: str) -> list[ShopEvent]:
    """The events of products whose id begins so, each once, in the order they happened."""
    found = {event.event_id: event for event in collector.events() if event.product_id.startswith(prefix)}
    return sorted(found.values(), key=lambda event: event.timestamp)


def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not holds():
        assert monotonic() < deadline
        sleep(0.1)


def queue_length(page: Page) -> int:
    """How many events wait in the storage of the page's origin."""
    script = """() => Object.keys(localStorage).filter(n => n.startsWith("clickwatch.queue."))
        .reduce((sum, n) => sum + JSON.parse(localStorage.getItem(n)).length, 0)"""
    return int(page.evaluate(script))


def test_the_tracker_is_small() -> None:
    script = (files("clickwatch_collector") / "static" / "clickwatch.js").read_bytes()

    assert len(gzip.compress(script, 9)) < 4096


def test_a_page_tells_its_product_and_a_click_by_attributes(
    context: BrowserContext, shop: Shop, collector: Collector
) -> None:
    shop.body = _PRODUCT.format(user="attributes")
    wrong: list[str] = []
    context.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)

    page = opened(context, shop)
    page.click("#add b")
    until(lambda: len(of(collector, "attributes")) == 2)

    view, added = of(collector, "attributes")
    assert (view.event_type, added.event_type) == (ShopEventType.VIEW, ShopEventType.ADD_TO_CART)
    assert (view.product_category, view.price_minor, view.currency) == ("boots", 8990, "EUR")
    assert (view.source, view.is_bot) == (Source.TRACKER, False)
    assert view.anonymous_id == view.user_id == added.anonymous_id
    assert view.session_id == added.session_id
    until(lambda: queue_length(page) == 0)
    assert wrong == []


def test_the_calls_say_what_happens_to_an_order(context: BrowserContext, shop: Shop, collector: Collector) -> None:
    page = opened(context, shop)

    page.evaluate("""() => {
        const a = {id: "calls-1", category: "boots", price: 10.5, currency: "EUR", quantity: 2};
        const b = {id: "calls-2", category: "hats"};
        clickwatch.identify("customer-4");
        clickwatch.removeFromCart(a);
        clickwatch.checkout([a]);
        clickwatch.purchase("order-1", [a, b]);
        clickwatch.refund("order-1", [b]);
        clickwatch.impression([a], {list: "search"});
    }""")
    until(lambda: len(of(collector, "calls-")) == 6)

    found = of(collector, "calls-")
    assert {(event.event_type.value, event.product_id, event.order_id) for event in found} == {
        ("remove_from_cart", "calls-1", None),
        ("begin_checkout", "calls-1", None),
        ("purchase", "calls-1", "order-1"),
        ("purchase", "calls-2", "order-1"),
        ("refund", "calls-2", "order-1"),
        ("impression", "calls-1", None),
    }
    assert {event.user_id for event in found} == {"customer-4"}
    assert {(event.quantity, event.price_minor) for event in found if event.product_id == "calls-1"} == {(2, 1050)}


def test_what_a_lost_network_holds_back_survives_a_reload_and_is_sent_once(
    context: BrowserContext, shop: Shop, collector: Collector
) -> None:
    # Nobody listens there.
    shop.other = f"http://{HOST}:{free_port()}"
    shop.attributes = f'data-endpoint="{shop.other}/v1/events"'
    page = opened(context, shop)
    page.evaluate("() => { for (let i = 0; i < 70; i++) clickwatch.view({id: 'offline-' + i, category: 'boots'}) }")
    until(lambda: queue_length(page) == 70)
    page.reload()
    assert of(collector, "offline-") == []

    shop.attributes = ""
    page.reload()
    until(lambda: queue_length(page) == 0)

    assert len({event.event_id for event in of(collector, "offline-")}) == 70
    assert len({event.product_id for event in of(collector, "offline-")}) == 70


def test_a_page_that_is_closed_at_once_loses_nothing(context: BrowserContext, shop: Shop, collector: Collector) -> None:
    page = opened(context, shop)

    page.evaluate("() => { for (let i = 0; i < 40; i++) clickwatch.view({id: 'closed-' + i, category: 'boots'}) }")
    page.close(run_before_unload=False)
    other = opened(context, shop)
    until(lambda: len(of(collector, "closed-")) == 40 and queue_length(other) == 0)

    assert len(of(collector, "closed-")) == 40


def test_two_tabs_lose_nothing_of_each_other_and_are_one_visit(
    context: BrowserContext, shop: Shop, collector: Collector
) -> None:
    tabs = [opened(context, shop), opened(context, shop)]

    for number in range(20):
        for name, tab in zip("ab", tabs, strict=True):
            tab.evaluate(f"() => clickwatch.view({{id: 'tabs-{name}-{number}', category: 'boots'}})")
    until(lambda: len(of(collector, "tabs-")) == 40)

    assert len({event.product_id for event in of(collector, "tabs-")}) == 40
    assert len({event.session_id for event in of(collector, "tabs-")}) == 1
    assert len({event.anonymous_id for event in of(collector, "tabs-")}) == 1


def test_before_consent_nothing_is_stored_or_sent_and_taking_it_back_deletes_all(
    context: BrowserContext, shop: Shop, collector: Collector
) -> None:
    shop.attributes = 'data-consent="required"'
    shop.body = _PRODUCT.format(user="consent")

    page = opened(context, shop)
    page.click("#add")
    assert page.evaluate("() => localStorage.length") == 0
    page.evaluate("() => clickwatch.consent(true)")
    until(lambda: len(of(collector, "consent")) == 1)

    # The view of the page that is open; the click before it was nobody's to tell.
    (view,) = of(collector, "consent")
    assert view.event_type is ShopEventType.VIEW
    page.evaluate("() => clickwatch.consent(false)")
    assert page.evaluate("() => localStorage.length") == 0


@pytest.mark.parametrize(
    "wish",
    [
        "Object.defineProperty(navigator, 'doNotTrack', {value: '1'})",
        "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})",
    ],
)
def test_who_asks_not_to_be_tracked_is_not(
    context: BrowserContext, shop: Shop, collector: Collector, wish: str
) -> None:
    shop.body = _PRODUCT.format(user="refuses")
    context.add_init_script(wish)

    page = opened(context, shop)
    page.click("#add")
    page.evaluate("() => clickwatch.flush()")
    page.reload()

    assert page.evaluate("() => localStorage.length") == 0
    assert page.evaluate("() => performance.getEntriesByType('resource').map(one => one.initiatorType)") == ["script"]
    assert of(collector, "refuses") == []


def test_a_visit_ends_after_half_an_hour(context: BrowserContext, shop: Shop, collector: Collector) -> None:
    page = opened(context, shop)
    page.evaluate("() => clickwatch.view({id: 'visit-1', category: 'boots'})")
    page.evaluate("""() => {
        const [id, seen] = localStorage.getItem("clickwatch.session").split(" ");
        localStorage.setItem("clickwatch.session", id + " " + (Number(seen) - 31 * 60 * 1000));
    }""")
    page.evaluate("() => clickwatch.view({id: 'visit-2', category: 'boots'})")
    until(lambda: len(of(collector, "visit-")) == 2)

    first, second = of(collector, "visit-")
    assert first.session_id != second.session_id
    assert first.anonymous_id == second.anonymous_id


def test_a_full_or_forbidden_storage_does_not_stop_a_page(
    context: BrowserContext, shop: Shop, collector: Collector
) -> None:
    context.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('full') }")

    page = opened(context, shop)
    page.evaluate("() => clickwatch.view({id: 'storage-1', category: 'boots'})")
    until(lambda: len(of(collector, "storage-")) == 1)

    assert of(collector, "storage-")[0].anonymous_id


def test_the_demo_shop_tells_what_is_clicked_in_it(
    context: BrowserContext, kafka_bootstrap: str, registry_url: str, tmp_path: Path
) -> None:
    make_topics(kafka_bootstrap, "demo", "demo-dlq")
    key = add_key(tmp_path / "collector" / "keys.toml", "demo", ["*"])
    options = {"COLLECTOR_SHOP": "true", "COLLECTOR_SHOP_KEY": key}
    wrong: list[str] = []
    context.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    with running_collector(kafka_bootstrap, registry_url, tmp_path, "demo", **options) as demo:
        page = context.new_page()
        page.goto(f"{demo.url}/shop")
        page.click("article:has-text('Watch') button")
        page.click("text=Into the cart")
        page.click("text=Into the cart")
        page.click("article:has-text('Camera') button")
        page.click("text=Into the cart")
        page.click("li:has-text('Camera') button")
        page.click("text=Let 120 people look at it")
        page.click("#order")
        page.get_by_text("Thank you").wait_for()
        until(lambda: len(of(demo, "demo_")) == 128 and queue_length(page) == 0)

        counts = Counter((event.event_type.value, event.product_id, event.quantity) for event in of(demo, "demo_"))

    assert counts == {
        ("view", "demo_watch", None): 1,
        ("add_to_cart", "demo_watch", 1): 2,
        ("view", "demo_camera", None): 121,
        ("add_to_cart", "demo_camera", 1): 1,
        ("remove_from_cart", "demo_camera", 1): 1,
        ("begin_checkout", "demo_watch", 2): 1,
        ("purchase", "demo_watch", 2): 1,
    }
    assert wrong == []
