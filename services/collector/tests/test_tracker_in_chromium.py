"""The tracker in Chromium against a collector that refuses, fails, waits or is not there."""

from collections.abc import Callable, Iterator
from time import monotonic, sleep

import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from tracker_browser import running_chromium
from tracker_pages import KEY, NO_ANSWER, Pages, running_pages

PATIENCE_SECONDS = 120.0
_HOUR = 3600


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A shop's page, and a collector that does as it is told."""
    with running_pages() as pages:
        yield pages


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser without a past."""
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_SECONDS * 1000)
    yield context
    context.close()


def opened(context: BrowserContext, pages: Pages) -> Page:
    """A tab with the shop's page."""
    page = context.new_page()
    page.goto(pages.url)
    return page


def look_at(page: Page, name: str, count: int = 1) -> None:
    """View the products name-0, name-1, …"""
    script = """([name, count]) => {
        for (let i = 0; i < count; i++) clickwatch.view({id: `${name}-${i}`, category: "boots"});
    }"""
    page.evaluate(script, [name, count])


def names(name: str, count: int = 1) -> set[str]:
    """The products that `look_at` views."""
    return {f"{name}-{number}" for number in range(count)}


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not holds():
        assert monotonic() < deadline
        # The browser's events are handled meanwhile.
        page.evaluate("0")
        sleep(0.05)


def stored(page: Page) -> list[str]:
    """What the tracker keeps in the page's origin."""
    found: list[str] = page.evaluate("Object.keys(localStorage)")
    return found


def waiting(page: Page) -> int:
    """How many events wait in the storage of the page's origin."""
    script = """Object.keys(localStorage).filter(n => n.startsWith("clickwatch.queue."))
        .reduce((sum, n) => sum + JSON.parse(localStorage.getItem(n) || "[]").length, 0)"""
    return int(page.evaluate(script))


def round_trip(page: Page, pages: Pages) -> None:
    """Return once the collector has answered the page something else, which was asked after all before."""
    page.evaluate("url => fetch(url).then(answer => answer.text())", f"{pages.collector_url}/ping")


def test_a_strict_page_sends_without_a_preflight_and_without_a_violation(context: BrowserContext, pages: Pages) -> None:
    context.add_init_script(
        "window.violations = []; addEventListener('securitypolicyviolation', e => violations.push(e.violatedDirective))"
    )
    page = opened(context, pages)

    look_at(page, "strict")
    until(page, lambda: pages.products() == names("strict"))

    (sent,) = pages.sent
    assert (sent.key, sent.content_type.partition(";")[0], pages.preflights) == (KEY, "text/plain", 0)
    assert page.evaluate("violations") == []


@pytest.mark.parametrize("status", [503, 500, 429, NO_ANSWER])
def test_what_is_not_taken_is_sent_again_under_the_same_id(context: BrowserContext, pages: Pages, status: int) -> None:
    pages.status = status
    page = opened(context, pages)

    look_at(page, "again")
    until(page, lambda: len(pages.sent) >= 2)
    assert pages.taken() == []
    pages.status = 200
    until(page, lambda: waiting(page) == 0)

    assert len({tuple(one.ids) for one in pages.sent}) == 1
    assert pages.products() == names("again")


@pytest.mark.parametrize("status", [400, 401, 413, 422])
def test_what_will_never_be_taken_is_dropped_and_the_next_goes_on(
    context: BrowserContext, pages: Pages, status: int
) -> None:
    pages.status = status
    page = opened(context, pages)

    look_at(page, "bad")
    until(page, lambda: len(pages.sent) == 1 and waiting(page) == 0)
    pages.status = 200
    look_at(page, "good")
    until(page, lambda: pages.products() == names("good"))

    assert [one.status for one in pages.sent] == [status, 200]


def test_a_collector_that_asks_to_wait_is_left_alone_however_much_happens(
    context: BrowserContext, pages: Pages
) -> None:
    pages.status, pages.retry_after = 503, _HOUR
    page = opened(context, pages)
    look_at(page, "first")
    until(page, lambda: len(pages.sent) == 1)
    round_trip(page, pages)

    for _ in range(5):
        look_at(page, "more", 60)
        round_trip(page, pages)

    assert len(pages.sent) == 1
    assert waiting(page) == 301


def test_a_network_that_comes_back_ends_the_waiting(context: BrowserContext, pages: Pages) -> None:
    pages.status, pages.retry_after = 503, _HOUR
    page = opened(context, pages)
    look_at(page, "online")
    until(page, lambda: len(pages.sent) == 1)
    round_trip(page, pages)

    pages.status = 200
    # Said again and again: the page may not have read the answer yet.
    until(page, lambda: page.evaluate("dispatchEvent(new Event('online'))") and waiting(page) == 0)

    assert pages.products() == names("online")


def test_a_cut_network_loses_nothing(context: BrowserContext, pages: Pages) -> None:
    page = opened(context, pages)
    context.set_offline(True)
    assert page.evaluate("navigator.onLine") is False
    look_at(page, "cut", 30)
    assert (waiting(page), pages.sent) == (30, [])

    context.set_offline(False)
    until(page, lambda: waiting(page) == 0)

    assert pages.products() == names("cut", 30)


def test_events_too_large_to_outlive_a_page_are_sent_all_the_same(context: BrowserContext, pages: Pages) -> None:
    page = opened(context, pages)

    # A browser lets at most 64 KiB outlive a page: a batch of these is larger, and so is the last event alone.
    page.evaluate("""() => {
        const long = "é".repeat(1000);
        for (let i = 0; i < 60; i++) clickwatch.view({id: `large-${i}`, category: long});
        clickwatch.view({id: "huge-0", category: long.repeat(100)});
    }""")
    until(page, lambda: waiting(page) == 0)

    assert pages.products() == names("large", 60) | names("huge")


def test_the_oldest_of_too_many_events_go(context: BrowserContext, pages: Pages) -> None:
    pages.status, pages.retry_after = 503, _HOUR
    page = opened(context, pages)
    look_at(page, "old", 600)
    until(page, lambda: len(pages.sent) == 1)
    round_trip(page, pages)

    look_at(page, "new", 10)

    assert waiting(page) == 500


def test_the_end_of_a_page_tells_what_happened_while_another_batch_was_under_way(
    context: BrowserContext, pages: Pages
) -> None:
    page = opened(context, pages)
    pages.hold.clear()
    look_at(page, "under-way")
    until(page, lambda: len(pages.sent) == 1)

    look_at(page, "last")
    page.goto("about:blank")
    until(page, lambda: pages.products() == names("under-way") | names("last"))

    # The batch under way was never answered: the page's end told the rest beside it.
    assert not pages.hold.is_set()


def test_what_a_closed_tab_leaves_behind_is_sent_by_the_tab_beside_it(context: BrowserContext, pages: Pages) -> None:
    pages.status, pages.retry_after = 503, _HOUR
    closed = opened(context, pages)
    look_at(closed, "left", 70)
    until(closed, lambda: len(pages.sent) == 1)
    beside = opened(context, pages)
    pages.status = 200

    closed.close()
    until(beside, lambda: pages.products() == names("left", 70) and waiting(beside) == 0)

    ids = {event["event_id"] for one in pages.sent for event in one.events}
    assert len(ids) == 70


def test_a_reload_sends_what_was_not_taken(context: BrowserContext, pages: Pages) -> None:
    pages.status, pages.retry_after = 503, _HOUR
    page = opened(context, pages)
    look_at(page, "reload", 70)
    until(page, lambda: len(pages.sent) == 1)
    assert pages.taken() == []

    pages.status = 200
    page.reload()
    until(page, lambda: pages.products() == names("reload", 70) and waiting(page) == 0)

    assert len({event["event_id"] for one in pages.sent for event in one.events}) == 70


def test_consent_withdrawn_in_one_tab_holds_in_the_other(context: BrowserContext, pages: Pages) -> None:
    pages.status, pages.retry_after = 503, _HOUR
    tabs = [opened(context, pages), opened(context, pages)]
    for number, tab in enumerate(tabs):
        look_at(tab, f"tab{number}")
    until(tabs[0], lambda: len(pages.sent) == 2)

    # After the tracker's own listener.
    tabs[1].evaluate("() => addEventListener('storage', event => { window.heard ||= event.newValue === null })")
    tabs[0].evaluate("clickwatch.consent(false)")
    until(tabs[1], lambda: tabs[1].evaluate("window.heard") is True)
    pages.status = 200
    for tab in tabs:
        look_at(tab, "after")
        tab.evaluate("() => { clickwatch.flush(); dispatchEvent(new Event('online')) }")
        round_trip(tab, pages)

    assert [stored(tab) for tab in tabs] == [[], []]
    assert pages.taken() == []


def test_consent_given_late_starts_with_another_id_than_the_one_withdrawn(
    context: BrowserContext, pages: Pages
) -> None:
    pages.attributes = 'data-consent="required"'
    page = opened(context, pages)
    look_at(page, "before")
    assert stored(page) == []

    page.evaluate("clickwatch.consent(true)")
    page.evaluate("clickwatch.identify('customer-4')")
    look_at(page, "given")
    until(page, lambda: waiting(page) == 0)
    page.evaluate("clickwatch.consent(false)")
    look_at(page, "withdrawn")
    assert stored(page) == []
    page.evaluate("clickwatch.consent(true)")
    look_at(page, "once-more")
    until(page, lambda: len(pages.taken()) == 2)

    first, second = pages.taken()
    assert [first["product_id"], second["product_id"]] == ["given-0", "once-more-0"]
    assert (first.get("user_id"), second.get("user_id")) == ("customer-4", None)
    assert first["anonymous_id"] != second["anonymous_id"]


def test_who_asks_later_not_to_be_tracked_has_nothing_stored_any_more(context: BrowserContext, pages: Pages) -> None:
    page = opened(context, pages)
    look_at(page, "earlier")
    until(page, lambda: pages.products() == names("earlier") and waiting(page) == 0)
    assert stored(page) != []

    context.add_init_script("Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})")
    page.reload()
    look_at(page, "later")
    page.evaluate("clickwatch.consent(true)")
    look_at(page, "later")
    round_trip(page, pages)

    assert stored(page) == []
    assert pages.products() == names("earlier")
