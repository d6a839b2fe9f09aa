"""The ledger against a recount of what was sent, by other code."""

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from clickwatch_events import BadLine, Event, EventType, from_line
from clickwatch_simulator.jsonl import DayFiles
from clickwatch_simulator.ledger import Ledger, write_ledger
from clickwatch_simulator.poison import Poison
from clickwatch_simulator.scenarios import Fate
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_traffic import START_MS, Sent, sent, shop, valid_events, windows_as_a_reader_counts_them

EVENTS = 40_000
WINDOW, SLIDE, WATERMARK = timedelta(minutes=10), timedelta(minutes=5), timedelta(minutes=10)


@pytest.fixture(scope="module")
def messages() -> list[Sent]:
    return sent(shop(seed=2), EVENTS)


def counted(messages: list[Sent], *, days: bool = True) -> dict[str, Any]:
    ledger = Ledger(WINDOW, SLIDE, WATERMARK, days=days)
    for item, _, fate in messages:
        ledger.sent(item, fate)
    # As a reader of the file sees it.
    loaded: dict[str, Any] = json.loads(json.dumps(ledger.as_json(2, {}, len(messages), len(messages))))
    return loaded


def window_starts(ledger: dict[str, Any]) -> dict[tuple[str, int], tuple[int, int, int]]:
    return {
        (window["product_id"], round(datetime.fromisoformat(window["window_start"]).timestamp() * 1000)): (
            window["views"],
            window["carts"],
            window["purchases"],
        )
        for window in ledger["windows"]
    }


@pytest.mark.parametrize("partitions", [1, 2, 12])
def test_its_windows_are_those_that_a_reader_counts_from_the_messages(messages: list[Sent], partitions: int) -> None:
    by_reader = {
        place: (types[EventType.VIEW], types[EventType.ADD_TO_CART], types[EventType.PURCHASE])
        for place, types in windows_as_a_reader_counts_them(messages, partitions).items()
    }

    assert window_starts(counted(messages)) == by_reader


def test_its_totals_are_those_of_the_messages(messages: list[Sent]) -> None:
    ledger = counted(messages)
    valid = valid_events(messages)
    ids = Counter(message.item.event_id for message in messages if isinstance(message.item, Event))

    assert ledger["events"] == EVENTS == len(valid)
    assert ledger["by_type"] == {
        kind: sum(event.event_type == kind for event in valid) for kind in ("view", "add_to_cart", "purchase")
    }
    assert ledger["by_schema_version"]["1"] == sum(event.session_id is None for event in valid)
    assert sum(ledger["by_schema_version"].values()) == EVENTS
    assert ledger["duplicates"] == ids.total() - len(ids)
    assert ledger["events"] + ledger["duplicates"] + ledger["future"] + sum(ledger["poison"].values()) == len(messages)
    assert sum(ledger["dead_letters"].values()) == ledger["future"] + sum(ledger["poison"].values())
    assert ledger["kafka"] == {"records": len(messages), "acknowledged": len(messages)}


def test_its_newest_timestamp_is_that_of_the_newest_valid_event(messages: list[Sent]) -> None:
    newest = max(event.timestamp_ms for event in valid_events(messages))

    assert datetime.fromisoformat(counted(messages)["newest_timestamp"]) == datetime.fromtimestamp(newest / 1000, UTC)


def test_its_days_are_what_the_jsonl_files_hold(messages: list[Sent], tmp_path: Path) -> None:
    with DayFiles(tmp_path) as files:
        for at in range(0, len(messages), 1000):
            files.write([message.item for message in messages[at : at + 1000]])

    days = {path.stem.removeprefix("clickstream_"): recount(path) for path in tmp_path.glob("*.jsonl")}

    assert counted(messages)["days"] == days
    assert len(days) > 1


def recount(path: Path) -> dict[str, Any]:
    """Return what the ledger says of a day, from its file alone."""
    lines = path.read_bytes().splitlines(keepends=True)
    events: dict[str, Event] = {}
    duplicates = malformed = 0
    for line in lines:
        try:
            event = from_line(line)
        except BadLine:
            malformed += 1
            continue
        duplicates += event.event_id in events
        events[event.event_id] = event
    products: dict[str, Counter[str]] = defaultdict(Counter)
    categories: dict[str, Counter[str]] = defaultdict(Counter)
    users: dict[str, str] = {}
    for event in events.values():
        field = {"view": "views", "add_to_cart": "carts", "purchase": "purchases"}[event.event_type]
        products[event.product_id][field] += 1
        categories[event.product_category][field] += 1
        users.setdefault(event.user_id, "window_shopper")
        if event.event_type == "purchase":
            users[event.user_id] = "buyer"
            categories[event.product_category]["revenue_minor"] += event.price_minor or 0
    names = ("views", "carts", "purchases")
    return {
        "lines": len(lines),
        "total_events": len(events),
        "duplicates": duplicates,
        "malformed": malformed,
        "revenue_minor": sum(counts["revenue_minor"] for counts in categories.values()),
        "users": users,
        "products": {product: {name: counts[name] for name in names} for product, counts in products.items()},
        "categories": {
            category: {name: counts[name] for name in (*names, "revenue_minor")}
            for category, counts in categories.items()
        },
    }


def test_a_late_event_is_in_its_day_but_in_no_window() -> None:
    late = valid_events(sent(shop(), 1))[0]
    ledger = Ledger(WINDOW, SLIDE, WATERMARK, days=True)

    ledger.sent(late, Fate.LATE)
    ledger.sent(late, Fate.DUPLICATE_LATE)

    written = ledger.as_json(1, {}, 2, 2)
    assert written["windows"] == []
    assert (written["events"], written["late"], written["duplicates"]) == (1, 1, 1)


@settings(deadline=None)
@given(
    offset_ms=st.integers(0, 3_600_000),
    window=st.sampled_from([(10, 5), (10, 10), (15, 5), (10, 4), (7, 3)]),
)
def test_an_event_is_in_every_window_that_starts_by_it_and_ends_after_it(
    offset_ms: int, window: tuple[int, int]
) -> None:
    length, slide = (timedelta(minutes=minutes) for minutes in window)
    event = valid_events(sent(shop(), 1))[0]._replace(timestamp_ms=START_MS + offset_ms)
    ledger = Ledger(length, slide, WATERMARK, days=False)

    ledger.sent(event, Fate.ON_TIME)

    at, slide_ms = event.timestamp_ms, slide // timedelta(milliseconds=1)
    first = (at - 2 * 3_600_000) // slide_ms * slide_ms
    expected = {
        start for start in range(first, at + 1, slide_ms) if start <= at < start + length // timedelta(milliseconds=1)
    }
    assert {start for _, start in window_starts(json.loads(json.dumps(ledger.as_json(1, {}, 1, 1))))} == expected


def test_without_jsonl_it_says_nothing_of_days(messages: list[Sent]) -> None:
    assert counted(messages[:5000], days=False)["days"] == {}


def test_each_poison_message_is_expected_as_one_dead_letter_of_its_reason(messages: list[Sent]) -> None:
    kinds = Counter(message.item.kind.value for message in messages if isinstance(message.item, Poison))
    ledger = counted(messages)

    assert ledger["poison"] == kinds
    assert ledger["dead_letters"] == {
        "bad_framing": kinds["bad_magic"] + kinds["too_short"] + kinds["plain_json"],
        "empty_value": kinds["empty_value"] + kinds["null_value"],
        "future_timestamp": ledger["future"],
        "undecodable_body": kinds["truncated_body"] + kinds["negative_length"] + kinds["garbage_body"],
        "unknown_schema_id": kinds["unknown_schema_id"] + kinds["huge_schema_id"],
    }


def test_it_is_written_whole_into_a_folder_it_makes(tmp_path: Path) -> None:
    write_ledger(tmp_path / "new" / "ledger.json", {"format": 1})

    assert json.loads((tmp_path / "new" / "ledger.json").read_text()) == {"format": 1}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["ledger.json"]
