"""Every engine on every source: the same days, all rows of every analysis, against a recount in plain Python."""

import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from batch_awkward_lines import MALFORMED, TIMESTAMPS, VALID, raw_lines
from batch_days import DAY, Recount, line, log_of, per_cent, recount, write_log
from clickwatch_batch.analyses.daily import analyse
from clickwatch_batch.engines.duckdb_engine import DuckDBEngine
from clickwatch_batch.engines.engine import DaySource, Engine, Intake
from clickwatch_batch.engines.spark_engine import SparkEngine, connect
from clickwatch_batch.input.lake import find_lake_day
from clickwatch_batch.input.log_file import MAX_LINE_BYTES, count_lines
from clickwatch_batch.input.storage import Location
from clickwatch_events import Event, to_line
from clickwatch_events.jsonl import iso_timestamp
from clickwatch_events.limits import JUDGED, fault_of
from clickwatch_jars.java import spark_java_home
from clickwatch_servers.ports import free_port
from clickwatch_service import UserError
from event_examples import examples_of
from event_strategies import events
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

CONNECT_PORT = free_port()


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """Spark in this process, which answers Spark Connect too; it takes a log in several parts."""
    os.environ["JAVA_HOME"] = str(spark_java_home())
    builder: Any = SparkSession.builder
    options = {
        "spark.ui.enabled": "false",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.memory": "1g",
        "spark.sql.shuffle.partitions": "1",
        "spark.sql.files.maxPartitionBytes": "400000",
        "spark.plugins": "org.apache.spark.sql.connect.SparkConnectPlugin",
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.connect.grpc.binding.port": str(CONNECT_PORT),
    }
    for name, value in options.items():
        builder = builder.config(name, value)
    builder.master("local[2]").getOrCreate()
    session = connect(None, "local[2]")
    yield session
    session.stop()


@pytest.fixture(params=["duckdb", "spark"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Each engine in turn."""
    if request.param == "duckdb":
        (tmp_path / "spill").mkdir()
        opened: Engine = DuckDBEngine(tmp_path / "spill", "500MB", 2)
    else:
        opened = SparkEngine(request.getfixturevalue("spark"))
    with closing(opened):
        yield opened


def a_busy_day() -> list[bytes]:
    """Lines of many users and products, with all that a log may hold beside them."""
    chance = random.Random(7)
    lines = [
        line(
            event_id=str(UUID(int=chance.getrandbits(128), version=4)) if chance.random() < 0.9 else None,
            user_id=f"user_{int(300 * chance.random() ** 2)}",
            product_id=f"product_{int(60 * chance.random() ** 2)}",
            product_category=chance.choice(["gaming", "cameras", "tablets", "Fernseher & Töne"]),
            event_type=chance.choice(["view"] * 7 + ["add_to_cart"] * 2 + ["purchase", "wishlist"]),
            timestamp=chance.choice(["2025-06-01T00:00:00Z"] * 30 + ["2025-06-02T00:00:00Z"]),
            price_minor=chance.choice([None, 0, 199, 3579, 10**15 - 1]),
            currency=chance.choice([None, "EUR", "JPY"]),
        )
        for _ in range(3000)
    ]
    lines += chance.choices(lines, k=100)
    lines += [b"", b"{", b" \t", line(user_id=17)]
    chance.shuffle(lines)
    return lines


def lake_day_of(lake: Path, events: list[dict[str, Any]], files: int = 2) -> DaySource:
    """Write events as the streaming service does and return the day."""
    folder = lake / "events" / f"event_date={DAY}"
    folder.mkdir(parents=True)
    text = ("event_id", "user_id", "product_id", "product_category", "event_type", "session_id", "currency")
    for number in range(files):
        rows = events[number::files]
        columns: dict[str, pa.Array] = {name: pa.array([row.get(name) for row in rows], pa.string()) for name in text}
        columns["price_minor"] = pa.array([row.get("price_minor") for row in rows], pa.int64())
        times = [datetime.fromisoformat(row["timestamp"]) for row in rows]
        columns["timestamp"] = pa.array(times, pa.timestamp("us", "UTC"))
        if any("quantity" in row for row in rows):
            columns["quantity"] = pa.array([row.get("quantity") for row in rows], pa.int32())
        if any("is_bot" in row for row in rows):
            columns["is_bot"] = pa.array([row.get("is_bot") for row in rows], pa.bool_())
        pq.write_table(pa.table(columns), folder / f"batch-{number:010d}-00.parquet", compression="zstd")
    return find_lake_day(Location(str(lake)), DAY)


def test_files_that_say_they_were_judged_are_not_judged_again(tmp_path: Path) -> None:
    tried = examples_of(events, 50)
    rows = [{**event._asdict(), "timestamp": iso_timestamp(event.timestamp_ms)} for event in tried]
    day = lake_day_of(tmp_path, rows)
    key, value = JUDGED
    for file in sorted(tmp_path.rglob("*.parquet"))[:1]:
        table = pq.read_table(file, partitioning=None)
        pq.write_table(table.replace_schema_metadata({key: value}), file)
    (tmp_path / "spill").mkdir()

    with closing(DuckDBEngine(tmp_path / "spill", "500MB", 2)) as engine:
        intake = engine.load(day, DAY)

    in_the_other = tried[1::2]
    assert intake.malformed == sum(fault_of(event) is not None for event in in_the_other) > 0


def with_known_types(expected: Recount) -> Recount:
    """Count event types that are not known as unknown."""
    for event in expected.events:
        if event["event_type"] not in ("view", "add_to_cart", "purchase"):
            event["event_type"] = "unknown"
    return expected


def assert_every_row(engine: Engine, expected: Recount) -> None:
    """Hold all rows of all analyses against a recount."""
    by_user, by_product = expected.counts("user_id"), expected.counts("product_id")
    by_category, by_type = expected.counts("product_category"), expected.counts("event_type")
    buyers = sum(1 for types in by_user.values() if types["purchase"])
    revenue: dict[str, int] = {}
    for event in expected.events:
        if event["event_type"] == "purchase" and event.get("price_minor") is not None:
            currency = str(event.get("currency") or "")
            revenue[currency] = revenue.get(currency, 0) + int(str(event["price_minor"]))

    def total(event_type: str) -> int:
        return by_type[event_type][event_type] if event_type in by_type else 0

    assert sorted(engine.rows("user_segments")) == sorted(
        (user, "buyer" if types["purchase"] else "window_shopper") for user, types in by_user.items()
    )
    assert list(engine.rows("product_performance")) == [
        (product, types["view"], types["add_to_cart"], types["purchase"], rank)
        for rank, (product, types) in enumerate(
            sorted(by_product.items(), key=lambda item: (-item[1]["view"], item[0])), start=1
        )
    ]
    assert list(engine.rows("category_conversion")) == [
        (
            category,
            types["view"],
            types["add_to_cart"],
            types["purchase"],
            per_cent(types["purchase"], types["view"]),
            expected.revenue("product_category", category),
        )
        for category, types in sorted(by_category.items())
    ]
    assert list(engine.rows("revenue_by_currency")) == sorted(revenue.items())
    assert list(engine.rows("daily_summary")) == [
        (
            len(expected.events),
            total("view"),
            total("add_to_cart"),
            total("purchase"),
            total("unknown"),
            buyers,
            len(by_user) - buyers,
            per_cent(buyers, len(by_user)),
            sum(revenue.values()),
        )
    ]


def test_a_log_gives_the_rows_of_a_recount(engine: Engine, tmp_path: Path) -> None:
    lines = a_busy_day()
    expected = with_known_types(recount(lines))

    intake = engine.load(log_of(tmp_path, lines), DAY)
    analyse(engine)

    blank = sum(1 for each in lines if not each.strip())
    assert intake == Intake(
        len(expected.events), expected.duplicates, expected.other_day, len(expected.malformed) - blank
    )
    assert_every_row(engine, expected)


def test_the_lake_gives_the_rows_of_a_recount(engine: Engine, tmp_path: Path) -> None:
    expected = with_known_types(recount(a_busy_day()))
    events: list[dict[str, Any]] = [
        {**event, "event_id": event.get("event_id") or f"no id {number}"}
        for number, event in enumerate(expected.events)
    ]

    intake = engine.load(lake_day_of(tmp_path, [*events, *events[:3]]), DAY)
    analyse(engine)

    assert intake == Intake(len(events), 3, 0, 0)
    assert list(engine.malformed()) == []
    assert_every_row(engine, expected)


def test_revenue_is_price_times_quantity_less_refunds(engine: Engine, tmp_path: Path) -> None:
    def sold(number: int, kind: str, price: int | None, currency: str = "EUR", **more: int | None) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(
            line(event_type=kind, price_minor=price, currency=currency, event_id=f"sale {number}")
        )
        return event | more

    rows = [
        sold(0, "purchase", 3579, quantity=3),
        sold(1, "purchase", 100),  # in a file of an earlier release, without the column
        sold(2, "purchase", 10**9 - 1, "JPY", quantity=1_000_000),
        sold(3, "refund", 3579),
        sold(4, "refund", 50, quantity=2),
        sold(5, "purchase", 20),
        sold(6, "purchase", None, quantity=4),
        sold(7, "view", 999),
    ]

    engine.load(lake_day_of(tmp_path, rows), DAY)
    analyse(engine)
    engine.keep("types", "SELECT event_type, count(*) AS events FROM events GROUP BY event_type")

    euros = 3 * 3579 + 100 - 3579 - 2 * 50 + 20
    assert set(engine.rows("revenue_by_currency")) == {("EUR", euros), ("JPY", (10**9 - 1) * 1_000_000)}
    assert {kind: int(str(found)) for kind, found in engine.rows("types")} == {"purchase": 5, "refund": 2, "view": 1}
    (summary,) = engine.rows("daily_summary")
    total, *_, revenue = summary
    assert (total, summary[4], revenue) == (8, 0, euros + (10**9 - 1) * 1_000_000)


def test_what_bots_did_is_left_out_also_where_a_file_of_the_day_knows_nothing_of_bots(
    engine: Engine, tmp_path: Path
) -> None:
    people = [event for event in recount(a_busy_day()).events if event.get("event_id")][:20]
    bots = [{**event, "event_id": f"bot {number}", "is_bot": True} for number, event in enumerate(people)]
    # Every other row is in the second file, which has no such column.
    rows = [one for pair in zip([*bots, *people[:4]], people, strict=False) for one in pair]

    intake = engine.load(lake_day_of(tmp_path, rows), DAY)
    engine.keep("seen", "SELECT user_id FROM events")

    assert intake.events == 20


def test_engines_agree_on_awkward_lines_and_their_places(engine: Engine, tmp_path: Path) -> None:
    lines = [each for each, _ in MALFORMED.values()] + list(VALID.values())
    lines += [line(timestamp=timestamp) for timestamp in TIMESTAMPS]
    lines += [b"", b" \t", b"x" * (MAX_LINE_BYTES + 1), b"\r", line(extra='"}, {"'), line() + b"], [" + line(), b"{"]
    first, other = "0b5e64c6-3c0a-4f3e-9f5d-6d3f2a1b0c9d", "evt-17"
    lines += [line(event_id=name, user_id=f"by {name}") for name in (first, other, first.upper(), other, first)]
    lines.remove(MALFORMED["half a surrogate"][0])  # which Python takes for text
    # A UUID in capitals is the same one, which a recount does not know.
    expected = recount(raw.replace(first.upper().encode(), first.encode()) for raw in lines)

    intake = engine.load(log_of(tmp_path, lines), DAY)
    engine.keep("seen", "SELECT user_id, product_id FROM events")

    with_text = [number for number, raw in enumerate(lines, start=1) if raw.strip()]
    assert [with_text[place] for place in engine.malformed()] == [n for n in expected.malformed if n in with_text]
    assert intake.lines == len(with_text)
    assert (intake.duplicates, intake.other_day) == (3, expected.other_day)
    assert sorted(engine.rows("seen")) == sorted((each["user_id"], each["product_id"]) for each in expected.events)


def test_a_log_of_only_the_five_business_fields_is_analysed(engine: Engine, tmp_path: Path) -> None:
    lines = [
        line(user_id="ann"),
        line(user_id="ann"),
        line(user_id="ann", event_type="purchase"),
        line(user_id="bob", product_category="cameras"),
    ]
    log = tmp_path / f"clickstream_{DAY}.jsonl.gz"
    log.write_bytes(gzip.compress(b"\n".join(lines)))

    intake = engine.load(count_lines(Location(str(log))), DAY)
    analyse(engine)

    assert intake == Intake(4, 0, 0, 0)
    assert_every_row(engine, recount(lines))


def test_a_log_line_is_malformed_where_its_event_breaks_the_contract(engine: Engine, tmp_path: Path) -> None:
    tried = examples_of(events)

    intake = engine.load(log_of(tmp_path, map(to_line_without_end, tried)), DAY)

    malformed = list(engine.malformed())
    assert malformed == [place for place, event in enumerate(tried) if fault_of(event) is not None]
    assert (intake.lines, intake.malformed) == (len(tried), len(malformed))


def to_line_without_end(event: Event) -> bytes:
    return to_line(event).rstrip(b"\n")


def test_a_lake_row_is_malformed_where_its_event_breaks_the_contract(engine: Engine, tmp_path: Path) -> None:
    """Files of a release that judged less hold such rows."""
    tried = examples_of(events)
    rows = [{**event._asdict(), "timestamp": iso_timestamp(event.timestamp_ms)} for event in tried]

    intake = engine.load(lake_day_of(tmp_path, rows), DAY)
    engine.keep("seen", "SELECT DISTINCT user_id, product_id, product_category FROM events")

    kept = [event for event in tried if fault_of(event) is None]
    assert intake.malformed == len(tried) - len(kept)
    assert intake.events + intake.duplicates == len(kept)
    assert set(engine.rows("seen")) <= {(event.user_id, event.product_id, event.product_category) for event in kept}


# Looking for a smaller example would take minutes.
@settings(max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(st.lists(raw_lines, min_size=60, max_size=120))
def test_spark_judges_any_lines_as_a_recount_does(spark: SparkSession, lines: list[bytes]) -> None:
    expected = recount([line(), *lines])
    numbers = [number for number, raw in enumerate([line(), *lines], start=1) if raw.strip()]

    with tempfile.TemporaryDirectory() as folder, closing(SparkEngine(spark)) as engine:
        intake = engine.load(log_of(Path(folder), [line(), *lines]), DAY)
        malformed = [numbers[place] for place in engine.malformed()]

    assert malformed == [number for number in expected.malformed if number in set(numbers)]
    assert (intake.events, intake.duplicates, intake.other_day) == (
        len(expected.events),
        expected.duplicates,
        expected.other_day,
    )


def test_a_thin_client_makes_the_report_that_duckdb_makes(spark: SparkSession, tmp_path: Path) -> None:
    write_log(tmp_path / "logs", a_busy_day())

    def report(**variables: str) -> Any:
        environment = {"DATA_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"]}
        done = subprocess.run(
            [sys.executable, "-m", "clickwatch_batch", "run", "--date", str(DAY), "--no-publish"],
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        document = json.loads((tmp_path / "reports" / f"summary_{DAY}.json").read_text())
        kept_aside = (tmp_path / "quarantine" / f"malformed_{DAY}.jsonl").read_text()
        return {name: value for name, value in document.items() if name != "generated_at"}, kept_aside

    by_duckdb = report()
    by_spark = report(BATCH_ENGINE="spark", SPARK_REMOTE=f"sc://127.0.0.1:{CONNECT_PORT}")

    assert by_spark == by_duckdb


def test_spark_reads_what_there_is_of_a_day_that_goes_on(spark: SparkSession, tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    log = write_log(tmp_path / "logs", [line(timestamp=f"{today}T00:00:00Z", user_id=f"u{n}") for n in range(9)], today)
    with log.open("ab") as more:
        more.write(line()[:40])  # a line that is being written
    variables = {"BATCH_ENGINE": "spark", "SPARK_REMOTE": f"sc://127.0.0.1:{CONNECT_PORT}"}

    done = subprocess.run(
        [sys.executable, "-m", "clickwatch_batch", "run", "--date", str(today), "--no-publish", "--unfinished"],
        env={"DATA_DIR": str(tmp_path), "PYTHONPATH": ":".join(sys.path), "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads((tmp_path / "reports" / f"summary_{today}.json").read_text())
    assert (document["status"], document["summary"]["total_events"]) == ("unfinished", 9)
    assert document["dropped"]["malformed_lines"] == 0


def test_spark_without_a_cluster_says_what_to_set() -> None:
    with pytest.raises(UserError, match=r"set SPARK_REMOTE .* or SPARK_MASTER"):
        connect(None, None)
