"""Made-up days, and a recount of them in plain Python that shares nothing with the code under test."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from clickwatch_batch.input.log_file import LogFile, count_lines
from clickwatch_batch.input.storage import Location
from clickwatch_events.jsonl import why_no_event

DAY = date(2025, 6, 1)


def line(**fields: object) -> bytes:
    """Return a line of a valid event of DAY, without newline; `field=...` changes one, `field=None` leaves it out."""
    record = {
        "user_id": "user_1",
        "product_id": "product_1",
        "product_category": "gaming",
        "event_type": "view",
        "timestamp": "2025-06-01T12:00:00.000Z",
        **fields,
    }
    return json.dumps({name: value for name, value in record.items() if value is not None}).encode()


def log_of(folder: Path, lines: Iterable[bytes], day: date = DAY) -> LogFile:
    """Write a day's log and return it counted, as an engine takes it."""
    return count_lines(Location(str(write_log(folder, lines, day))))


def write_log(logs_dir: Path, lines: Iterable[bytes], day: date = DAY) -> Path:
    """Write a day's log and return its path."""
    logs_dir.mkdir(parents=True, exist_ok=True)
    log = logs_dir / f"clickstream_{day}.jsonl"
    log.write_bytes(b"".join(each + b"\n" for each in lines))
    return log


@dataclass
class Recount:
    """What a day's lines amount to."""

    malformed: list[int] = field(default_factory=list)  # line numbers
    other_day: int = 0
    duplicates: int = 0
    events: list[dict[str, object]] = field(default_factory=list)

    def counts(self, key: str) -> dict[str, Counter[str]]:
        """Return for each value of a field how many events of each type it has."""
        found: dict[str, Counter[str]] = {}
        for event in self.events:
            found.setdefault(str(event[key]), Counter())[str(event["event_type"])] += 1
        return found

    def revenue(self, key: str, value: str) -> int:
        """Return the prices of purchases whose field has a value, added up."""
        return sum(
            int(str(event.get("price_minor") or 0))
            for event in self.events
            if event[key] == value and event["event_type"] == "purchase"
        )


def recount(lines: Iterable[bytes], day: date = DAY) -> Recount:
    """Return what the rules of the spec make of lines, one by one."""
    result = Recount()
    seen: set[str] = set()
    for number, raw in enumerate(lines, start=1):
        event = _event(raw)
        if event is None:
            result.malformed.append(number)
            continue
        start = datetime(day.year, day.month, day.day, tzinfo=UTC)
        if not start <= datetime.fromisoformat(str(event["timestamp"])) < start + timedelta(days=1):
            result.other_day += 1
        elif event.get("event_id") and str(event["event_id"]) in seen:
            result.duplicates += 1
        else:
            seen.add(str(event.get("event_id")))
            result.events.append(event)
    return result


def per_cent(part: int, whole: int) -> Decimal:
    """Return part / whole * 100, two decimals, half up; 0 for nothing."""
    if whole == 0:
        return Decimal("0.00")
    return (Decimal(part) * 100 / Decimal(whole)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _event(raw: bytes) -> dict[str, object] | None:
    try:
        record = json.loads(raw.decode("utf-8"))
    except ValueError:
        return None
    return record if isinstance(record, dict) and why_no_event(record) is None else None
