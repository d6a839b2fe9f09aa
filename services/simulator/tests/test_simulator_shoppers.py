"""The traffic without mishaps."""

from collections import Counter, defaultdict
from itertools import islice
from uuid import UUID

import numpy as np
import pytest
from clickwatch_events import Event, EventType
from clickwatch_simulator.catalogue import CATEGORIES, popularity, products
from clickwatch_simulator.shoppers import Shop, Shoppers, uuids, visits
from hypothesis import given, settings
from hypothesis import strategies as st

START_MS = 1_748_736_000_000  # 2025-06-01T00:00:00Z


def first_events(shop: Shop, count: int) -> list[Event]:
    events: list[Event] = []
    for block in Shoppers(shop).blocks():
        events += block.events
        if len(events) >= count:
            return events[:count]
    raise AssertionError("the traffic ended")


@pytest.mark.parametrize("rate", [0.2, 10.0, 5000.0])
def test_a_long_run_has_70_percent_views_20_percent_carts_and_10_percent_purchases(rate: float) -> None:
    events = first_events(Shop(seed=1, start_ms=START_MS, rate=rate), 200_000)

    types = Counter(event.event_type for event in events)

    assert types[EventType.VIEW] / len(events) == pytest.approx(0.7, abs=0.01)
    assert types[EventType.ADD_TO_CART] / len(events) == pytest.approx(0.2, abs=0.01)
    assert types[EventType.PURCHASE] / len(events) == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("users", [1, 3, 1000])
def test_a_purchase_follows_a_view_and_a_cart_of_the_same_product_by_the_same_user(users: int) -> None:
    viewed: Counter[tuple[str, str]] = Counter()
    carted: Counter[tuple[str, str]] = Counter()

    for event in first_events(Shop(seed=2, start_ms=START_MS, rate=100, users=users), 50_000):
        place = (event.user_id, event.product_id)
        match event.event_type:
            case EventType.VIEW:
                viewed[place] += 1
            case EventType.ADD_TO_CART:
                carted[place] += 1
                assert viewed[place] >= carted[place]
            case EventType.PURCHASE:
                carted[place] -= 1
                assert carted[place] >= 0


@settings(max_examples=20, deadline=None)
@given(users=st.integers(1, 400), rate=st.sampled_from([0.5, 20.0, 3000.0]), seed=st.integers(0, 99))
def test_the_sessions_of_a_user_never_overlap(users: int, rate: float, seed: int) -> None:
    shop = Shop(seed=seed, start_ms=START_MS, rate=rate, users=users, v1_share=0.0)
    ended: dict[str, set[str]] = defaultdict(set)
    current: dict[str, str] = {}

    for event in first_events(shop, 5000):
        assert event.session_id is not None
        if current.get(event.user_id) != event.session_id:
            assert event.session_id not in ended[event.user_id]
            ended[event.user_id].add(current.get(event.user_id, ""))
            current[event.user_id] = event.session_id


def test_popularity_is_zipf_the_tenth_product_gets_a_tenth_of_the_first() -> None:
    views = Counter(
        event.product_id
        for event in first_events(Shop(seed=3, start_ms=START_MS, rate=50), 300_000)
        if event.event_type is EventType.VIEW
    )

    for rank in (2, 5, 10, 50):
        assert views[f"product_{rank}"] / views["product_1"] == pytest.approx(1 / rank, rel=0.15)


def test_shares_of_popularity_add_up_to_one_and_leave_out_whom_they_should() -> None:
    shares = np.diff(popularity(4, without=frozenset({1})), prepend=0.0)

    assert shares.tolist() == pytest.approx([12 / 19, 0, 4 / 19, 3 / 19])


def test_event_i_happens_within_the_i_th_interval_and_time_never_goes_back() -> None:
    events = first_events(Shop(seed=4, start_ms=START_MS, rate=2.0), 30_000)

    times = [event.timestamp_ms - START_MS for event in events]

    assert all(500 * i <= time < 500 * (i + 1) for i, time in enumerate(times))


def test_the_times_beside_a_block_are_those_of_its_events() -> None:
    for block in islice(Shoppers(Shop(seed=5, start_ms=START_MS, rate=30)).blocks(), 3):
        assert [event.timestamp_ms for event in block.events] == block.times_ms.tolist()


def test_the_same_seed_and_start_give_the_same_events_ids_included() -> None:
    shop = Shop(seed=6, start_ms=START_MS, rate=100)

    assert first_events(shop, 60_000) == first_events(shop, 60_000)


def test_the_same_seed_at_another_start_gives_the_same_shoppers_with_other_ids() -> None:
    at_midnight = first_events(Shop(seed=6, start_ms=START_MS, rate=100), 30_000)
    an_hour_later = first_events(Shop(seed=6, start_ms=START_MS + 3_600_000, rate=100), 30_000)

    assert [event[1:5] for event in at_midnight] == [event[1:5] for event in an_hour_later]
    assert not {event.event_id for event in at_midnight} & {event.event_id for event in an_hour_later}


def test_another_seed_gives_other_shoppers() -> None:
    one = first_events(Shop(seed=7, start_ms=START_MS, rate=100), 1000)
    other = first_events(Shop(seed=8, start_ms=START_MS, rate=100), 1000)

    assert [event[1:5] for event in one] != [event[1:5] for event in other]


def test_event_ids_are_random_uuids_and_all_different() -> None:
    ids = [event.event_id for event in first_events(Shop(seed=9, start_ms=START_MS, rate=100), 50_000)]

    assert len(set(ids)) == len(ids)
    assert {UUID(text).version for text in ids} == {4}
    assert all(str(UUID(text)) == text for text in ids)


@given(st.binary(min_size=16, max_size=16))
def test_sixteen_bytes_become_the_uuid_that_the_standard_library_makes(raw: bytes) -> None:
    assert uuids(np.frombuffer(raw, dtype=np.uint8).reshape(1, 16)) == [str(UUID(bytes=raw, version=4))]


def test_version_1_sessions_have_no_session_price_or_currency_and_version_2_ones_all_three() -> None:
    events = first_events(Shop(seed=10, start_ms=START_MS, rate=100, v1_share=0.3), 50_000)
    prices = {product.product_id: product.price_minor for product in products(100)}

    old = [event for event in events if event.session_id is None]

    assert len(old) / len(events) == pytest.approx(0.3, abs=0.03)
    assert all(event.price_minor is None and event.currency is None for event in old)
    assert all(
        event.price_minor == prices[event.product_id] and event.currency == "EUR"
        for event in events
        if event.session_id is not None
    )


def test_users_products_and_categories_are_those_of_the_specification() -> None:
    events = first_events(Shop(seed=11, start_ms=START_MS, rate=100, users=20, product_count=16), 20_000)

    assert {event.user_id for event in events} == {f"user_{number}" for number in range(1, 21)}
    assert {event.product_id for event in events} == {f"product_{number}" for number in range(1, 17)}
    assert {event.product_category for event in events} == set(CATEGORIES)


@given(users=st.integers(1, 300), seed=st.integers(0, 1000))
def test_every_user_visits_and_two_visits_are_at_least_the_stated_distance_apart(users: int, seed: int) -> None:
    turns = visits(users, np.random.default_rng(seed))
    twice = [*turns.ring.tolist(), *turns.ring.tolist()]

    assert set(twice) == set(range(users))
    for place, user in enumerate(twice):
        assert user not in twice[max(0, place - turns.distance + 1) : place]


def test_some_users_only_look() -> None:
    events = first_events(Shop(seed=12, start_ms=START_MS, rate=100, users=100), 100_000)

    buyers = {event.user_id for event in events if event.event_type is EventType.PURCHASE}

    assert len(buyers) == 75
