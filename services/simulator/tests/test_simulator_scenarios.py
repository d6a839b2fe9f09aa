"""What goes wrong on the way, and by how much."""

from collections import Counter
from datetime import timedelta
from itertools import accumulate

import numpy as np
import pytest
from clickwatch_events import Event, EventType
from clickwatch_service import UserError
from clickwatch_simulator.poison import KINDS, Poison
from clickwatch_simulator.scenarios import Fate, Mishaps, picks_before, untroubled
from clickwatch_simulator.shoppers import Shoppers
from hypothesis import given, settings
from hypothesis import strategies as st
from simulator_traffic import (
    EVERYTHING,
    MINUTE_MS,
    START_MS,
    Sent,
    partition,
    sent,
    shop,
    valid_events,
    windows_as_a_reader_counts_them,
)

EVENTS = 40_000  # at 4 a second: 2 hours 46 minutes


@pytest.fixture(scope="module")
def messages() -> list[Sent]:
    return sent(shop(), EVENTS)


def newest_before(messages: list[Sent], partitions: int) -> list[int]:
    """Return for each message the newest valid event time before it in its partition (0: none)."""
    newest = [0] * partitions
    before = []
    for item, _, fate in messages:
        place = partition(item.user_id if isinstance(item, Event) else item.key, partitions)
        before.append(newest[place])
        if isinstance(item, Event) and fate is not Fate.FUTURE:
            newest[place] = max(newest[place], item.timestamp_ms)
    return before


def test_mishaps_change_no_event_and_lose_none(messages: list[Sent]) -> None:
    as_they_happened = [
        item
        for batch in untroubled(Shoppers(shop()).blocks(), EVENTS)
        for item in batch.items
        if isinstance(item, Event)
    ]

    arrived = sorted(valid_events(messages), key=lambda event: (event.timestamp_ms, event.event_id))

    assert arrived == sorted(as_they_happened, key=lambda event: (event.timestamp_ms, event.event_id))


def test_each_mishap_has_about_its_share(messages: list[Sent]) -> None:
    fates = Counter(message.fate for message in messages if isinstance(message.item, Event))

    assert fates[Fate.OUT_OF_ORDER] / EVENTS == pytest.approx(0.03, abs=0.005)
    assert (fates[Fate.DUPLICATE] + fates[Fate.DUPLICATE_LATE]) / EVENTS == pytest.approx(0.02, abs=0.005)
    assert fates[Fate.LATE] > 300
    assert fates[Fate.DUPLICATE_LATE] > 3
    assert fates[Fate.FUTURE] == EVENTS * 4 // 1000
    assert sum(isinstance(message.item, Poison) for message in messages) == EVENTS * 5 // 1000


def test_late_events_are_an_hour_behind_in_whichever_partition_they_arrive(messages: list[Sent]) -> None:
    for partitions in (1, 2, 12):
        for message, newest in zip(messages, newest_before(messages, partitions), strict=True):
            if message.fate in (Fate.LATE, Fate.DUPLICATE_LATE):
                behind = newest - message.item.timestamp_ms
                assert behind >= 59 * MINUTE_MS
                assert message.due_ms - message.item.timestamp_ms >= 60 * MINUTE_MS


def test_all_others_are_at_most_five_minutes_behind_the_whole_topic(messages: list[Sent]) -> None:
    for message, newest in zip(messages, newest_before(messages, 1), strict=True):
        if isinstance(message.item, Event) and message.fate in (Fate.ON_TIME, Fate.OUT_OF_ORDER, Fate.DUPLICATE):
            assert newest - message.item.timestamp_ms <= 5 * MINUTE_MS


def test_out_of_order_events_are_behind_newer_ones(messages: list[Sent]) -> None:
    for message, newest in zip(messages, newest_before(messages, 1), strict=True):
        if message.fate is Fate.OUT_OF_ORDER:
            assert newest > message.item.timestamp_ms


def test_duplicates_come_within_seconds_and_after_the_original(messages: list[Sent]) -> None:
    first_due: dict[str, int] = {}
    for item, due_ms, fate in messages:
        if not isinstance(item, Event):
            continue
        if fate in (Fate.DUPLICATE, Fate.DUPLICATE_LATE):
            assert 0 <= due_ms - first_due[item.event_id] <= 6000
        else:
            assert item.event_id not in first_due
            first_due[item.event_id] = due_ms


def test_a_future_event_is_a_new_view_thirty_days_ahead_or_more(messages: list[Sent]) -> None:
    known = {event.event_id for event in valid_events(messages)}

    ahead = [(item, due_ms) for item, due_ms, fate in messages if fate is Fate.FUTURE and isinstance(item, Event)]

    assert all(event.timestamp_ms - due_ms >= 30 * 24 * 60 * MINUTE_MS for event, due_ms in ahead)
    assert {event.event_type for event, _ in ahead} == {EventType.VIEW}
    assert not known & {event.event_id for event, _ in ahead}


def test_poison_comes_in_every_kind_equally_often(messages: list[Sent]) -> None:
    kinds = Counter(message.item.kind for message in messages if isinstance(message.item, Poison))

    assert set(kinds) == set(KINDS)
    assert max(kinds.values()) - min(kinds.values()) <= 1


def test_due_times_never_go_back_and_no_event_is_sent_before_it_happened(messages: list[Sent]) -> None:
    due = [message.due_ms for message in messages]

    assert due == list(accumulate(due, max))
    assert all(message.due_ms >= message.item.timestamp_ms for message in messages if message.fate is not Fate.FUTURE)
    assert due[-1] <= START_MS + EVENTS * 250 + 6000


@pytest.mark.parametrize("partitions", [1, 2, 3, 12])
def test_whether_an_event_counts_does_not_depend_on_the_partitions(messages: list[Sent], partitions: int) -> None:
    punctual = [message for message in messages if message.fate not in (Fate.LATE, Fate.DUPLICATE_LATE)]

    assert windows_as_a_reader_counts_them(messages, partitions) == windows_as_a_reader_counts_them(punctual, 1)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.3, 3.0, 60.0, 2000.0]))
def test_the_same_seed_gives_the_same_messages(seed: int, rate: float) -> None:
    assert sent(shop(seed, rate), 8000) == sent(shop(seed, rate), 8000)


def test_without_late_events_a_run_without_end_starts_as_one_with_an_end() -> None:
    punctual = Mishaps(duplicates=0.02, future=0.004, poison=0.005)

    short, long = sent(shop(), 5000, punctual), sent(shop(), 30_000, punctual)

    assert [message.item for message in short[:4900]] == [message.item for message in long[:4900]]


@given(total=st.integers(0, 5000), share=st.sampled_from([0.0, 0.001, 0.005, 0.01, 0.3, 0.5]))
def test_picks_are_the_share_of_the_events_exactly(total: int, share: float) -> None:
    picks = np.diff(picks_before(np.arange(total + 1), share))

    assert picks.sum() == total * round(share * 1000) // 1000
    assert set(picks.tolist()) <= {0, 1}


def test_a_lateness_that_might_still_count_is_refused() -> None:
    mishaps = Mishaps(late=0.01, late_by=timedelta(minutes=25))

    with pytest.raises(UserError, match=r"--late-by=0:25:00: must be at least 0:30:00"):
        mishaps.check(100, timedelta(minutes=10), timedelta(minutes=10))


def test_late_events_in_too_thin_a_traffic_are_refused() -> None:
    with pytest.raises(UserError, match="raise either"):
        Mishaps(late=0.01).check(0.01, timedelta(minutes=10), timedelta(minutes=10))


def test_out_of_order_events_need_a_watermark_that_waits_for_them() -> None:
    with pytest.raises(UserError, match="WATERMARK"):
        Mishaps(out_of_order=0.01).check(100, timedelta(minutes=10), timedelta(minutes=5))


def test_a_share_above_one_half_is_refused() -> None:
    with pytest.raises(UserError, match=r"--duplicates=0\.7: must be a share"):
        Mishaps(duplicates=0.7).check(100, timedelta(minutes=10), timedelta(minutes=10))


def test_everything_together_is_allowed() -> None:
    EVERYTHING.check(4.0, timedelta(minutes=10), timedelta(minutes=10))
