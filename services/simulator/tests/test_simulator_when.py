"""Instants, days and durations of a command line."""

from datetime import UTC, date, datetime, timedelta

import pytest
from clickwatch_service import UserError
from clickwatch_simulator.when import duration, instant_ms, midnight_ms, utc_day

NOW = datetime(2025, 6, 2, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", NOW),
        ("-30m", NOW - timedelta(minutes=30)),
        ("+2 hours", NOW + timedelta(hours=2)),
        ("2025-06-01T12:00Z", datetime(2025, 6, 1, 12, tzinfo=UTC)),
        ("2025-06-01T12:00+02:00", datetime(2025, 6, 1, 10, tzinfo=UTC)),
        ("2025-06-01T12:00", datetime(2025, 6, 1, 12, tzinfo=UTC)),
    ],
)
def test_an_instant_is_now_relative_or_iso_and_utc_unless_it_says(text: str, expected: datetime) -> None:
    assert instant_ms("--start-time", text, NOW) == expected.timestamp() * 1000


@pytest.mark.parametrize("text", ["soon", "-", "-30x", "2025-13-01"])
def test_what_is_no_instant_is_refused_by_the_name_of_its_option(text: str) -> None:
    with pytest.raises(UserError, match=f"^--start-time={text}"):
        instant_ms("--start-time", text, NOW)


def test_yesterday_is_the_utc_day_before() -> None:
    assert utc_day("--date", "yesterday", NOW) == date(2025, 6, 1)
    assert utc_day("--date", "2025-02-28", NOW) == date(2025, 2, 28)
    with pytest.raises(UserError, match="--date=2025-02-30: must be"):
        utc_day("--date", "2025-02-30", NOW)


def test_a_day_begins_at_midnight_utc() -> None:
    assert midnight_ms(date(2025, 6, 1)) == 1_748_736_000_000


def test_a_duration_that_is_none_is_refused_by_the_name_of_its_option() -> None:
    assert duration("--late-by", "1h") == timedelta(hours=1)
    with pytest.raises(UserError, match="--late-by=long: must be a duration"):
        duration("--late-by", "long")
