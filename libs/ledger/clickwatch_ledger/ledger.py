"""What the simulator says it sent, as the tables, topics and files must show it."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

WINDOW = timedelta(minutes=10)
VIEWS_THRESHOLD, PURCHASES_THRESHOLD = 100, 5

Key = tuple[str, datetime]
"""A window: its product and its start."""


@dataclass(frozen=True)
class Counts:
    """What a window or a day holds of one product or category."""

    views: int
    carts: int
    purchases: int

    def __add__(self, other: "Counts") -> "Counts":
        """Return both together."""
        return Counts(self.views + other.views, self.carts + other.carts, self.purchases + other.purchases)

    @property
    def is_alert(self) -> bool:
        """Whether a window of these counts is hot (spec: alert condition)."""
        return self.views > VIEWS_THRESHOLD and self.purchases < PURCHASES_THRESHOLD


class Ledger:
    """One or more runs of the simulator on one topic, added up; JSON of known form, hence Any.

    Args:
        files: what `--ledger` of each run wrote.
    """

    def __init__(self, files: list[Path]) -> None:
        runs: list[dict[str, Any]] = [json.loads(file.read_bytes()) for file in files]
        self.events: int = sum(run["events"] for run in runs)
        self.by_schema_version: Counter[str] = sum((Counter(run["by_schema_version"]) for run in runs), Counter())
        self.duplicates: int = sum(run["duplicates"] for run in runs)
        self.late: int = sum(run["late"] for run in runs)
        self.out_of_order: int = sum(run["out_of_order"] for run in runs)
        self.future: int = sum(run["future"] for run in runs)
        self.poison: int = sum(sum(run["poison"].values()) for run in runs)
        self.dead_letters: Counter[str] = sum((Counter(run["dead_letters"]) for run in runs), Counter())
        self.messages: int = sum(run["kafka"]["acknowledged"] for run in runs)
        newest = max(datetime.fromisoformat(run["newest_timestamp"]) for run in runs)
        self.closed_until = newest - timedelta(seconds=runs[0]["watermark_seconds"])
        self.windows: dict[Key, Counts] = {}
        self.totals: Counter[Key] = Counter()
        for window in (one for run in runs for one in run["windows"]):
            key = (window["product_id"], datetime.fromisoformat(window["window_start"]))
            counts = Counts(window["views"], window["carts"], window["purchases"])
            self.windows[key] = self.windows.get(key, Counts(0, 0, 0)) + counts
            self.totals[key] += window["total_events"]
        self.runs = runs

    def is_closed(self, key: Key) -> bool:
        """Return whether the newest event is past the window's end by the watermark."""
        return key[1] + WINDOW <= self.closed_until

    @property
    def closed(self) -> dict[Key, Counts]:
        """The closed windows."""
        return {key: counts for key, counts in self.windows.items() if self.is_closed(key)}

    def alerts(self, *, closed: bool) -> dict[Key, tuple[int, int]]:
        """Return views and purchases of the windows that end with the condition true, closed or still open."""
        return {
            key: (counts.views, counts.purchases)
            for key, counts in self.windows.items()
            if counts.is_alert and self.is_closed(key) is closed
        }

    def day(self, name: str) -> "Day":
        """Return what the log of a day, such as 2025-06-01, holds."""
        return Day([run["days"][name] for run in self.runs if name in run["days"]])


class Day:
    """What the log of one day holds."""

    def __init__(self, parts: list[dict[str, Any]]) -> None:
        self.lines: int = sum(part["lines"] for part in parts)
        self.total_events: int = sum(part["total_events"] for part in parts)
        self.duplicates: int = sum(part["duplicates"] for part in parts)
        self.malformed: int = sum(part["malformed"] for part in parts)
        self.revenue_minor: int = sum(part["revenue_minor"] for part in parts)
        self.users: dict[str, str] = {}
        self.products: dict[str, Counts] = {}
        self.categories: dict[str, Counts] = {}
        self.category_revenue: Counter[str] = Counter()
        for part in parts:
            for user, segment in part["users"].items():
                self.users[user] = min(segment, self.users.get(user, segment))  # "buyer" is the lesser word
            for product, one in part["products"].items():
                self.products[product] = self.products.get(product, Counts(0, 0, 0)) + _counts(one)
            for category, one in part["categories"].items():
                self.categories[category] = self.categories.get(category, Counts(0, 0, 0)) + _counts(one)
                self.category_revenue[category] += one["revenue_minor"]


def _counts(one: dict[str, int]) -> Counts:
    return Counts(one["views"], one["carts"], one["purchases"])
