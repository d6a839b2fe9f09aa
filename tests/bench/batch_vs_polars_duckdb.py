"""The daily analysis: ours beside a straight Polars script and a straight DuckDB script, in one run.

Makes a day of events as JSONL and as Parquet in the layout of the lake, lets each program answer for it in
turns, and prints processor time, elapsed time and peak memory of each, and the ratios. The answers of all
are compared. The scripts are what a person would write with either library: no rule about a line beyond what the
library checks by itself, and the library's own defaults for memory and threads; duplicates are dropped by
event id, in the log a hundredth of all events.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

DAY = "2025-06-01"
SOURCES = ("jsonl", "lake")
SPILL = "spill"

MAKE_EVENTS = """
    SELECT
        uuid() AS event_id,
        'user_' || CAST(1 + floor(random() * {users}) AS INTEGER) AS user_id,
        'product_' || product AS product_id,
        ['smartphones', 'laptops', 'tablets', 'headphones', 'smartwatches', 'cameras', 'gaming',
            'accessories'][1 + product % 8] AS product_category,
        CASE WHEN kind < 0.7 THEN 'view' WHEN kind < 0.9 THEN 'add_to_cart' ELSE 'purchase' END AS event_type,
        CAST('{day} 00:00:00+00' AS TIMESTAMPTZ) + to_milliseconds(event * 86400000 // {events}) AS timestamp,
        'session_' || event // 8 AS session_id,
        CAST(100 + (product * 7919) % 20000 AS BIGINT) AS price_minor,
        'EUR' AS currency
    FROM (
        SELECT event, 1 + CAST(floor(pow(random(), 3) * 1000) AS INTEGER) AS product, random() AS kind
        FROM range({first}, {last}) AS numbers(event)
    )
"""

# Each event once more where its id says so, as a log has them.
WRITE_LOG = """
    COPY (
        SELECT * REPLACE (strftime(timestamp, '%Y-%m-%dT%H:%M:%S.%gZ') AS timestamp)
        FROM (FROM events UNION ALL (FROM events WHERE hash(event_id) % 100 = 0))
    ) TO '{log}' (FORMAT json)
"""

WRITE_LAKE = """
    COPY (SELECT * REPLACE (CAST(event_id AS VARCHAR) AS event_id) FROM events)
    TO '{file}' (FORMAT parquet, COMPRESSION zstd)
"""

READ = {
    "jsonl": """
        FROM read_json(
            '{data}/logs/clickstream_{day}.jsonl',
            format = 'newline_delimited',
            ignore_errors = true,
            columns = {{
                'event_id': 'UUID', 'user_id': 'VARCHAR', 'product_id': 'VARCHAR', 'product_category': 'VARCHAR',
                'event_type': 'VARCHAR', 'timestamp': 'TIMESTAMPTZ', 'price_minor': 'BIGINT'
            }}
        )
    """,
    "lake": "FROM read_parquet('{data}/lake/events/event_date={day}/*.parquet')",
}

DUCKDB_SCRIPT = """
    CREATE TEMP TABLE events AS
    SELECT DISTINCT ON (event_id) event_id, user_id, product_id, product_category, event_type, price_minor
    {read}
    WHERE timestamp >= '{day}' AND timestamp < DATE '{day}' + INTERVAL 1 DAY;

    CREATE TEMP TABLE segments AS
    SELECT user_id, CASE WHEN bool_or(event_type = 'purchase') THEN 'buyer' ELSE 'window_shopper' END AS segment
    FROM events GROUP BY user_id;

    CREATE TEMP TABLE products AS
    SELECT
        product_id,
        count(*) FILTER (event_type = 'view') AS view_count,
        count(*) FILTER (event_type = 'add_to_cart') AS cart_count,
        count(*) FILTER (event_type = 'purchase') AS purchase_count,
        row_number() OVER (ORDER BY count(*) FILTER (event_type = 'view') DESC, product_id) AS rank
    FROM events GROUP BY product_id;

    CREATE TEMP TABLE categories AS
    SELECT
        product_category AS category,
        count(*) FILTER (event_type = 'view') AS views,
        count(*) FILTER (event_type = 'add_to_cart') AS carts,
        count(*) FILTER (event_type = 'purchase') AS purchases,
        round(100.0 * purchases / nullif(views, 0), 2) AS conversion_rate,
        sum(price_minor) FILTER (event_type = 'purchase') AS revenue_minor
    FROM events GROUP BY product_category;

    COPY segments TO '{folder}/segments.parquet';
    COPY products TO '{folder}/products.parquet';
    COPY (FROM products ORDER BY rank LIMIT 5) TO '{folder}/top_products.json';
    COPY (FROM categories ORDER BY category) TO '{folder}/category_conversion.json';
    COPY (
        SELECT
            (SELECT count(*) FROM events) AS total_events,
            (SELECT count(*) FROM segments WHERE segment = 'buyer') AS buyer_count,
            (SELECT count(*) FROM segments WHERE segment = 'window_shopper') AS window_shopper_count,
            (SELECT sum(revenue_minor) FROM categories) AS revenue_minor
    ) TO '{folder}/summary.json';
"""


@dataclass(frozen=True)
class Usage:
    """What a program used: seconds of processor, seconds of clock, peak resident bytes."""

    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int


def measured(command: Sequence[str], variables: Mapping[str, str]) -> Usage:
    """Run a program in a fresh process and return what it and its children used."""
    reader = (
        "import json, resource, subprocess, sys, time\n"
        "start = time.monotonic()\n"
        "status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode\n"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
        "print(json.dumps([status, used.ru_utime + used.ru_stime, time.monotonic() - start, used.ru_maxrss]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", reader, *command], env={**os.environ, **variables}, stdout=subprocess.PIPE, check=True
    )
    status, cpu_seconds, wall_seconds, peak_kib = json.loads(done.stdout)
    if status != 0:
        raise SystemExit(f"{shlex.join(command)} ended with status {status}")
    return Usage(cpu_seconds, wall_seconds, peak_kib * 1024)


def make_day(data: Path, events: int, users: int) -> None:
    """Write a day to `data`, as a log and as a lake; a lake file holds at most five million events."""
    lake = data / "lake" / "events" / f"event_date={DAY}"
    (data / "logs").mkdir(parents=True)
    lake.mkdir(parents=True)
    connection = duckdb.connect(config={"memory_limit": "2GB", "temp_directory": str(data / SPILL)})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SELECT setseed(0.42)")
    with (data / "logs" / f"clickstream_{DAY}.jsonl").open("wb") as log:
        for number, first in enumerate(range(0, events, 5_000_000)):
            last = min(first + 5_000_000, events)
            made = MAKE_EVENTS.format(users=users, day=DAY, events=events, first=first, last=last)
            connection.execute(f"CREATE OR REPLACE TEMP TABLE events AS {made}")
            connection.execute(WRITE_LAKE.format(file=lake / f"batch-{number:010d}-00.parquet"))
            part = data / "part.jsonl"
            connection.execute(WRITE_LOG.format(log=part))
            with part.open("rb") as lines:
                while chunk := lines.read(1 << 24):
                    log.write(chunk)
            part.unlink()
    connection.close()


def by_duckdb(data: str, source: str, folder: str) -> None:
    """Answer by the straight DuckDB script."""
    connection = duckdb.connect(config={"temp_directory": str(Path(folder) / SPILL)})
    connection.execute("SET TimeZone = 'UTC'")
    read = READ[source].format(data=data, day=DAY)
    connection.execute(DUCKDB_SCRIPT.format(read=read, folder=folder, day=DAY))


def by_polars(data: str, source: str, folder: str) -> None:
    """Answer by the straight Polars script, in its streaming engine."""
    if source == "jsonl":
        text = ("event_id", "user_id", "product_id", "product_category", "event_type", "timestamp")
        schema = {**dict.fromkeys(text, pl.String), "price_minor": pl.Int64}
        log = f"{data}/logs/clickstream_{DAY}.jsonl"
        events = pl.scan_ndjson(log, schema=schema, ignore_errors=True).filter(pl.col("timestamp").str.starts_with(DAY))
    else:
        events = pl.scan_parquet(f"{data}/lake/events/event_date={DAY}/*.parquet", hive_partitioning=False).filter(
            pl.col("timestamp").dt.date() == pl.lit(DAY).str.to_date()
        )
    events = events.unique("event_id")
    views, carts, purchases = (pl.col("event_type") == kind for kind in ("view", "add_to_cart", "purchase"))
    revenue = pl.col("price_minor").filter(purchases).sum().alias("revenue_minor")
    segments = events.group_by("user_id").agg(purchases.any().alias("buyer"))
    products = (
        events.group_by("product_id")
        .agg(views.sum().alias("view_count"), carts.sum().alias("cart_count"), purchases.sum().alias("purchase_count"))
        .sort(["view_count", "product_id"], descending=[True, False])
        .with_row_index("rank", offset=1)
    )
    categories = (
        events.group_by(pl.col("product_category").alias("category"))
        .agg(views.sum().alias("views"), carts.sum().alias("carts"), purchases.sum().alias("purchases"), revenue)
        .sort("category")
    )
    total = events.select(pl.len())
    found = pl.collect_all([segments, products, categories, total], engine="streaming")
    found[0].write_parquet(f"{folder}/segments.parquet")
    found[1].write_parquet(f"{folder}/products.parquet")
    columns = ["product_id", "view_count", "cart_count", "purchase_count", "rank"]
    found[1].head(5).select(columns).write_ndjson(f"{folder}/top_products.json")
    rate = (100 * pl.col("purchases") / pl.col("views")).round(2).alias("conversion_rate")
    found[2].with_columns(rate).write_ndjson(f"{folder}/category_conversion.json")
    buyers = found[0]["buyer"].sum()
    summary = {
        "total_events": found[3].item(),
        "buyer_count": buyers,
        "window_shopper_count": found[0].height - buyers,
        "revenue_minor": found[2]["revenue_minor"].sum(),
    }
    Path(folder, "summary.json").write_text(json.dumps(summary) + "\n")


def same_answers(ours: Path, theirs: Path) -> bool:
    """Whether two programs found the same figures; a rate may differ by the way a half is rounded."""
    report = json.loads(ours.read_text())
    summary = json.loads((theirs / "summary.json").read_text())
    products = [json.loads(row) for row in (theirs / "top_products.json").read_text().splitlines()]
    categories = [json.loads(row) for row in (theirs / "category_conversion.json").read_text().splitlines()]
    return bool(
        {name: report["summary"][name] for name in summary} == summary
        and report["top_products"] == products
        and all(
            {**row, "conversion_rate": None} == {**mine, "conversion_rate": None}
            and abs(row["conversion_rate"] - mine["conversion_rate"]) < 0.011
            for mine, row in zip(report["category_conversion"], categories, strict=True)
        )
    )


def compare(data: Path, work: Path, batch: Sequence[str], rounds: int) -> dict[tuple[str, str], Usage]:
    """Return the best of each program on each source; the peak is the highest."""
    runs: dict[tuple[str, str], list[Usage]] = {}
    for _ in range(rounds):
        for source in SOURCES:
            outputs = work / "ours"
            variables = {
                "DATA_DIR": str(outputs),
                "BATCH_SOURCE": source,
                "LOGS_URL": str(data / "logs"),
                "LAKE_URL": str(data / "lake"),
            }
            ours = [*batch, "run", "--date", DAY, "--no-publish"]
            runs.setdefault((source, "ours"), []).append(measured(ours, variables))
            for script in ("polars", "duckdb"):
                folder = work / script
                folder.mkdir(exist_ok=True)
                command = [sys.executable, __file__, f"--by-{script}", str(data), source, str(folder)]
                runs.setdefault((source, script), []).append(measured(command, {}))
                if not same_answers(outputs / "reports" / f"summary_{DAY}.json", folder):
                    raise SystemExit(f"{source}: our answers and those of the {script} script differ")
    return {
        key: Usage(
            min(usage.cpu_seconds for usage in usages),
            min(usage.wall_seconds for usage in usages),
            max(usage.peak_bytes for usage in usages),
        )
        for key, usages in runs.items()
    }


def main() -> None:
    """Measure and print."""
    dist = os.environ.get("CLICKWATCH_DIST", "dist")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the made day")
    parser.add_argument("--large", type=int, default=30_000_000, help="events of a day for memory alone; 0 for none")
    parser.add_argument("--users", type=int, default=200_000, help="users of the made days")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each, in turns; the best of each counts")
    parser.add_argument("--batch", default=f"{sys.executable} {dist}/batch.pex", help="how to start our program")
    parser.add_argument("--data", type=Path, help="where made days are kept for the next time; 4 GB for 10 million")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        kept = options.data or work
        batch = shlex.split(options.batch)
        days = {}
        for events in filter(None, (options.events, options.large)):
            days[events] = kept / f"day-{events}-{options.users}"
            if not days[events].exists():
                draft = kept / f"draft-{events}-{options.users}"
                subprocess.run(
                    [sys.executable, __file__, "--make", str(draft), str(events), str(options.users)], check=True
                )
                draft.rename(days[events])
        load = os.getloadavg()[0]
        print(f"{options.events:,} events, {os.cpu_count()} cores, load average {load:.1f} at the start")
        best = compare(days[options.events], work, batch, options.rounds)
        print(f"{'source':<8}{'program':<10}{'CPU s':>8}{'clock s':>9}{'peak MB':>9}   CPU and memory, ours to it")
        for (source, program), usage in best.items():
            ours = best[source, "ours"]
            ratios = f"{ours.cpu_seconds / usage.cpu_seconds:>10.2f}{ours.peak_bytes / usage.peak_bytes:>8.2f}"
            print(
                f"{source:<8}{program:<10}{usage.cpu_seconds:>8.1f}{usage.wall_seconds:>9.1f}"
                f"{usage.peak_bytes / 1e6:>9.0f}   {ratios if program != 'ours' else ''}"
            )
        if options.large:
            for source in SOURCES:
                data = days[options.large]
                variables = {
                    "DATA_DIR": str(work / "ours"),
                    "BATCH_SOURCE": source,
                    "LOGS_URL": str(data / "logs"),
                    "LAKE_URL": str(data / "lake"),
                }
                usage = measured([*batch, "run", "--date", DAY, "--no-publish"], variables)
                print(
                    f"{source:<8}{'ours':<10}{usage.cpu_seconds:>8.1f}{usage.wall_seconds:>9.1f}"
                    f"{usage.peak_bytes / 1e6:>9.0f}   {options.large:,} events"
                )
        print("the answers are the same")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make_day(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] == ["--by-duckdb"]:
        by_duckdb(*sys.argv[2:])
    elif sys.argv[1:2] == ["--by-polars"]:
        by_polars(*sys.argv[2:])
    else:
        main()
