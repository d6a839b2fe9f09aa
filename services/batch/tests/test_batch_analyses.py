"""The analyses against paper, and against a recount in plain Python."""

import tempfile
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from batch_days import DAY, line, log_of, per_cent, recount
from clickwatch_batch.analyses.daily import (
    CategoryConversion,
    CurrencyRevenue,
    DailyReport,
    DailySummary,
    Dropped,
    ProductPerformance,
    analyse,
    category_conversion,
    daily_report,
    product_performance,
    user_segments,
)
from clickwatch_batch.engines.duckdb_engine import DuckDBEngine
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = datetime(2025, 6, 2, 2, tzinfo=UTC)


def report_on(engine: DuckDBEngine, folder: Path, lines: list[bytes]) -> DailyReport:
    log = log_of(folder, lines)
    intake = engine.load(log, DAY)
    analyse(engine)
    return daily_report(engine, DAY, log.place.name, len(lines), intake, NOW)


def test_a_day_on_paper(engine: DuckDBEngine, tmp_path: Path) -> None:
    lines = [
        line(user_id="ann", product_id="p1", event_type="view", event_id="1"),
        line(user_id="ann", product_id="p1", event_type="view", event_id="1"),  # a duplicate
        line(user_id="ann", product_id="p1", event_type="add_to_cart"),
        line(user_id="ann", product_id="p1", event_type="purchase", price_minor=3579, currency="EUR"),
        line(user_id="bob", product_id="p2", event_type="view", product_category="cameras"),
        line(user_id="bob", product_id="p2", event_type="view", product_category="cameras"),
        line(user_id="cat", product_id="p1", event_type="view"),
        line(user_id="cat", product_id="p3", event_type="purchase", product_category="tablets"),  # no price
        line(user_id="dot", product_id="p1", event_type="wishlist"),
        line(user_id="eve", timestamp="2025-06-02T00:00:00Z"),  # tomorrow
        b"",
        b"{",
    ]

    report = report_on(engine, tmp_path, lines)

    assert report == DailyReport(
        report_date=DAY,
        generated_at=NOW,
        log_name="clickstream_2025-06-01.jsonl",
        log_lines=12,
        dropped=Dropped(duplicate_events=1, malformed_lines=2, other_day_events=1),
        summary=DailySummary(
            total_events=8,
            views=4,
            carts=1,
            purchases=2,
            unknown_events=1,
            buyer_count=2,
            window_shopper_count=2,
            buyer_rate=Decimal("50.00"),
            revenue_minor=3579,
        ),
        revenue=(CurrencyRevenue("EUR", 3579),),
        top_products=(
            ProductPerformance("p1", 2, 1, 1, 1),
            ProductPerformance("p2", 2, 0, 0, 2),
            ProductPerformance("p3", 0, 0, 1, 3),
        ),
        categories=(
            CategoryConversion("cameras", 2, 0, 0, Decimal("0.00"), 0),
            CategoryConversion("gaming", 2, 1, 1, Decimal("50.00"), 3579),
            CategoryConversion("tablets", 0, 0, 1, Decimal("0.00"), 0),
        ),
    )
    assert sorted(user_segments(engine)) == [
        ("ann", "buyer"),
        ("bob", "window_shopper"),
        ("cat", "buyer"),
        ("dot", "window_shopper"),
    ]


def test_conversion_rounds_half_a_hundredth_up(engine: DuckDBEngine, tmp_path: Path) -> None:
    # 1 / 800 = 0.125 %, 3 / 800 = 0.375 %, 1 / 3 = 33.333… %, 2 / 3 = 66.666… %
    wanted = {"a": (800, 1), "b": (800, 3), "c": (3, 1), "d": (3, 2), "e": (1, 3)}
    lines = [
        line(product_category=category, event_type=event_type)
        for category, (views, purchases) in wanted.items()
        for event_type in ["view"] * views + ["purchase"] * purchases
    ]

    report = report_on(engine, tmp_path, lines)

    rates = {row.category: str(row.conversion_rate) for row in report.categories}
    assert rates == {"a": "0.13", "b": "0.38", "c": "33.33", "d": "66.67", "e": "300.00"}


def test_products_with_as_many_views_rank_by_id(engine: DuckDBEngine, tmp_path: Path) -> None:
    lines = [line(product_id=product) for product in ("b", "Z", "a", "é", "a10", "a9", "top", "top")]

    report_on(engine, tmp_path, lines)

    ranked = [(row.rank, row.product_id) for row in product_performance(engine)]
    assert ranked == [(1, "top"), (2, "Z"), (3, "a"), (4, "a10"), (5, "a9"), (6, "b"), (7, "é")]


def test_revenue_is_added_in_whole_units_and_apart_by_currency(engine: DuckDBEngine, tmp_path: Path) -> None:
    prices = [10**15 - 1, 10**15 - 1, 10**15 - 1]
    lines = [line(event_type="purchase", price_minor=price, currency="EUR") for price in prices]
    lines += [line(event_type="purchase", price_minor=7, currency="JPY"), line(event_type="purchase", price_minor=1)]
    lines += [line(event_type="view", price_minor=100, currency="EUR")]

    report = report_on(engine, tmp_path, lines)

    assert report.revenue == (("", 1), ("EUR", 3 * 10**15 - 3), ("JPY", 7))
    assert report.summary.revenue_minor == 3 * 10**15 + 5


events = st.builds(
    line,
    user_id=st.sampled_from(["u1", "u2", "u3", "u4", "u5"]),
    product_id=st.sampled_from(["p1", "p2", "p3", "p10"]),
    product_category=st.sampled_from(["gaming", "cameras", "tablets"]),
    event_type=st.sampled_from(["view", "view", "add_to_cart", "purchase", "other"]),
    event_id=st.none() | st.integers(0, 60).map(str),
    price_minor=st.none() | st.integers(0, 10_000),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(events, min_size=1, max_size=120))
def test_every_figure_equals_a_recount(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(DuckDBEngine(Path(folder), "500MB", 2)) as engine:
        summary = report_on(engine, Path(folder), lines).summary
        segments = dict(user_segments(engine))
        products = list(product_performance(engine))
        categories = list(category_conversion(engine))

    expected = recount(lines)
    by_user, by_product = expected.counts("user_id"), expected.counts("product_id")
    assert segments == {user: "buyer" if types["purchase"] else "window_shopper" for user, types in by_user.items()}
    in_order = sorted(by_product.items(), key=lambda item: (-item[1]["view"], item[0]))
    assert products == [
        (product, types["view"], types["add_to_cart"], types["purchase"], rank)
        for rank, (product, types) in enumerate(in_order, start=1)
    ]
    assert categories == [
        (
            category,
            types["view"],
            types["add_to_cart"],
            types["purchase"],
            per_cent(types["purchase"], types["view"]),
            expected.revenue("product_category", category),
        )
        for category, types in sorted(expected.counts("product_category").items())
    ]
    buyers = sum(1 for types in by_user.values() if types["purchase"])
    assert summary.total_events == len(expected.events)
    assert (summary.buyer_count, summary.window_shopper_count) == (buyers, len(by_user) - buyers)
    assert summary.buyer_rate == per_cent(buyers, len(by_user))
