"""The pages, in Chromium, as people use them."""

import re

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from dashboard_program import Dashboard, Open, as_reader
from dashboard_shop import raise_alert, yesterday
from playwright.sync_api import Page, expect

PATHS = ("/", "/day", "/trust", "/products?product=product_3")
PHONE = {"width": 360, "height": 740}
PATIENCE_MS = 120_000.0
expect.set_options(timeout=PATIENCE_MS)


def visit(page: Page, url: str) -> Page:
    page.goto(url)
    expect(page.locator("#pill")).to_have_text("Live")
    return page


def filled(page: Page, path: str) -> None:
    """Return once the page shows its figures."""
    shown = {
        "/": "#alerts tbody tr",
        "/day": "#top tbody tr",
        "/trust": "#agree tbody tr",
        "/products": "#one canvas",
    }
    expect(page.locator(shown[path.partition("?")[0]]).first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_accessibility_problem(shop: Dashboard, context: Open, scheme: str) -> None:
    found = []
    page = context(color_scheme=scheme).new_page()
    for path in PATHS:
        visit(page, f"{shop.url}{path}")
        filled(page, path)
        for violation in Axe().run(page).response["violations"]:
            if violation["impact"] in ("serious", "critical"):
                found.append((path, violation["id"], [node["html"] for node in violation["nodes"][:3]]))
    assert found == []


def test_nothing_is_wider_than_a_narrow_phone(shop: Dashboard, context: Open) -> None:
    page = context(viewport=PHONE).new_page()
    for path in PATHS:
        visit(page, f"{shop.url}{path}")
        filled(page, path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path


def test_an_alert_appears_changes_and_fades_without_a_reload(empty: Dashboard, context: Open) -> None:
    page = visit(context().new_page(), empty.url)
    expect(page.locator("#empty")).to_contain_text("./pants up")

    with psycopg.connect(empty.database_url) as connection:
        raise_alert(connection, "product_7", views=101)
        row = page.locator("#alerts tbody tr", has_text="product_7")
        expect(row).to_contain_text("101")
        expect(row.locator(".badge")).to_have_text("active")
        expect(page.locator("#said")).to_contain_text("product_7")
        expect(page.locator("#active")).to_have_text("1")
        raise_alert(connection, "product_7", views=140)
        expect(row).to_contain_text("140")
        raise_alert(connection, "product_7", views=150, status="retracted")
        expect(row).to_have_class(re.compile("retracted"))
        raise_alert(connection, "product_8", status="confirmed")
        expect(page.locator("#alerts tbody tr", has_text="product_8").locator(".badge")).to_have_text("confirmed")


# What the page tells the system, which a browser without a screen shows nobody.
_LISTEN = """
  window.told = [];
  window.tones = 0;
  window.Notification = new Proxy(Notification, {
    construct(real, words) { told.push(words[1].body); return new real(...words); },
  });
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...when) { tones += 1; return start.apply(this, when); };
"""


def test_a_new_alert_sounds_and_notifies_who_switched_that_on(empty: Dashboard, context: Open) -> None:
    window = context(permissions=["notifications"])
    window.add_init_script(_LISTEN)
    page = visit(window.new_page(), empty.url)
    sound, notify = page.get_by_role("button", name="Sound"), page.get_by_role("button", name="Notify me")
    with psycopg.connect(empty.database_url) as connection:
        raise_alert(connection, "product_1", views=101)
        expect(page.locator("#said")).to_contain_text("product_1")
        assert page.evaluate("[told, tones]") == [[], 0]

        sound.click()
        expect(sound).to_have_attribute("aria-pressed", "true")
        notify.click()
        expect(notify).to_have_attribute("aria-pressed", "true")
        raise_alert(connection, "product_2", views=102)
        expect(page.locator("#said")).to_contain_text("product_2")
        # One tone was the answer to the click.
        assert page.evaluate("[told, tones]") == [["New alert: product_2, 102 views, 1 purchases"], 2]

        sound.click()
        notify.click()
        raise_alert(connection, "product_3", views=103)
        expect(page.locator("#said")).to_contain_text("product_3")
    assert page.evaluate("[told.length, tones]") == [1, 2]


def test_a_browser_that_refuses_notifications_is_said_and_the_switch_stays_off(shop: Dashboard, context: Open) -> None:
    page = visit(context().new_page(), shop.url)
    page.get_by_role("button", name="Notify me").click()

    expect(page.locator("#notify")).to_have_text("Blocked by the browser")
    expect(page.locator("#notify")).to_have_attribute("aria-pressed", "false")


def test_alerts_are_filtered_and_one_is_chosen_by_keyboard_alone(shop: Dashboard, context: Open) -> None:
    page = visit(context().new_page(), shop.url)
    filled(page, "/")

    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.locator("input[name=state]").first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#alerts tbody tr")).to_have_count(6)
    expect(page.locator("#alerts .badge").first).to_have_text("active")
    button = page.locator("#alerts tbody button").nth(2)
    name = button.inner_text()
    button.focus()
    page.keyboard.press("Enter")

    expect(page.locator("#chosen")).to_have_text(name)
    expect(page.locator("#windows canvas")).to_have_count(2)
    assert f"product={name}" in page.url


def test_any_product_can_be_searched_and_its_windows_drawn_with_the_thresholds(shop: Dashboard, context: Open) -> None:
    page = visit(context().new_page(), shop.url)

    page.get_by_label("Product", exact=True).fill("product_2")
    page.get_by_role("button", name="Show", exact=True).click()

    expect(page.locator("#chosen")).to_have_text("product_2")
    expect(page.locator("#windows .limit").first).to_have_text("an alert above 100")
    page.get_by_text("The same as a table").click()
    expect(page.locator("#windows tbody tr").first).to_be_visible()


def test_a_day_is_chosen_and_told_from_one_without_a_batch(shop: Dashboard, context: Open) -> None:
    page = visit(context().new_page(), f"{shop.url}/day")
    filled(page, "/day")
    first = page.locator("#tiles .figure").first.inner_text()
    expect(page.locator("#conversion li")).to_have_count(8)

    page.get_by_label("Previous day").click()
    expect(page.locator("#tiles .figure").first).not_to_have_text(first)
    page.get_by_label("Day", exact=True).fill("2001-02-03")
    expect(page.locator("#empty")).to_contain_text("batch run --date 2001-02-03")
    page.get_by_role("button", name="Latest").click()

    expect(page.locator("#tiles .figure").first).to_have_text(first)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV of all").click()
    assert download.value.suggested_filename == f"products_{yesterday()}.csv"


def test_a_product_is_found_and_its_history_shown(shop: Dashboard, context: Open) -> None:
    page = visit(context().new_page(), f"{shop.url}/products")
    expect(page.locator("#total")).to_have_text("60 products")

    page.get_by_label("Search").fill("_17")
    expect(page.locator("#total")).to_have_text("1 product")
    page.get_by_role("button", name="product_17").click()

    expect(page.locator("#one-title")).to_have_text("product_17")
    expect(page.locator("#one canvas")).to_have_count(3)
    page.reload()
    expect(page.locator("#one-title")).to_have_text("product_17")


def test_the_theme_is_chosen_and_kept(shop: Dashboard, context: Open) -> None:
    page = visit(context(color_scheme="light").new_page(), shop.url)
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_role("button", name="Use the dark theme").click()
    after = page.evaluate("getComputedStyle(document.body).backgroundColor")
    visit(page, f"{shop.url}/trust")

    assert before != after
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == after


def test_pages_of_an_empty_database_say_what_to_do(empty: Dashboard, context: Open) -> None:
    page = context().new_page()
    for path, remedy in (
        ("/", "./pants up"),
        ("/day", "batch run"),
        ("/trust", "./pants up"),
        ("/products", "batch run"),
    ):
        visit(page, f"{empty.url}{path}")
        expect(page.locator("#empty")).to_contain_text(remedy)


def test_a_database_that_goes_away_is_said_and_its_return_is_seen(
    postgres_url: str, empty: Dashboard, context: Open
) -> None:
    name = psycopg.conninfo.conninfo_to_dict(empty.database_url)["dbname"]
    page = visit(context(expect_errors=True).new_page(), empty.url)
    with psycopg.connect(empty.database_url) as connection:
        raise_alert(connection, "product_7", views=101)
    expect(page.locator("#alerts tbody tr")).to_have_count(1)

    with psycopg.connect(postgres_url, autocommit=True) as server:
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        with psycopg.connect(as_reader(postgres_url)) as reader:  # who may end the connections of that role
            reader.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        expect(page.locator("#banner")).to_contain_text("No fresh data")
        expect(page.locator("#pill")).to_have_text("Stale")
        expect(page.locator("#alerts tbody tr")).to_contain_text("101")
        assert empty.get("/api/days").status_code == 503
        server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    expect(page.locator("#pill")).to_have_text("Live")
    with psycopg.connect(empty.database_url) as connection:
        raise_alert(connection, "product_7", views=202)

    expect(page.locator("#alerts tbody tr")).to_contain_text("202")
    expect(page.locator("#banner")).to_be_hidden()
    assert empty.get("/api/days").status_code == 200


def test_a_thousand_alerts_show_the_newest_and_the_rest_on_request(empty: Dashboard, context: Open) -> None:
    with psycopg.connect(empty.database_url) as connection:
        connection.execute(
            """
            INSERT INTO flash_sale_alerts
            SELECT 'product_' || n, now(), now() + interval '10 minutes', 'gaming', 101 + n, 0, 'active',
                   now() + n * interval '1 ms', now() + n * interval '1 ms'
              FROM generate_series(1, 1000) AS n
            """
        )

    page = visit(context().new_page(), empty.url)

    expect(page.locator("#active")).to_have_text("1,000")
    expect(page.locator("#alerts tbody tr")).to_have_count(200)
    expect(page.locator("#alerts tbody tr").first).to_contain_text("product_1000")
    page.get_by_role("button", name="Show older").click()
    expect(page.locator("#alerts tbody tr")).to_have_count(400)
