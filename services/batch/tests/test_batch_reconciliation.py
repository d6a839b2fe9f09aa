"""Speed layer against batch, on real files of a lake: each difference is told by what speaks for it."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import duckdb
import psycopg
import pytest
from batch_days import DAY, line, write_log
from clickwatch_batch.analyses.differences import METRICS, Compared, Counted, Reconciliation, reconciled
from clickwatch_batch.reconciliation.speed_layer import NoSpeedData, compared_with_speed_layer
from clickwatch_batch.reports.results import read_results
from clickwatch_batch.settings import Settings
from clickwatch_batch.steps import analyse, publish, reconcile, report
from clickwatch_service import UserError

MIDNIGHT = datetime(2025, 6, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
_MS = timedelta(milliseconds=1)


class Shop:
    """A day of a shop: what its log says, and what the speed layer made of it by the rules of the spec."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.lines: list[bytes] = []
        self.lake: list[tuple[str, str, str, datetime, datetime | None]] = []
        self.dead: list[str] = []
        self.lost_from_windows: set[str] = set()

    def event(self, minute: int, kind: str = "view", product: str = "p1", *, lines: int = 1, late: bool = False) -> str:
        """Let an event happen; it comes to the log `lines` times, and to the lake in time or late."""
        event_id = str(uuid.UUID(int=len(self.lines) + len(self.lake) + 1))
        self.logged(event_id, minute, kind, product, lines)
        self.in_lake(event_id, minute, kind, product, late)
        return event_id

    def logged(self, event_id: str, minute: int, kind: str = "view", product: str = "p1", lines: int = 1) -> None:
        at = (MIDNIGHT + minute * MINUTE).isoformat()
        self.lines += [line(event_id=event_id, event_type=kind, product_id=product, timestamp=at)] * lines

    def in_lake(self, event_id: str, minute: int, kind: str = "view", product: str = "p1", late: bool = False) -> None:
        at = MIDNIGHT + minute * MINUTE
        self.lake.append((event_id, product, kind, at, at + 20 * MINUTE if late else None))

    def compared(self, closed_until: timedelta = timedelta(days=1), **settings: object) -> Reconciliation | NoSpeedData:
        """Write log and lake, analyse the day and compare it."""
        write_log(self.data_dir / "logs", self.lines)
        write_lake(self, closed_until)
        values = {"data_dir": self.data_dir, "reconciliation": "required", **settings}
        chosen = Settings.model_validate(values)
        return compared_with_speed_layer(read_results(analyse(DAY, chosen), DAY), chosen)


def write_lake(shop: Shop, closed_until: timedelta) -> None:
    lake = shop.data_dir / "lake"
    events, windows = lake / "events" / f"event_date={DAY}", lake / "window_stats" / f"window_date={DAY}"
    dead = lake / "dead_letters" / f"kafka_date={DAY}"
    for folder in (events, windows, dead, lake / "_batches"):
        folder.mkdir(parents=True)
    with duckdb.connect() as files:
        files.execute("SET TimeZone = 'UTC'")
        files.execute(
            "CREATE TABLE events (event_id VARCHAR, product_id VARCHAR, event_type VARCHAR, timestamp TIMESTAMPTZ,"
            " late_at TIMESTAMPTZ, in_windows BOOLEAN)"
        )
        for row in shop.lake:
            files.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?, ?)", [*row, row[0] not in shop.lost_from_windows])
        files.execute(
            "COPY (SELECT * EXCLUDE in_windows, 'user_1' AS user_id, 'gaming' AS product_category,"
            f" NULL::BIGINT AS price_minor, NULL::VARCHAR AS currency FROM events) TO '{events}/batch-0.parquet'"
        )
        files.execute(f"""
            COPY (
                SELECT
                    start AS window_start, start + INTERVAL 10 minutes AS window_end, product_id,
                    count(*) FILTER (WHERE event_type = 'view') AS views,
                    count(*) FILTER (WHERE event_type = 'add_to_cart') AS carts,
                    count(*) FILTER (WHERE event_type = 'purchase') AS purchases,
                    count(*) AS total_events
                FROM (
                    SELECT *, time_bucket(INTERVAL 5 minutes, timestamp) - back * INTERVAL 5 minutes AS start
                    FROM events CROSS JOIN (VALUES (0), (1)) AS steps (back)
                )
                WHERE in_windows AND (late_at IS NULL OR start + INTERVAL 10 minutes > late_at)
                GROUP BY start, product_id
            ) TO '{windows}/batch-0.parquet'
        """)
        if shop.dead:
            files.execute(f"COPY (SELECT unnest($ids) AS event_id) TO '{dead}/batch-0.parquet'", {"ids": shop.dead})
    closed_until_ms = (MIDNIGHT + closed_until - datetime(1970, 1, 1, tzinfo=UTC)) // _MS
    record = {"batch_id": 7, "closed_until_ms": closed_until_ms}
    (lake / "_batches" / "0000000007.json").write_text(json.dumps(record))


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    for minute in range(0, 1440, 30):
        made.event(minute)
    made.event(7, "add_to_cart", "p2")
    made.event(1439, "purchase", "p2")
    made.event(11, "share_with_a_friend", "p2")
    made.lake[-1] = (*made.lake[-1][:2], "unknown", *made.lake[-1][3:])
    return made


def row(outcome: Reconciliation | NoSpeedData, metric: str, product: str = "") -> dict[str, int]:
    """Return what differs in a row."""
    assert isinstance(outcome, Reconciliation)
    (found,) = (each for each in outcome.rows if (each.metric, each.product_id) == (metric, product))
    return {name: value for name, value in found._asdict().items() if isinstance(value, int) and value}


def test_a_day_both_counted_alike_has_four_totals_and_no_product(shop: Shop) -> None:
    outcome = shop.compared()

    assert isinstance(outcome, Reconciliation)
    assert outcome.rows == (
        Compared("total_events", "", 51, 51, 0, 0, 0, 0, 0),
        Compared("views", "", 48, 48, 0, 0, 0, 0, 0),
        Compared("carts", "", 1, 1, 0, 0, 0, 0, 0),
        Compared("purchases", "", 1, 1, 0, 0, 0, 0, 0),
    )
    assert outcome.unexplained_share == 0


def test_every_difference_has_its_own_reason(shop: Shop) -> None:
    shop.event(100, late=True)
    shop.event(200, "purchase", "p3", late=True)
    shop.event(300, lines=3)  # a duplicate that both drop makes no difference
    other_product = shop.event(400, product="p4", lines=2)
    shop.lake[-1] = (other_product, "p5", *shop.lake[-1][2:])
    for name in ("future", "lost"):
        shop.logged(name, 500, product=name)
    shop.dead.append("future")
    shop.in_lake("garbled", 600, product="garbled")
    shop.lines.append(b'{"event_id": "garbled", "user_id": ')
    shop.in_lake("from-nowhere", 700, product="nowhere")

    outcome = shop.compared(malformed_threshold=1)

    assert row(outcome, "views", "p1") == {"speed_value": 49, "batch_value": 50, "difference": -1, "late": -1}
    assert row(outcome, "purchases", "p3") == {"batch_value": 1, "difference": -1, "late": -1}
    assert row(outcome, "views", "p4") == {"batch_value": 1, "difference": -1, "duplicate": -1}
    assert row(outcome, "views", "p5") == {"speed_value": 1, "difference": 1, "duplicate": 1}
    assert row(outcome, "views", "future") == {"batch_value": 1, "difference": -1, "quarantined": -1}
    assert row(outcome, "views", "garbled") == {"speed_value": 1, "difference": 1, "quarantined": 1}
    assert row(outcome, "views", "lost") == {"batch_value": 1, "difference": -1, "unexplained": -1}
    assert row(outcome, "views", "nowhere") == {"speed_value": 1, "difference": 1, "unexplained": 1}
    assert row(outcome, "total_events") == {"speed_value": 55, "batch_value": 57, "difference": -2, "late": -2}
    assert isinstance(outcome, Reconciliation)
    assert outcome.unexplained_share == Fraction(2, 57)


def test_windows_that_miss_an_event_of_the_lake_are_unexplained(shop: Shop) -> None:
    shop.lost_from_windows.add(shop.lake[-2][0])

    outcome = shop.compared()

    assert row(outcome, "purchases", "p2") == {"batch_value": 1, "difference": -1, "unexplained": -1}
    assert isinstance(outcome, Reconciliation)
    assert outcome.unexplained_share == Fraction(1, 51)


def test_lines_without_ids_agree_in_number(shop: Shop) -> None:
    shop.in_lake("a", 800)
    shop.lines.append(line(timestamp="2025-06-01T13:20:00Z", product_id="p1"))

    assert row(shop.compared(), "views") == {"speed_value": 49, "batch_value": 49}


def test_the_lake_as_source_agrees_with_its_own_windows_but_for_late_events(shop: Shop) -> None:
    shop.event(100, late=True)

    outcome = shop.compared(batch_source="lake")

    assert row(outcome, "views") == {"speed_value": 48, "batch_value": 49, "difference": -1, "late": -1}


def test_a_day_whose_windows_are_still_open_is_not_compared(shop: Shop) -> None:
    outcome = shop.compared(closed_until=timedelta(hours=23, minutes=50))

    assert isinstance(outcome, NoSpeedData)
    assert "closed windows until 2025-06-01 23:50 UTC" in outcome.reason


def test_a_lake_that_may_have_begun_within_the_day_is_compared_only_on_demand(shop: Shop) -> None:
    outcome = shop.compared(reconciliation="auto")

    assert isinstance(outcome, NoSpeedData)
    assert "event_date=2025-05-31 holds no events" in outcome.reason


def test_windows_that_do_not_lie_side_by_side_are_not_compared(shop: Shop) -> None:
    outcome = shop.compared(window_duration="10 minutes", slide_duration="4 minutes")

    assert isinstance(outcome, NoSpeedData)
    assert "SLIDE_DURATION" in outcome.reason


def test_what_is_unexplained_fails_the_step_after_its_rows_are_stored(shop: Shop, database_url: str) -> None:
    shop.logged("lost", 500, product="lost")
    shop.compared()
    chosen = Settings.model_validate(
        {"data_dir": shop.data_dir, "database_url": database_url, "reconciliation": "required"}
    )
    results = str(shop.data_dir / "results" / DAY.isoformat())
    publish(DAY, results, chosen)

    def stored() -> list[tuple[object, ...]]:
        with psycopg.connect(database_url) as connection:
            return connection.execute(
                "SELECT metric, product_id, difference, unexplained, xmin::text FROM reconciliation ORDER BY 1, 2"
            ).fetchall()

    with pytest.raises(
        UserError, match=r"without a reason in 1.923% of the events, more than RECONCILIATION_THRESHOLD"
    ):
        reconcile(DAY, results, chosen)
    first = stored()
    reconcile(DAY, results, chosen.model_copy(update={"reconciliation_threshold": 0.02}))

    assert [row[:4] for row in first] == [
        ("carts", "", 0, 0),
        ("purchases", "", 0, 0),
        ("total_events", "", -1, -1),
        ("total_events", "lost", -1, -1),
        ("views", "", -1, -1),
        ("views", "lost", -1, -1),
    ]
    assert stored() == first
    report(DAY, results, chosen)
    assert "unexplained -1" in (shop.data_dir / "reports" / f"summary_{DAY}.txt").read_text()


def test_one_too_many_does_not_make_up_for_one_too_few() -> None:
    outcome = reconciled([Counted("views", "a", 9, 10, 0, 0, 0), Counted("views", "b", 11, 10, 0, 0, 0)])

    assert [each.difference for each in outcome.rows[: len(METRICS)]] == [0, 0, 0, 0]
    assert outcome.unexplained_share == 2
