"""When a day is whole: it is over, and its input no longer grows."""

from datetime import UTC, datetime, timedelta

import pytest
from batch_days import DAY
from clickwatch_batch.input.whole_day import end_of, why_lake_lacks, why_log_grows, why_not_over

END = datetime(2025, 6, 2, tzinfo=UTC)
GRACE = timedelta(minutes=15)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


def test_a_day_is_over_at_its_last_midnight() -> None:
    assert end_of(DAY) == END
    assert why_not_over(DAY, END) is None
    assert why_not_over(DAY, END - SECOND) == (
        "2025-06-01 is not over before 2025-06-02 00:00 UTC, and it is 2025-06-01 23:59"
    )


@pytest.mark.parametrize(
    ("now", "written_at", "is_whole"),
    [
        (END + MINUTE, END + 30 * SECOND, False),  # somebody writes
        (END + 14 * MINUTE, END + 14 * MINUTE - 59 * SECOND, False),
        (END + MINUTE, END, True),  # quiet for a minute
        (END + GRACE, END + GRACE - SECOND, True),  # whatever writes now, the day has had its time
        (END + timedelta(days=300), END + timedelta(days=300), True),  # a log that was brought just now
    ],
)
def test_a_log_that_grows_just_after_its_day_is_not_whole(now: datetime, written_at: datetime, is_whole: bool) -> None:
    reason = why_log_grows(DAY, now, GRACE, written_at)

    assert (reason is None) == is_whole
    if reason is not None:
        assert "DAY_GRACE (15 min)" in reason


@pytest.mark.parametrize(
    ("now", "closed_until", "is_whole"),
    [
        (END + 2 * timedelta(hours=1), END, True),
        (END + MINUTE, END + MINUTE, True),
        (END + 2 * timedelta(hours=1), END - MINUTE, False),  # streaming is behind
        (END + MINUTE, None, False),  # a lake that does not tell, in the time of grace
        (END + GRACE, None, True),
    ],
)
def test_a_lake_is_whole_when_streaming_has_come_to_the_end_of_the_day(
    now: datetime, closed_until: datetime | None, is_whole: bool
) -> None:
    assert (why_lake_lacks(DAY, now, GRACE, closed_until) is None) == is_whole


def test_the_night_at_two_lies_after_the_grace_of_its_day() -> None:
    two = datetime(2025, 6, 2, 2, tzinfo=UTC)

    assert why_log_grows(DAY, two, GRACE, two) is None
