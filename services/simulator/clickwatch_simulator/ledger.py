"""What was sent, counted as it is sent: the ground truth that tests and benchmarks check against.

It counts what the simulator *decided* (this is a duplicate, that is late) and never looks at
what another service made of it. Its memory grows with products × time slots and with users a
day, not with events.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from clickwatch_events import Event, EventType
from clickwatch_events.jsonl import iso_timestamp

from clickwatch_simulator.poison import REASON, REFUSED_REASON, Poison, PoisonKind, Refused
from clickwatch_simulator.scenarios import Fate, Item, schema_version

_DAY_MS = 86_400_000
Json = dict[str, object]


def day_of(timestamp_ms: int) -> str:
    """Return the UTC day of an instant, `YYYY-MM-DD`."""
    return datetime.fromtimestamp(timestamp_ms // 1000, UTC).strftime("%Y-%m-%d")


@dataclass
class _Counts:
    views: int = 0
    carts: int = 0
    purchases: int = 0
    total_events: int = 0
    revenue_minor: int = 0

    def add(self, event: Event) -> None:
        self.total_events += 1
        if event.event_type is EventType.VIEW:
            self.views += 1
        elif event.event_type is EventType.ADD_TO_CART:
            self.carts += 1
        elif event.event_type is EventType.PURCHASE:
            self.purchases += 1
            self.revenue_minor += event.price_minor or 0

    def merge(self, other: "_Counts") -> None:
        self.views += other.views
        self.carts += other.carts
        self.purchases += other.purchases
        self.total_events += other.total_events

    def as_json(self, *names: str) -> Json:
        return {name: getattr(self, name) for name in names}


@dataclass
class _Day:
    """One JSONL file."""

    lines: int = 0
    total_events: int = 0
    duplicates: int = 0
    malformed: int = 0
    revenue_minor: int = 0
    bought: dict[str, bool] = field(default_factory=dict)
    products: dict[str, _Counts] = field(default_factory=dict)
    categories: dict[str, _Counts] = field(default_factory=dict)

    def add(self, event: Event) -> None:
        is_purchase = event.event_type is EventType.PURCHASE
        self.total_events += 1
        self.bought[event.user_id] = is_purchase or self.bought.get(event.user_id, False)
        if is_purchase:
            self.revenue_minor += event.price_minor or 0
        _at(self.products, event.product_id).add(event)
        _at(self.categories, event.product_category).add(event)

    def as_json(self) -> Json:
        return {
            "lines": self.lines,
            "total_events": self.total_events,
            "duplicates": self.duplicates,
            "malformed": self.malformed,
            "revenue_minor": self.revenue_minor,
            "users": {user: "buyer" if bought else "window_shopper" for user, bought in sorted(self.bought.items())},
            "products": {
                product: counts.as_json("views", "carts", "purchases")
                for product, counts in sorted(self.products.items())
            },
            "categories": {
                category: counts.as_json("views", "carts", "purchases", "revenue_minor")
                for category, counts in sorted(self.categories.items())
            },
        }


def _at(counts: dict[str, _Counts], key: str) -> _Counts:
    found = counts.get(key)
    if found is None:
        found = counts[key] = _Counts()
    return found


class Ledger:
    """Counts items as they are sent."""

    def __init__(self, window: timedelta, slide: timedelta, watermark: timedelta, *, days: bool) -> None:
        """Count windows of this length and slide, and days if there are JSONL files."""
        self._window_ms = round(window / timedelta(milliseconds=1))
        self._slide_ms = round(slide / timedelta(milliseconds=1))
        self._watermark = watermark
        # Windows are unions of slots: one addition an event instead of one for each window it is in.
        self._slot_ms = math.gcd(self._window_ms, self._slide_ms)
        self._slots: dict[tuple[str, int], _Counts] = {}
        self._category: dict[str, str] = {}
        self._with_days = days
        self._days: dict[int, _Day] = {}
        self._fates: Counter[Fate] = Counter()
        self._types: Counter[EventType] = Counter()
        self._versions: Counter[int] = Counter()
        self._poison: Counter[str] = Counter()
        self._refused = 0
        self._newest_ms: int | None = None

    def sent(self, item: Item, fate: Fate) -> None:
        """Count one message."""
        if isinstance(item, Refused):
            self._refused += 1
            return
        day = self._day(item.timestamp_ms)
        day.lines += 1
        if isinstance(item, Poison):
            self._poison[item.kind.value] += 1
            day.malformed += 1
            return
        self._fates[fate] += 1
        if fate in (Fate.DUPLICATE, Fate.DUPLICATE_LATE):
            day.duplicates += 1
            return
        if self._with_days:
            day.add(item)
        if fate is Fate.FUTURE:
            return
        self._types[item.event_type] += 1
        self._versions[schema_version(item)] += 1
        if fate is Fate.LATE:
            return
        self._newest_ms = max(self._newest_ms or 0, item.timestamp_ms)
        self._category.setdefault(item.product_id, item.product_category)
        slot = (item.product_id, item.timestamp_ms // self._slot_ms)
        counts = self._slots.get(slot)
        if counts is None:
            counts = self._slots[slot] = _Counts()
        counts.add(item)

    def _day(self, timestamp_ms: int) -> _Day:
        number = timestamp_ms // _DAY_MS
        day = self._days.get(number)
        if day is None:
            day = self._days[number] = _Day()
        return day

    def as_json(
        self,
        seed: int | None,
        options: Mapping[str, object],
        records: int,
        acknowledged: int,
        imported: Json | None = None,
    ) -> Json:
        """Return the ledger.

        Args:
            seed: of the run.
            options: that the run was started with, for the reader.
            records: messages handed to Kafka.
            acknowledged: of them, those the broker has acknowledged.
            imported: what became of the rows of a file, where the run was a replay of one.
        """
        duplicates = self._fates[Fate.DUPLICATE] + self._fates[Fate.DUPLICATE_LATE]
        reasons: Counter[str] = Counter()
        for kind, count in self._poison.items():
            reasons[REASON[PoisonKind(kind)]] += count
        if self._refused:
            reasons[REFUSED_REASON] = self._refused
        if self._fates[Fate.FUTURE]:
            reasons["future_timestamp"] = self._fates[Fate.FUTURE]
        return {
            "format": 1,
            "seed": seed,
            "options": dict(options),
            "window_seconds": self._window_ms / 1000,
            "slide_seconds": self._slide_ms / 1000,
            "watermark_seconds": self._watermark.total_seconds(),
            "newest_timestamp": None if self._newest_ms is None else iso_timestamp(self._newest_ms),
            "kafka": {"records": records, "acknowledged": acknowledged},
            **({} if imported is None else {"import": imported}),
            "events": self._types.total(),
            "by_type": {kind.value: self._types[kind] for kind in EventType if kind is not EventType.UNKNOWN},
            "by_schema_version": {str(version): self._versions[version] for version in (1, 2)},
            "duplicates": duplicates,
            "late": self._fates[Fate.LATE],
            "out_of_order": self._fates[Fate.OUT_OF_ORDER],
            "future": self._fates[Fate.FUTURE],
            "poison": dict(sorted(self._poison.items())),
            "dead_letters": dict(sorted(reasons.items())),
            "windows": self._windows(),
            "days": {
                day_of(number * _DAY_MS): day.as_json()
                for number, day in (sorted(self._days.items()) if self._with_days else [])
            },
        }

    def _windows(self) -> list[Json]:
        windows: dict[tuple[int, str], _Counts] = {}
        for (product, slot), counts in self._slots.items():
            slot_start = slot * self._slot_ms
            start = slot_start // self._slide_ms * self._slide_ms
            while start > slot_start - self._window_ms:
                found = windows.setdefault((start, product), _Counts())
                found.merge(counts)
                start -= self._slide_ms
        return [
            {
                "product_id": product,
                "product_category": self._category[product],
                "window_start": iso_timestamp(start),
                **counts.as_json("views", "carts", "purchases", "total_events"),
            }
            for (start, product), counts in sorted(windows.items())
        ]


def write_ledger(path: Path, ledger: Json) -> None:
    """Write the ledger as one JSON file, all at once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(orjson.dumps(ledger, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    unfinished.replace(path)
