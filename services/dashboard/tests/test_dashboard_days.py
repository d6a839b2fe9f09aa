"""A day's revenue, currency by currency, and a day that is not finished."""

from datetime import timedelta

import psycopg
from dashboard_program import Dashboard, Open
from dashboard_shop import yesterday
from playwright.sync_api import expect
from test_dashboard_pages import visit

DAY = yesterday()


def publish(dashboard: Dashboard, back: int, unfinished: bool = False, refused: int = 0, **revenue: int) -> None:
    """Publish a day of 100 events, so many days back."""
    day = DAY - timedelta(days=back)
    with psycopg.connect(dashboard.database_url) as connection:
        connection.execute(
            "INSERT INTO daily_summary VALUES (%s, %s, 1, 1, 50, %s, 0, 0, 0, now(), %s, %s)",
            (day, 100 + back, sum(revenue.values()), unfinished, refused),
        )
        for currency, minor in revenue.items():
            connection.execute(
                "INSERT INTO revenue_by_currency VALUES (%s, %s, %s)", (day, currency.removeprefix("none"), minor)
            )


def test_revenue_is_an_amount_by_the_digits_of_its_currency_each_apart(empty: Dashboard, context: Open) -> None:
    publish(empty, 1, EUR=242_650_000)
    publish(empty, 0, EUR=485_300_000, JPY=4_853_000, BHD=4_853_000, none=7)

    page = visit(context().new_page(), f"{empty.url}/day")

    tile = page.locator(".tile", has_text="Revenue")
    expect(tile.locator(".figure")).to_have_text(["BHD 4,853.000", "EUR 4,853,000.00", "JPY 4,853,000", "7"])
    expect(tile).to_contain_text("smallest units of no named currency")
    expect(tile).to_contain_text("+100.0 % on the day before")
    page.select_option("#figure", label="Revenue, EUR")
    expect(page.locator("#trend .at")).to_have_text(f"{DAY}: EUR 4,853,000.00")
    answer = empty.get(f"/api/days/{DAY}").json()
    assert {one["currency"]: one["digits"] for one in answer["summary"]["revenue"]} == {
        "BHD": 3,
        "EUR": 2,
        "JPY": 0,
        "": None,
    }


def test_a_day_that_kept_no_currencies_apart_says_so(empty: Dashboard, context: Open) -> None:
    publish(empty, 0)
    with psycopg.connect(empty.database_url) as connection:
        connection.execute("UPDATE daily_summary SET revenue_minor = 485300000")

    page = visit(context().new_page(), f"{empty.url}/day")

    tile = page.locator(".tile", has_text="Revenue")
    expect(tile).to_contain_text("485.3M")
    expect(tile).to_contain_text("smallest units; this day was analysed before currencies were kept apart")


def test_an_unfinished_day_says_so_on_every_page_of_days(empty: Dashboard, context: Open) -> None:
    publish(empty, 1)
    publish(empty, 0, unfinished=True, refused=3)
    page = context().new_page()

    visit(page, f"{empty.url}/day")
    expect(page.locator("#unfinished")).to_contain_text(f"a part of {DAY}")
    expect(page.locator("#unfinished")).to_contain_text(f"batch run --date {DAY}")
    expect(page.locator("#tiles")).not_to_contain_text("on the day before")
    expect(page.locator("#segments")).to_contain_text("3 rows that the database refused")
    page.locator("#before").click()
    expect(page.locator("#unfinished")).to_be_hidden()

    visit(page, f"{empty.url}/trust")
    expect(page.locator("#day")).to_contain_text(f"{DAY}, unfinished")
    expect(page.locator("#agree")).to_contain_text("a part of a day is compared with nothing")
    expect(page.locator("#gates")).to_contain_text("3 rows of this day were refused")
    expect(page.locator("#fresh")).to_contain_text(f"last day {DAY - timedelta(days=1)}")


def test_an_unfinished_day_stands_beside_no_other_and_no_other_beside_it(empty: Dashboard) -> None:
    for back in (0, 3):
        publish(empty, back)
    publish(empty, 1, unfinished=True)

    whole = empty.get(f"/api/days/{DAY}").json()
    part = empty.get(f"/api/days/{DAY - timedelta(days=1)}").json()

    assert whole["compared"]["total_events"] == {"value": 100, "previous": None, "mean": 103}
    assert part["compared"]["total_events"] == {"value": 101, "previous": None, "mean": None}
    assert part["summary"]["unfinished"]
    assert empty.get("/api/days").json()["unfinished"] == [str(DAY - timedelta(days=1))]
