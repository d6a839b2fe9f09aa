"""What the next message holds and when it is made, without a clock or a database."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from clickwatch_notifier.changes import Change, Status
from clickwatch_notifier.channels import Channel, Kind
from clickwatch_notifier.composing import Compose, MessageKind, Rest, Waiting, next_message
from clickwatch_notifier.quiet_hours import QuietHours, zone_named
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CHANNEL = Channel(
    name="buyers",
    kind=Kind.WEBHOOK,
    url="http://127.0.0.1:1",
    secret=b"",
    statuses=frozenset(Status),
    categories=None,
    products=None,
    min_views=0,
    quiet_hours=None,
    most_messages=3,
    within=timedelta(minutes=1),
    timeout=timedelta(seconds=10),
    give_up_after=timedelta(days=1),
)
NIGHT = replace(CHANNEL, quiet_hours=QuietHours(time(22), time(7), zone_named("Europe/Berlin")))


def waiting(*products: str, since: datetime = NOON) -> list[Waiting]:
    return [
        Waiting(
            Change(number, product, "laptops", NOON, NOON + timedelta(minutes=10), 101, 2, None, Status.ACTIVE, NOON),
            since,
        )
        for number, product in enumerate(products, 1)
    ]


def test_nothing_to_tell_is_a_rest_until_something_comes() -> None:
    assert next_message(CHANNEL, [], [], NOON) == Rest(None)


def test_changes_of_one_product_are_one_message_and_another_product_waits_for_the_next() -> None:
    assert next_message(CHANNEL, waiting("a", "b", "a"), [], NOON) == Compose(MessageKind.CHANGES, (1, 3))


def test_more_products_than_messages_are_collected_for_a_while_and_then_one_digest() -> None:
    many = waiting("a", "b", "c", "d")

    assert next_message(CHANNEL, many, [], NOON) == Rest(NOON + timedelta(minutes=1))
    assert next_message(CHANNEL, many, [], NOON + timedelta(minutes=1)) == Compose(MessageKind.DIGEST, (1, 2, 3, 4))


def test_a_channel_that_had_its_messages_rests_until_the_first_of_them_is_old_enough() -> None:
    recent = [NOON - timedelta(seconds=50), NOON - timedelta(seconds=20), NOON - timedelta(seconds=1)]

    assert next_message(CHANNEL, waiting("a"), recent, NOON) == Rest(NOON + timedelta(seconds=10))
    assert next_message(CHANNEL, waiting("a"), recent[1:], NOON) == Compose(MessageKind.CHANGES, (1,))


def test_quiet_hours_hold_all_back_and_end_with_a_digest() -> None:
    evening, morning = datetime(2026, 3, 1, 21, 30, tzinfo=UTC), datetime(2026, 3, 2, 6, 0, tzinfo=UTC)

    assert next_message(NIGHT, waiting("a", "b", since=evening), [], evening) == Rest(morning)
    assert next_message(NIGHT, waiting("a", "b", since=evening), [], morning) == Compose(MessageKind.DIGEST, (1, 2))
    assert next_message(NIGHT, waiting("a", since=evening), [], morning) == Compose(MessageKind.CHANGES, (1,))


@pytest.mark.parametrize(
    ("at", "is_quiet"),
    [
        ("2026-01-01T21:00Z", True),
        ("2026-01-01T20:59Z", False),
        ("2026-07-01T20:00Z", True),
        ("2026-07-01T05:00Z", False),
    ],
)
def test_quiet_hours_follow_the_clocks_of_their_zone(at: str, is_quiet: bool) -> None:
    assert NIGHT.quiet_hours is not None
    assert NIGHT.quiet_hours.hold(datetime.fromisoformat(at)) is is_quiet


@given(
    st.times(timezones=st.none()),
    st.times(timezones=st.none()),
    st.timedeltas(timedelta(0), timedelta(days=400)).map(lambda since: NOON + since),
)
def test_quiet_hours_are_over_when_they_say_so(begin: time, end: time, at: datetime) -> None:
    quiet = QuietHours(begin, end, UTC)

    if quiet.hold(at):
        over = quiet.over_after(at)
        assert at < over <= at + timedelta(days=1)
        assert not quiet.hold(over)


@given(st.lists(st.sampled_from("abcdefgh"), max_size=30), st.integers(1, 5))
def test_every_change_is_told_once_and_those_of_a_product_in_order(products: list[str], most: int) -> None:
    channel, left = replace(CHANNEL, most_messages=most), waiting(*products)
    now, made, told = NOON, list[datetime](), list[int]()

    while left:
        decided = next_message(channel, left, [one for one in made if one > now - channel.within], now)
        if isinstance(decided, Rest):
            assert decided.until is not None
            assert decided.until > now
            now = decided.until
            continue
        made.append(now)
        told += decided.outbox_ids
        left = [one for one in left if one.change.outbox_id not in decided.outbox_ids]

    assert sorted(told) == list(range(1, len(products) + 1))
    for product in set(products):
        mine = [number for number in told if products[number - 1] == product]
        assert mine == sorted(mine)
    # A digest at most on top of what a channel takes.
    assert all(sum(one <= other < one + channel.within for other in made) <= most + 1 for one in made)
