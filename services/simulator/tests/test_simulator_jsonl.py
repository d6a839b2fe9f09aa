"""The daily log."""

import json
from pathlib import Path

import pytest
from clickwatch_events import Event, EventType, from_line
from clickwatch_service import UserError
from clickwatch_simulator.jsonl import DayFiles, ReplacedDay
from clickwatch_simulator.poison import Poison, PoisonKind
from hypothesis import given, settings
from hypothesis import strategies as st

MIDNIGHT_MS = 1_748_736_000_000  # 2025-06-01T00:00:00Z
DAY_MS = 86_400_000


def event(timestamp_ms: int) -> Event:
    return Event("6b0e7e0e-6f1e-4b7e-8a53-9d2a6c1f0b11", "user_1", "product_1", "tablets", EventType.VIEW, timestamp_ms)


def test_the_last_millisecond_of_a_day_and_the_first_of_the_next_go_to_different_files(tmp_path: Path) -> None:
    with DayFiles(tmp_path) as files:
        files.write([event(MIDNIGHT_MS - 1), event(MIDNIGHT_MS)])

    assert from_line((tmp_path / "clickstream_2025-05-31.jsonl").read_bytes()) == event(MIDNIGHT_MS - 1)
    assert from_line((tmp_path / "clickstream_2025-06-01.jsonl").read_bytes()) == event(MIDNIGHT_MS)


@settings(max_examples=30, deadline=None)
@given(days=st.lists(st.integers(0, 30), min_size=1, max_size=60))
def test_each_event_is_in_the_file_of_its_utc_day_in_the_order_of_writing(
    tmp_path_factory: pytest.TempPathFactory, days: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    events = [event(MIDNIGHT_MS + day * DAY_MS + at) for at, day in enumerate(days)]

    with DayFiles(folder) as files:
        for one in events:
            files.write([one])

    written = {path.name: [from_line(line) for line in path.open("rb")] for path in folder.iterdir()}
    assert sum(len(lines) for lines in written.values()) == len(events)
    for day in set(days):
        name = f"clickstream_2025-06-{day + 1:02d}.jsonl" if day < 30 else "clickstream_2025-07-01.jsonl"
        assert written[name] == [one for one, its_day in zip(events, days, strict=True) if its_day == day]


def test_poison_leaves_its_bad_line_in_the_file_of_the_day_it_was_sent(tmp_path: Path) -> None:
    bad = Poison(PoisonKind.EMPTY_VALUE, "user_1", b"", b"not an event\n", MIDNIGHT_MS + 5)

    with DayFiles(tmp_path) as files:
        files.write([bad])

    assert (tmp_path / "clickstream_2025-06-01.jsonl").read_bytes() == b"not an event\n"


def test_a_version_1_event_has_no_session_price_or_currency_in_its_line(tmp_path: Path) -> None:
    with DayFiles(tmp_path) as files:
        files.write([event(MIDNIGHT_MS)])

    assert set(json.loads((tmp_path / "clickstream_2025-06-01.jsonl").read_text())) == {
        "event_id",
        "user_id",
        "product_id",
        "product_category",
        "event_type",
        "timestamp",
    }


def test_a_second_run_appends(tmp_path: Path) -> None:
    for _ in range(2):
        with DayFiles(tmp_path) as files:
            files.write([event(MIDNIGHT_MS)])

    assert len((tmp_path / "clickstream_2025-06-01.jsonl").read_bytes().splitlines()) == 2


def test_a_line_torn_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "clickstream_2025-06-01.jsonl"
    path.write_bytes(b'{"event_id":"6b0')

    with DayFiles(tmp_path) as files:
        files.write([event(MIDNIGHT_MS)])

    torn, whole = path.read_bytes().splitlines()
    assert torn == b'{"event_id":"6b0'
    assert from_line(whole) == event(MIDNIGHT_MS)


def test_flushed_lines_can_be_read_while_the_run_goes_on(tmp_path: Path) -> None:
    with DayFiles(tmp_path) as files:
        files.write([event(MIDNIGHT_MS)])
        files.flush()

        assert from_line((tmp_path / "clickstream_2025-06-01.jsonl").read_bytes()) == event(MIDNIGHT_MS)


def test_a_replaced_day_takes_the_place_of_its_file_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "clickstream_2025-06-01.jsonl"
    path.write_bytes(b"before\n")

    with ReplacedDay(tmp_path, "2025-06-01") as day:
        day.write([event(MIDNIGHT_MS)])
        day.flush()
        assert path.read_bytes() == b"before\n"

    assert from_line(path.read_bytes()) == event(MIDNIGHT_MS)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_replaced_day_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "clickstream_2025-06-01.jsonl"
    path.write_bytes(b"before\n")

    def half_a_day() -> None:
        with ReplacedDay(tmp_path, "2025-06-01") as day:
            day.write([event(MIDNIGHT_MS)])
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_a_day()

    assert path.read_bytes() == b"before\n"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_folder_that_cannot_be_made_is_named_with_the_variable_to_set(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(UserError, match=r"data/logs: cannot be made .*: set DATA_DIR"):
        DayFiles(tmp_path / "data" / "logs")
