"""The whole pipeline, through its public doors, against the simulator's ledger, exactly.

Every run holds duplicates, late, out-of-order and future events, both schema versions and poison.
"""

import random
import secrets
from datetime import UTC, datetime, timedelta
from time import monotonic

import duckdb
import pytest
from clickwatch_servers import Process
from stack_ledger import Counts, Key, Ledger
from stack_services import Services, eventually

pytest_plugins = ["clickwatch_servers.fixtures"]

YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
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
PARTS, PART_EVENTS, PART_RATE = 6, 35_000, 6
PART_LENGTH = timedelta(seconds=PART_EVENTS / PART_RATE) + timedelta(minutes=2)


class Outcome:
    """A finished run: what was sent, and the services that dealt with it."""

    def __init__(self, services: Services, ledger: Ledger) -> None:
        self.services = services
        self.ledger = ledger


@pytest.fixture(scope="module", params=["undisturbed", "killed five times"])
def outcome(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    kafka_bootstrap: str,
    schema_registry_url: str,
    postgres_url: str,
) -> Outcome:
    folder = tmp_path_factory.mktemp("pipeline")
    clocks = {"LAKE_INTERVAL": "3 s", "CHECKPOINT_INTERVAL": "10 s", "TRIGGER": "realtime"}
    services = Services(folder, kafka_bootstrap, schema_registry_url, postgres_url, clocks)
    return _undisturbed(services) if request.param == "undisturbed" else _killed(services)


def _undisturbed(services: Services) -> Outcome:
    """200,000 events at once."""
    file = services.folder / "ledger.json"
    start = (YESTERDAY + timedelta(hours=6)).isoformat()
    streaming = services.start_streaming()
    try:
        services.simulate(file, "--events=200000", "--rate=20", f"--start-time={start}", "--seed=1", *MISHAPS)
        ledger = Ledger([file])
        eventually(lambda: _visible(services), _expected(ledger), streaming)
    finally:
        streaming.stop()
    return Outcome(services, ledger)


def _killed(services: Services) -> Outcome:
    """210,000 events in six parts; the service killed at a random moment in each of the first five."""
    seed = secrets.randbelow(2**32)
    chance = random.Random(seed)
    print(f"\nkill -9 at random moments: seed {seed}")
    files = [services.folder / f"ledger-{part}.json" for part in range(PARTS)]
    before, restarted = services.last_alert_change(), monotonic()
    streaming = services.start_streaming()
    try:
        for part, file in enumerate(files):
            start = (YESTERDAY + part * PART_LENGTH).isoformat()
            options = (f"--events={PART_EVENTS}", f"--rate={PART_RATE}", f"--start-time={start}")
            services.simulate(file, *options, f"--seed={seed + part}", *MISHAPS)
            if part < PARTS - 1:
                # At any moment: while it starts, or after it has begun to tell of what it found.
                if chance.random() < 0.6:
                    _next_alert(services, before, streaming)
                streaming.wait(chance.uniform(0, 8))
                streaming.require_running()
                streaming.kill()
                before, restarted = services.last_alert_change(), monotonic()
                print(f"killed {part + 1} times, last alert at {before}")
                streaming = services.start_streaming()
        _next_alert(services, before, streaming)
        print(f"the next alert came {monotonic() - restarted:.1f} s after the last restart")
        ledger = Ledger(files)
        eventually(lambda: _visible(services), _expected(ledger), streaming)
    finally:
        streaming.stop()
    return Outcome(services, ledger)


def _next_alert(services: Services, before: datetime | None, streaming: Process) -> None:
    assert eventually(lambda: services.last_alert_change() != before, True, streaming)


def _visible(services: Services) -> tuple[object, ...]:
    """What tells that a run is through, cheaply: the tests look closer afterwards."""
    return (
        services.alerts("confirmed"),
        services.alerts("active"),
        services.lake_rows("events"),
        services.lake_rows("window_stats"),
        services.end_offset(services.dead_letters_topic) > 0,
    )


def _expected(ledger: Ledger) -> tuple[object, ...]:
    return ledger.alerts(closed=True), ledger.alerts(closed=False), ledger.events, len(ledger.closed), True


def test_the_run_holds_all_kinds_of_trouble(outcome: Outcome) -> None:
    ledger = outcome.ledger

    assert ledger.events >= 200_000
    assert ledger.poison >= 1_000
    assert min(ledger.duplicates, ledger.late, ledger.out_of_order, ledger.future) > 100
    assert min(ledger.by_schema_version["1"], ledger.by_schema_version["2"]) > 10_000
    assert ledger.alerts(closed=True)
    assert ledger.alerts(closed=False)


def test_every_closed_window_that_holds_the_condition_is_confirmed_and_no_other(outcome: Outcome) -> None:
    assert outcome.services.alerts("confirmed") == outcome.ledger.alerts(closed=True)


def test_active_alerts_are_those_of_open_windows(outcome: Outcome) -> None:
    assert outcome.services.alerts("active") == outcome.ledger.alerts(closed=False)


def test_an_alert_is_retracted_only_where_purchases_break_the_condition(outcome: Outcome) -> None:
    """Whether such a window was an alert for a moment depends on the order in which its events arrived."""
    retracted = outcome.services.alerts("retracted")

    unjustified = {key for key in retracted if outcome.ledger.windows[key].is_alert}
    assert not unjustified
    assert any(product == "product_42" for product, _ in retracted)


def test_each_closed_window_stands_in_the_lake_once_with_its_final_counts(outcome: Outcome) -> None:
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"""SELECT product_id, epoch_ms(window_start), epoch_ms(window_end), views, carts, purchases, total_events
            FROM read_parquet('{outcome.services.data}/lake/window_stats/*/*.parquet')"""
        ).fetchall()

    ledger = outcome.ledger
    expected = [
        (product, _ms(start), _ms(start) + 600_000, counts.views, counts.carts, counts.purchases, total)
        for (product, start), counts in ledger.closed.items()
        if (total := ledger.totals[product, start])
    ]
    assert sorted(rows) == sorted(expected)


def test_each_closed_window_is_told_to_the_alerts_topic_with_its_final_counts(outcome: Outcome) -> None:
    told: dict[Key, set[tuple[int, int]]] = {}
    for window in outcome.services.closed_windows():
        start = datetime.fromtimestamp(window.window_start_ms / 1000, UTC)
        told.setdefault((window.product_id, start), set()).add((window.views, window.purchases))

    expected = {key: {(counts.views, counts.purchases)} for key, counts in outcome.ledger.closed.items()}
    assert told == expected


def test_the_lake_holds_each_event_of_the_log_once_also_late_ones(outcome: Outcome) -> None:
    columns = "event_id, user_id, product_id, product_category, event_type, session_id, price_minor, currency"
    with duckdb.connect() as connection:
        connection.execute(
            f"""CREATE TABLE lake AS SELECT {columns}, epoch_ms(timestamp) AS at_ms
            FROM read_parquet('{outcome.services.data}/lake/events/*/*.parquet')"""
        )
        # Broken lines do not parse, lack a product, or have no time; events of the future are dead letters.
        connection.execute(
            f"""CREATE TABLE log AS SELECT DISTINCT {columns}, epoch_ms(try_cast(timestamp AS timestamptz)) AS at_ms
            FROM read_json('{outcome.services.data}/logs/*.jsonl', format = 'newline_delimited', ignore_errors = true,
                columns = {{event_id: 'varchar', user_id: 'varchar', product_id: 'varchar', product_category: 'varchar',
                            event_type: 'varchar', timestamp: 'varchar', session_id: 'varchar', price_minor: 'bigint',
                            currency: 'varchar'}})
            WHERE product_id IS NOT NULL AND at_ms < epoch_ms(now())"""
        )
        missing = connection.execute("SELECT * FROM log EXCEPT SELECT * FROM lake").fetchall()
        invented = connection.execute("SELECT * FROM lake EXCEPT SELECT * FROM log").fetchall()
        counted = connection.execute("SELECT count(*), count(DISTINCT event_id) FROM lake").fetchone()

    assert missing == []
    assert invented == []
    assert counted == (outcome.ledger.events, outcome.ledger.events)


def test_each_bad_message_is_one_dead_letter_with_its_reason(outcome: Outcome) -> None:
    reasons, origins = outcome.services.dead_letters()

    assert reasons == outcome.ledger.dead_letters
    assert origins == outcome.ledger.dead_letters.total()


def test_the_day_is_analysed_as_the_log_holds_it(outcome: Outcome) -> None:
    services, name = outcome.services, YESTERDAY.date().isoformat()
    day = outcome.ledger.day(name)

    services.analyse(name)

    buyers = sum(segment == "buyer" for segment in day.users.values())
    assert services.query(
        "SELECT total_events, buyer_count, window_shopper_count, revenue_minor, duplicate_events, malformed_lines"
        f" FROM daily_summary WHERE report_date = '{name}'"
    ) == [(day.total_events, buyers, len(day.users) - buyers, day.revenue_minor, day.duplicates, day.malformed)]
    assert dict(services.query("SELECT user_id, segment FROM user_segments")) == day.users
    ranked = services.query(
        "SELECT product_id, view_count, cart_count, purchase_count FROM product_performance ORDER BY rank"
    )
    assert {product: Counts(*counts) for product, *counts in ranked} == day.products
    assert [views for _, views, *_ in ranked] == sorted((one.views for one in day.products.values()), reverse=True)
    categories = services.query("SELECT category, views, carts, purchases, revenue_minor FROM category_conversion")
    assert {category: (Counts(*counts), revenue) for category, *counts, revenue in categories} == {
        category: (counts, day.category_revenue[category]) for category, counts in day.categories.items()
    }


def _ms(instant: datetime) -> int:
    return round(instant.timestamp() * 1000)
