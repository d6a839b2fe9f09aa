"""The tests that hold every table, topic, dead letter and file against the ledger, exactly.

A test file brings a fixture `outcome` and `class TestWhatItRuns(LedgerComparison): …`.
"""
# ruff: noqa: D102  # a test's name says what holds

from datetime import UTC, datetime

from clickwatch_ledger.ledger import Counts, Key
from clickwatch_ledger.outcome import Outcome

MISHAPS = (
    "--duplicates=0.02",
    "--late=0.005",
    "--out-of-order=0.05",
    "--future=0.001",
    "--poison=0.005",
    "--v1-share=0.3",
    "--flash-sale=product_7",
    "--flash-sale=product_9",
    "--flash-sale-retracted=product_42",
)
"""The simulator's options that bring every scenario; the comparison expects them."""


class LedgerComparison:
    """What must hold of any pipeline, however it was run and whatever was killed meanwhile."""

    def test_the_run_holds_all_kinds_of_trouble(self, outcome: Outcome) -> None:
        ledger = outcome.ledger

        assert ledger.poison >= ledger.events // 250
        assert min(ledger.duplicates, ledger.late, ledger.out_of_order) > 100
        assert ledger.future > ledger.events // 2000
        assert min(ledger.by_schema_version["1"], ledger.by_schema_version["2"]) > ledger.events // 20
        assert ledger.alerts(closed=True)
        assert ledger.alerts(closed=False)

    def test_every_closed_window_that_holds_the_condition_is_confirmed_and_no_other(self, outcome: Outcome) -> None:
        assert outcome.pipeline.alerts("confirmed") == outcome.ledger.alerts(closed=True)

    def test_active_alerts_are_those_of_open_windows(self, outcome: Outcome) -> None:
        assert outcome.pipeline.alerts("active") == outcome.ledger.alerts(closed=False)

    def test_an_alert_is_retracted_only_where_purchases_break_the_condition(self, outcome: Outcome) -> None:
        """Whether such a window was an alert for a moment depends on the order in which its events arrived."""
        retracted = outcome.pipeline.alerts("retracted")

        unjustified = {key for key in retracted if outcome.ledger.windows[key].is_alert}
        assert not unjustified
        assert any(product == "product_42" for product, _ in retracted)

    def test_each_closed_window_stands_in_the_lake_once_with_its_final_counts(self, outcome: Outcome) -> None:
        rows = outcome.pipeline.lake(
            "SELECT product_id, epoch_ms(window_start), epoch_ms(window_end), views, carts, purchases, total_events"
            " FROM window_stats"
        )

        ledger = outcome.ledger
        expected = [
            (product, _ms(start), _ms(start) + 600_000, counts.views, counts.carts, counts.purchases, total)
            for (product, start), counts in ledger.closed.items()
            if (total := ledger.totals[product, start])
        ]
        assert sorted(rows) == sorted(expected)

    def test_each_closed_window_is_told_to_the_alerts_topic_with_its_final_counts(self, outcome: Outcome) -> None:
        told: dict[Key, set[tuple[int, int]]] = {}
        for window in outcome.pipeline.closed_windows():
            start = datetime.fromtimestamp(window.window_start_ms / 1000, UTC)
            told.setdefault((window.product_id, start), set()).add((window.views, window.purchases))

        expected = {key: {(counts.views, counts.purchases)} for key, counts in outcome.ledger.closed.items()}
        assert told == expected

    def test_the_lake_holds_each_event_of_the_log_once_also_late_ones(self, outcome: Outcome) -> None:
        columns = "event_id, user_id, product_id, product_category, event_type, session_id, price_minor, currency"
        lake = f"SELECT {columns}, epoch_ms(timestamp) AS at_ms FROM events"  # noqa: S608  # columns of our own
        # Events of the future are dead letters.
        log = f"SELECT {columns}, at_ms FROM log WHERE at_ms < epoch_ms(now())"  # noqa: S608

        missing = outcome.pipeline.lake(f"{log} EXCEPT {lake}")
        invented = outcome.pipeline.lake(f"{lake} EXCEPT {log}")
        counted = outcome.pipeline.lake("SELECT count(*), count(DISTINCT event_id) FROM events")

        assert missing == []
        assert invented == []
        assert counted == [(outcome.ledger.events, outcome.ledger.events)]

    def test_each_bad_message_is_one_dead_letter_with_its_reason(self, outcome: Outcome) -> None:
        reasons, origins = outcome.pipeline.dead_letters()

        assert reasons == outcome.ledger.dead_letters
        assert origins == outcome.ledger.dead_letters.total()

    def test_the_day_is_analysed_as_the_log_holds_it(self, outcome: Outcome) -> None:
        query, day = outcome.pipeline.query, outcome.ledger.day(outcome.day)

        outcome.analyse(outcome.day)

        buyers = sum(segment == "buyer" for segment in day.users.values())
        assert query(
            "SELECT report_date::text, total_events, buyer_count, window_shopper_count, revenue_minor,"
            " duplicate_events, malformed_lines FROM daily_summary"
        ) == [
            (
                outcome.day,
                day.total_events,
                buyers,
                len(day.users) - buyers,
                day.revenue_minor,
                day.duplicates,
                day.malformed,
            )
        ]
        assert dict(query("SELECT user_id, segment FROM user_segments")) == day.users
        ranked = query(
            "SELECT product_id, view_count, cart_count, purchase_count FROM product_performance ORDER BY rank"
        )
        assert {product: Counts(*counts) for product, *counts in ranked} == day.products
        assert [views for _, views, *_ in ranked] == sorted((one.views for one in day.products.values()), reverse=True)
        categories = query("SELECT category, views, carts, purchases, revenue_minor FROM category_conversion")
        assert {category: (Counts(*counts), revenue) for category, *counts, revenue in categories} == {
            category: (counts, day.category_revenue[category]) for category, counts in day.categories.items()
        }

    def test_the_report_says_what_the_log_holds(self, outcome: Outcome) -> None:
        outcome.analyse(outcome.day)
        report = outcome.pipeline.report(outcome.day)

        day = outcome.ledger.day(outcome.day)
        assert report["report_date"] == outcome.day
        assert (report["summary"]["total_events"], report["summary"]["revenue_minor"]) == (
            day.total_events,
            day.revenue_minor,
        )
        assert report["dropped"]["duplicate_events"] == day.duplicates
        assert report["dropped"]["malformed_lines"] == day.malformed
        assert {one["product_id"]: one["view_count"] for one in report["top_products"]}.items() <= {
            product: counts.views for product, counts in day.products.items()
        }.items()


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)
