"""The daily analysis: ours beside one hand-written DuckDB pass over the same file, in one run.

Makes a day of events (or takes `--log`), lets each program answer for it in turns, and prints
processor time, elapsed time and peak memory of each, and the ratio. Both have the same memory limit
and threads, both write their answers to files, and the answers are compared.
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

DAY = "2025-06-01"

# A person's straight way: typed columns, one table without duplicates, one query for each answer.
# Whatever is no event of the day is left out without a word.
HAND_WRITTEN = """
    CREATE TEMP TABLE events AS
    SELECT DISTINCT ON (event_id) *
    FROM read_json(
        '{log}',
        format = 'newline_delimited',
        ignore_errors = true,
        columns = {{
            'event_id': 'UUID', 'user_id': 'VARCHAR', 'product_id': 'VARCHAR', 'product_category': 'VARCHAR',
            'event_type': 'VARCHAR', 'timestamp': 'TIMESTAMPTZ', 'price_minor': 'BIGINT'
        }}
    )
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

    CREATE TEMP TABLE summary AS
    SELECT
        (SELECT count(*) FROM events) AS total_events,
        (SELECT count(*) FROM segments WHERE segment = 'buyer') AS buyer_count,
        (SELECT count(*) FROM segments WHERE segment = 'window_shopper') AS window_shopper_count,
        (SELECT sum(revenue_minor) FROM categories) AS revenue_minor;

    COPY (FROM products ORDER BY rank LIMIT 5) TO '{folder}/top_products.json';
    COPY (FROM categories ORDER BY category) TO '{folder}/category_conversion.json';
    COPY summary TO '{folder}/summary.json';
"""

MAKE_DAY = """
    COPY (
        SELECT
            uuid() AS event_id,
            'user_' || CAST(1 + floor(random() * {users}) AS INTEGER) AS user_id,
            'product_' || product AS product_id,
            ['smartphones', 'laptops', 'tablets', 'headphones', 'smartwatches', 'cameras', 'gaming',
                'accessories'][1 + product % 8] AS product_category,
            CASE WHEN kind < 0.7 THEN 'view' WHEN kind < 0.9 THEN 'add_to_cart' ELSE 'purchase' END AS event_type,
            strftime(TIMESTAMP '{day}' + to_milliseconds(event * 86400000 // {events}), '%Y-%m-%dT%H:%M:%S.%gZ')
                AS timestamp,
            'session_' || event // 8 AS session_id,
            100 + (product * 7919) % 20000 AS price_minor,
            'EUR' AS currency
        FROM (
            SELECT event, 1 + CAST(floor(pow(random(), 3) * 1000) AS INTEGER) AS product, random() AS kind
            FROM range({events}) AS numbers(event)
        )
    ) TO '{log}' (FORMAT json)
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
        "status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode\n"
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


def hand_written(log: str, folder: str, memory_limit: str, threads: str) -> None:
    """Answer by the hand-written pass; this is what the other process of a round runs."""
    spill = str(Path(folder) / "spill")
    connection = duckdb.connect(config={"memory_limit": memory_limit, "temp_directory": spill, "threads": int(threads)})
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(HAND_WRITTEN.format(log=log, folder=folder, day=DAY))


def same_answers(ours: Path, theirs: Path) -> bool:
    """Whether both programs found the same figures."""
    report = json.loads(ours.read_text())
    summary = json.loads((theirs / "summary.json").read_text())
    products = [json.loads(row) for row in (theirs / "top_products.json").read_text().splitlines()]
    categories = [json.loads(row) for row in (theirs / "category_conversion.json").read_text().splitlines()]
    return bool(
        {name: report["summary"][name] for name in summary} == summary
        and report["top_products"] == products
        and report["category_conversion"] == categories
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=10_000_000, help="events of the made day")
    parser.add_argument("--users", type=int, default=200_000, help="users of the made day")
    parser.add_argument("--log", type=Path, help=f"a log of {DAY} to take instead of making one")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each, in turns; the best of each counts")
    parser.add_argument("--memory-limit", default="1GB", help="DuckDB's, for both")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="DuckDB's, for both")
    parser.add_argument(
        "--batch",
        default=f"{sys.executable} -m clickwatch_batch",
        help="how to start our program, such as dist/batch.pex",
    )
    parser.add_argument("--folder", type=Path, help="where to work; needs the day's size and as much again")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        (folder / "logs").mkdir()
        log = folder / "logs" / f"clickstream_{DAY}.jsonl"
        if options.log:
            log.symlink_to(options.log.resolve())
        else:
            duckdb.connect().execute(MAKE_DAY.format(events=options.events, users=options.users, day=DAY, log=log))
        print(f"{log.stat().st_size / 1e9:.2f} GB of events, {options.threads} threads, limit {options.memory_limit}")
        variables = {
            "DATA_DIR": str(folder),
            "DUCKDB_MEMORY_LIMIT": options.memory_limit,
            "DUCKDB_THREADS": str(options.threads),
        }
        by_hand = [sys.executable, __file__, "--by-hand", str(log), str(folder), options.memory_limit]
        ours = [*shlex.split(options.batch), "run", "--date", DAY, "--no-publish"]
        rounds: dict[str, list[Usage]] = {"hand-written": [], "ours": []}
        for _ in range(options.rounds):
            rounds["hand-written"].append(measured([*by_hand, str(options.threads)], {}))
            rounds["ours"].append(measured(ours, variables))
        same = same_answers(folder / "reports" / f"summary_{DAY}.json", folder)

    best = {
        program: Usage(
            min(usage.cpu_seconds for usage in usages),
            min(usage.wall_seconds for usage in usages),
            max(usage.peak_bytes for usage in usages),
        )
        for program, usages in rounds.items()
    }
    print(f"{'':<14}{'CPU s':>8}{'clock s':>10}{'peak MB':>10}")
    for program, usage in best.items():
        peak_mb = usage.peak_bytes / 1e6
        print(f"{program:<14}{usage.cpu_seconds:>8.1f}{usage.wall_seconds:>10.1f}{peak_mb:>10.0f}")
    mine, theirs = best["ours"], best["hand-written"]
    print(
        f"{'ratio':<14}{mine.cpu_seconds / theirs.cpu_seconds:>8.2f}{mine.wall_seconds / theirs.wall_seconds:>10.2f}"
        f"{mine.peak_bytes / theirs.peak_bytes:>10.2f}"
    )
    if not same:
        raise SystemExit("the answers differ")
    print("the answers are the same")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--by-hand"]:
        hand_written(*sys.argv[2:])
    else:
        main()
