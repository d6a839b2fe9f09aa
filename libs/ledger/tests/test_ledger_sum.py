"""Ledgers of several runs on one topic, added up."""

import json
from datetime import UTC, datetime
from pathlib import Path

from clickwatch_ledger import Counts, Ledger, eventually

START = datetime(2025, 6, 1, 12, tzinfo=UTC)


def _run(folder: Path, name: str, newest: str, views: int, purchases: int, segment: str) -> Path:
    window = {"product_id": "product_7", "window_start": START.isoformat()}
    counts = {"views": views, "carts": 1, "purchases": purchases}
    day = {
        "lines": 10,
        "total_events": 9,
        "duplicates": 1,
        "malformed": 0,
        "revenue_minor": 100,
        "users": {"user_1": segment},
        "products": {"product_7": counts},
        "categories": {"gaming": {**counts, "revenue_minor": 100}},
    }
    run = {
        **dict.fromkeys(("events", "duplicates", "late", "out_of_order", "future"), 2),
        "by_schema_version": {"1": 1, "2": 1},
        "poison": {"empty": 1},
        "dead_letters": {"framing": 1},
        "kafka": {"acknowledged": 3},
        "newest_timestamp": newest,
        "watermark_seconds": 600,
        "windows": [{**window, **counts, "total_events": views + 1 + purchases}],
        "days": {"2025-06-01": day},
    }
    file = folder / name
    file.write_text(json.dumps(run))
    return file


def test_windows_and_days_of_several_runs_add_up(tmp_path: Path) -> None:
    ledger = Ledger(
        [
            _run(tmp_path, "1.json", "2025-06-01T12:09:00+00:00", 60, 1, "buyer"),
            _run(tmp_path, "2.json", "2025-06-01T12:15:00+00:00", 50, 2, "window_shopper"),
        ]
    )

    assert ledger.windows == {("product_7", START): Counts(110, 2, 3)}
    assert ledger.alerts(closed=False) == {("product_7", START): (110, 3)}
    assert ledger.day("2025-06-01").users == {"user_1": "buyer"}
    assert ledger.day("2025-06-01").products == {"product_7": Counts(110, 2, 3)}
    assert ledger.dead_letters == {"framing": 2}


def test_a_window_is_closed_once_the_newest_event_of_any_run_is_past_it_by_the_watermark(tmp_path: Path) -> None:
    still_open = Ledger([_run(tmp_path, "1.json", "2025-06-01T12:19:59+00:00", 1, 1, "buyer")])
    closed = Ledger([_run(tmp_path, "2.json", "2025-06-01T12:20:00+00:00", 1, 1, "buyer")])

    assert still_open.closed == {}
    assert list(closed.closed) == [("product_7", START)]


def test_what_is_seen_at_the_deadline_is_returned_to_be_compared() -> None:
    assert eventually(lambda: 1, 2, timeout_seconds=0) == 1
