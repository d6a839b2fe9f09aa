"""Traffic with every mishap, and a reader of it that shares no code with the ledger."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple
from zlib import crc32

from clickwatch_events import Event, EventType
from clickwatch_events.avro import EventEncoder
from clickwatch_simulator.scenarios import Fate, Item, Mishaps, troubled
from clickwatch_simulator.shoppers import Shop, Shoppers

START_MS = 1_748_736_000_000  # 2025-06-01T00:00:00Z
MINUTE_MS = 60_000
ENCODERS = {version: EventEncoder(version, version) for version in (1, 2)}
EVERYTHING = Mishaps(duplicates=0.02, out_of_order=0.03, late=0.03, future=0.004, poison=0.005)


class Sent(NamedTuple):
    item: Item
    due_ms: int
    fate: Fate


def shop(seed: int = 1, rate: float = 4.0) -> Shop:
    return Shop(seed=seed, start_ms=START_MS, rate=rate)


def sent(shop: Shop, events: int, mishaps: Mishaps = EVERYTHING) -> list[Sent]:
    return list(_sent(shop, events, mishaps))


def _sent(shop: Shop, events: int, mishaps: Mishaps) -> Iterator[Sent]:
    for batch in troubled(Shoppers(shop).blocks(), events, shop, mishaps, ENCODERS):
        assert batch.fates is not None
        for item, due_ms, fate in zip(batch.items, batch.due_ms.tolist(), batch.fates.tolist(), strict=True):
            yield Sent(item, due_ms, Fate(fate))


def partition(user: str, partitions: int) -> int:
    return crc32(user.encode()) % partitions


def windows_as_a_reader_counts_them(
    messages: list[Sent], partitions: int, future_after: timedelta = timedelta(days=1)
) -> dict[tuple[str, int], Counter[EventType]]:
    """Return counts by (product, window start): ten minutes by five, watermark ten minutes.

    An event is too late for a window that ends ten minutes or more before the newest event that
    came before it in its partition.
    """
    newest: dict[int, int] = defaultdict(int)
    seen: set[str] = set()
    counts: dict[tuple[str, int], Counter[EventType]] = defaultdict(Counter)
    for item, due_ms, _ in messages:
        if not isinstance(item, Event) or item.timestamp_ms > due_ms + future_after / timedelta(milliseconds=1):
            continue
        place = partition(item.user_id, partitions)
        if item.event_id not in seen:
            seen.add(item.event_id)
            latest = item.timestamp_ms // (5 * MINUTE_MS) * 5 * MINUTE_MS
            for start in (latest - 5 * MINUTE_MS, latest):
                if start + 10 * MINUTE_MS > newest[place] - 10 * MINUTE_MS:
                    counts[item.product_id, start][item.event_type] += 1
        newest[place] = max(newest[place], item.timestamp_ms)
    return counts


def valid_events(messages: list[Sent]) -> list[Event]:
    return [
        message.item
        for message in messages
        if isinstance(message.item, Event) and message.fate in (Fate.ON_TIME, Fate.OUT_OF_ORDER, Fate.LATE)
    ]
