"""The dashboard on thirty days of a large shop: the API, first paint, and an alert's way to fifty open pages.

Fills a database of its own, starts the program, and asks. Pages are real ones, in Debian's Chromium.
Run it from the repository's root, where it finds the shop that the tests have too.
"""

import argparse
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import psycopg
from clickwatch_servers import Command, Process, start_postgres
from clickwatch_servers.ports import HOST, free_port
from playwright.sync_api import Browser, sync_playwright
from psycopg import sql

SHOP = Path("services/dashboard/tests/dashboard_shop.sql")
CATEGORIES = ["smartphones", "laptops", "tablets", "headphones", "smartwatches", "cameras", "gaming", "accessories"]
CHROMIUM = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
INSERT = """
    INSERT INTO flash_sale_alerts
    VALUES (%s, date_bin('5 minutes', now(), '2000-01-01Z'), date_bin('5 minutes', now(), '2000-01-01Z')
            + interval '10 minutes', 'gaming', 101, 1, 'active', now(), now())
"""
# Notes when each probe's row comes into the page, by the clock that the insertion is timed by.
WATCH = """
    () => {
      window.seen = {};
      const note = () => {
        for (const link of document.querySelectorAll("#alerts tbody button")) {
          if (link.textContent.startsWith("probe_")) window.seen[link.textContent] ??= Date.now();
        }
      };
      new MutationObserver(note).observe(document.querySelector("#alerts tbody"), { childList: true, subtree: true });
    }
"""


def quantile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed (nearest rank)."""
    return sorted(values)[max(1, -int(-len(values) * share // 1)) - 1]


def program(name: str) -> tuple[str, ...]:
    """How a service is started: as DASHBOARD_COMMAND or MIGRATIONS_COMMAND say, or from CLICKWATCH_DIST."""
    words = shlex.split(os.environ.get(f"{name.rpartition('-')[2].upper()}_COMMAND", ""))
    pex = Path(os.environ.get("CLICKWATCH_DIST", "dist")) / f"{name}.pex"
    packed = pex / "__main__.py"
    return tuple(words) or (str((packed if packed.is_file() else pex).absolute()),)


def fill(url: str, values: Mapping[str, object]) -> None:
    """Make the shop."""
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(SHOP.read_text("utf-8"), values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def time_api(base: str, day: str, rounds: int) -> dict[str, list[float]]:
    """Seconds that each question took, `rounds` times."""
    paths = {
        "now": "/api/now",
        "alerts, first page": "/api/alerts?limit=100",
        "alerts of a category": "/api/alerts?category=gaming&limit=100",
        "a product's windows": "/api/product-windows?product=product_2",
        "names while typing": "/api/product-names?search=product_77",
        "days": "/api/days",
        "a day": f"/api/days/{day}",
        "a day's trust": f"/api/days/{day}/trust",
        "trust": "/api/trust",
        "products, first page": f"/api/products?day={day}&limit=25",
        "products, last page": f"/api/products?day={day}&limit=25&offset=99970",
        "products by search": f"/api/products?day={day}&search=_4711&limit=25",
        "a product's 90 days": "/api/product-days?product=product_4711",
    }
    taken: dict[str, list[float]] = {name: [] for name in paths}
    with httpx2.Client(base_url=base, timeout=60) as client:
        for number in range(rounds + 1):
            for name, path in paths.items():
                began = time.perf_counter()
                client.get(path).raise_for_status()
                if number > 0:  # the first warms up
                    taken[name].append(time.perf_counter() - began)
    return taken


def time_paint(browser: Browser, base: str, rounds: int) -> dict[str, list[float]]:
    """Seconds to the first contentful paint of each page, with an empty cache."""
    taken: dict[str, list[float]] = {}
    for path in ("/", "/day", "/trust", "/products"):
        for _ in range(rounds):
            context = browser.new_context(bypass_csp=True)
            page = context.new_page()
            page.goto(base + path)
            page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
            milliseconds = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            taken.setdefault(path, []).append(milliseconds / 1000)
            context.close()
    return taken


def time_alerts(browser: Browser, base: str, url: str, pages: int, probes: int) -> list[float]:
    """Seconds from the insertion of each probe to its row in each page."""
    # Waiting for a condition is an `eval` in the page, which our policy forbids.
    context = browser.new_context(bypass_csp=True)
    opened = []
    for _ in range(pages):
        page = context.new_page()
        page.goto(base)
        page.wait_for_selector("#pill.live")
        page.evaluate(WATCH)
        opened.append(page)
    inserted: dict[str, float] = {}
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(probes):
            inserted[f"probe_{number}"] = time.time()
            connection.execute(INSERT, (f"probe_{number}",))
            opened[0].wait_for_timeout(700)
    taken = []
    for page in opened:
        page.wait_for_function(f"Object.keys(window.seen).length >= {probes}", timeout=60_000)
        seen = page.evaluate("window.seen")
        taken += [seen[name] / 1000 - at for name, at in inserted.items()]
    context.close()
    return taken


def show(title: str, taken: Mapping[str, Sequence[float]]) -> None:
    """Print a small table."""
    print(f"\n{title:<28} {'p50':>9} {'p99':>9} {'most':>9}")
    for name, values in taken.items():
        figures = (quantile(values, 0.5), quantile(values, 0.99), max(values))
        print(f"  {name:<26} " + " ".join(f"{1000 * figure:>6.0f} ms" for figure in figures), flush=True)


def run(options: argparse.Namespace, folder: Path) -> None:
    """Measure, in a folder for a while."""
    postgres = start_postgres(folder / "postgres", free_port(), folder / "passwords", folder / "postgres.log")
    stop: list[Callable[[], None]] = [postgres.process.stop]
    try:
        postgres.wait()
        postgres.ensure_owner("clickwatch")
        url = postgres.url("clickwatch", with_password=True)
        subprocess.run([*program("db-migrations"), "upgrade"], env={**os.environ, "DATABASE_URL": url}, check=True)
        last = datetime.now(UTC).date() - timedelta(days=1)
        began = time.monotonic()
        fill(
            url,
            {
                "first": last - timedelta(days=options.days - 1),
                "last": last,
                "products": options.products,
                "scale": options.products / 100,
                "users": options.users,
                "alerts": options.alerts,
                "active": 20,
                "at_once": 8,
                "windows": 570,
                "categories": CATEGORIES,
                "now": datetime.now(UTC),
            },
        )
        print(
            f"{options.days} days of {options.users:,} users and {options.products:,} products, {options.alerts:,} "
            f"alerts, filled in {time.monotonic() - began:.0f} s; load average {os.getloadavg()[0]:.1f}",
            flush=True,
        )
        with psycopg.connect(url) as connection:
            connection.execute(sql.SQL("ALTER ROLE clickwatch_reader PASSWORD {}").format(sql.Literal("reads")))
        port = free_port()
        environment = {
            **os.environ,
            "DATABASE_URL": f"postgresql://clickwatch_reader:reads@{HOST}:{postgres.port}/clickwatch",
            "DASHBOARD_PORT": str(port),
        }
        process = Process(Command("dashboard", (*program("dashboard"), "run"), folder / "dashboard.log", environment))
        stop.insert(0, process.stop)
        base = f"http://{HOST}:{port}"
        process.wait_until(lambda: _is_healthy(base), 60)
        show("API", time_api(base, last.isoformat(), options.rounds))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), chromium_sandbox=False, args=list(CHROMIUM)
            )
            show("first paint, nothing cached", time_paint(browser, base, 5))
            taken = time_alerts(browser, base, url, options.pages, options.probes)
            show(f"row to {options.pages} pages", {f"{options.probes} alerts": taken})
            browser.close()
    finally:
        for one in stop:
            one()


def _is_healthy(base: str) -> bool:
    try:
        return httpx2.get(f"{base}/health", timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False


def main() -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--alerts", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=100, help="of each question to the API")
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--probes", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(options, Path(folder))


if __name__ == "__main__":
    main()
