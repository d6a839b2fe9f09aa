"""Names that came from outside act on nothing, on the page and in every CSV."""

import csv
import io
import json
import unicodedata
from datetime import timedelta

import psycopg
import pytest
from clickwatch_service.shown import FORMULA, neutral_cell, shown
from dashboard_program import Dashboard, Open
from dashboard_shop import raise_alert, yesterday
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from playwright.sync_api import Page, expect
from test_dashboard_pages import visit

DAY = yesterday()
# Control characters and a turn of the text (b14), formulas and odd ids (d01), as batch publishes them.
NAMES = (
    "\x1b[31mred\x1b[0m\nTotal revenue   999",
    "toys\u202egnp.exe",
    "<script>alert(1)</script>",
    "x" * 1000,
    '=HYPERLINK("http://x.invalid","a")',
    "+1+1",
    "@SUM(A1)",
    "-2+3",
    "'=1+1",
    "\t=1+1",
    'a,"b"\nnext line',
    "<img src=x onerror=alert(1)>",
    "商品 ٣",
    "  lead",
    "שלום",
)
AWKWARD = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cn"]),
        st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Zs", "Mn", "Me"]),
        st.sampled_from(" \\=ab\u202e\u05d0\u0661\u200b\ufe0f\u3164商"),
    ),
    max_size=60,
)


@pytest.fixture
def named(empty: Dashboard) -> Dashboard:
    """A dashboard of a day of awkward names."""
    with psycopg.connect(empty.database_url) as connection:
        connection.execute("INSERT INTO daily_summary VALUES (%s, 100, 1, 1, 50, 5, 0, 0, 0, now(), false, 2)", (DAY,))
        connection.execute("INSERT INTO revenue_by_currency VALUES (%s, '=EUR', 5)", (DAY,))
        connection.execute("INSERT INTO quality_gates VALUES (%s, 'malformed', 0, 0, 0, 'pass', '=1+1')", (DAY,))
        connection.execute("INSERT INTO reconciliation VALUES (%s, 'views', '', 1, 2, -1, 0, 0, 0, -1)", (DAY,))
        for rank, name in enumerate(NAMES, start=1):
            connection.execute(
                "INSERT INTO product_performance VALUES (%s, %s, %s, 1, 1, %s)", (DAY, name, 100 - rank, rank)
            )
            connection.execute("INSERT INTO category_conversion VALUES (%s, %s, 9, 1, 1, 11.11, 5)", (DAY, name))
            connection.execute("INSERT INTO user_segments VALUES (%s, %s, 'buyer')", (DAY, name))
            connection.execute(
                "INSERT INTO reconciliation VALUES (%s, 'views', %s, 1, 2, -1, 0, 0, 0, -1)", (DAY, name)
            )
            raise_alert(connection, name)
    return empty


@pytest.mark.parametrize(
    "table", ["summary", "segments", "products", "categories", "revenue", "reconciliation", "gates"]
)
def test_no_cell_of_a_csv_is_a_formula_and_each_can_be_told_back(named: Dashboard, table: str) -> None:
    columns = {
        "segments": "user_id",
        "products": "product_id",
        "categories": "category",
        "reconciliation": "product_id",
    }

    rows = list(csv.DictReader(io.StringIO(named.get(f"/api/days/{DAY}/{table}.csv").text, newline="")))

    assert rows
    for row in rows:
        for cell in row.values():
            assert cell.lstrip("-").isdigit() or cell[:1] not in tuple("=+-@\t\r"), cell
    if table in columns:
        assert {row[columns[table]] for row in rows} - {""} == {neutral_cell(name) for name in NAMES}


def test_what_begins_a_formula_is_the_same_to_postgres_and_to_python(shop: Dashboard) -> None:
    @settings(max_examples=300, deadline=None)
    @given(st.text(st.one_of(st.sampled_from("'=+-@\t\r\n＝a "), st.characters(exclude_categories=["Cs"])), max_size=6))
    def check(text: str) -> None:
        text = text.replace("\0", "")
        row = connection.execute("SELECT regexp_replace(%s::text, %s, '''')", (text, FORMULA)).fetchone()
        assert row == (neutral_cell(text),)

    with psycopg.connect(shop.database_url) as connection:
        check()


def test_the_page_shows_names_by_the_rules_of_the_library(shop: Dashboard, context: Open) -> None:
    page = visit(context().new_page(), shop.url)

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(AWKWARD, min_size=1, max_size=60))
    def check(names: list[str]) -> None:
        found = page.evaluate(
            "(names) => import('/static/shown.js').then(({ shown }) => names.map((name) => shown(name)))",
            names,
        )
        assert json.dumps(found) == json.dumps([shown(name) for name in names])

    check()


def acting(text: str) -> set[str]:
    return {char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp")}


@pytest.mark.parametrize("path", ["/", f"/day?day={DAY}", "/trust", "/products"])
def test_no_page_holds_what_acts_on_the_text_around_it(named: Dashboard, context: Open, path: str) -> None:
    page = visit(context().new_page(), f"{named.url}{path}")
    expect(page.locator("bdi", has_text=r"\u202egnp.exe").first).to_be_attached()

    # The text that is there, not as it is laid out: a line of its own would be one too many.
    texts = page.evaluate(
        """() => {
          const walker = document.createTreeWalker(document.querySelector('main'), NodeFilter.SHOW_TEXT);
          const texts = [];
          while (walker.nextNode()) texts.push(walker.currentNode.data);
          const described = document.querySelectorAll('main [title], main [aria-label]');
          for (const one of described) texts.push(one.title, one.ariaLabel ?? '');
          return texts;
        }"""
    )
    assert set().union(*map(acting, texts)) <= {"\u2068", "\u2069"}
    assert not any("Total revenue   999" in text for text in texts)
    assert max(len(text) for text in page.locator("bdi").all_text_contents()) <= 80


def axis_texts(page: Page) -> list[str]:
    texts = page.evaluate("window.drawn")
    assert isinstance(texts, list)
    return [str(text) for text in texts]


def test_one_published_day_draws_that_day_and_its_neighbours_on_the_axis(empty: Dashboard, context: Open) -> None:
    with psycopg.connect(empty.database_url) as connection:
        connection.execute("INSERT INTO daily_summary VALUES (%s, 100, 1, 1, 50, 5, 0, 0, 0, now())", (DAY,))
    page = context().new_page()
    # What a chart writes is in no element: listen to its canvas.
    page.add_init_script(
        "window.drawn = []; const canvas = CanvasRenderingContext2D.prototype; const fill = canvas.fillText;"
        "canvas.fillText = function (text, ...at) { drawn.push(text); fill.call(this, text, ...at); };"
    )

    visit(page, f"{empty.url}/day")
    expect(page.locator("#trend canvas")).to_be_visible()
    page.wait_for_function("drawn.length > 3")

    days = {text for text in axis_texts(page) if text.count("-") == 1}
    assert days == {(DAY + timedelta(days=by)).isoformat()[5:] for by in (-1, 0, 1)}
