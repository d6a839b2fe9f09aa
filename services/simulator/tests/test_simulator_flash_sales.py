"""Flash sales against the speed layer's alert condition: views > 100 and purchases < 5 in ten minutes by five."""

from collections import defaultdict

import pytest
from clickwatch_events import Event, EventType
from clickwatch_service import UserError
from clickwatch_simulator.flash_sales import FlashSale, flash_sale
from clickwatch_simulator.shoppers import Shop, Shoppers

START_MS = 1_748_736_000_000
MINUTE_MS = 60_000


def sale(product: str, *, retracted: bool = False) -> FlashSale:
    return flash_sale(product, 100, retracted=retracted, views_threshold=100, purchases_threshold=5, window_seconds=600)


def events_of(shop: Shop, minutes: int) -> list[Event]:
    events: list[Event] = []
    for block in Shoppers(shop).blocks():
        events += [event for event in block.events if event.timestamp_ms < START_MS + minutes * MINUTE_MS]
        if block.events[-1].timestamp_ms >= START_MS + minutes * MINUTE_MS:
            return events
    raise AssertionError("the traffic ended")


def whole_windows(events: list[Event], product: str, minutes: int) -> dict[int, tuple[int, int]]:
    """Return (views, purchases) by window start in minutes, of windows that lie in the run."""
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for event in events:
        minute = (event.timestamp_ms - START_MS) / MINUTE_MS
        for start in range(0, minutes - 9, 5):
            if event.product_id == product and start <= minute < start + 10:
                counts[start][0] += event.event_type is EventType.VIEW
                counts[start][1] += event.event_type is EventType.PURCHASE
    return {start: (views, purchases) for start, (views, purchases) in counts.items()}


@pytest.mark.parametrize("rate", [2.0, 10.0, 40.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_each_whole_window_of_a_flash_sale_has_many_views_and_few_purchases(rate: float, seed: int) -> None:
    shop = Shop(seed=seed, start_ms=START_MS, rate=rate, flash_sales=(sale("product_7"),))

    windows = whole_windows(events_of(shop, 60), "product_7", 60)

    assert len(windows) == 11
    assert all(views > 100 and purchases < 5 for views, purchases in windows.values())
    assert any(purchases > 0 for _, purchases in windows.values())


@pytest.mark.parametrize("rate", [2.0, 10.0, 40.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_retracted_flash_sale_first_fires_and_then_sells(rate: float, seed: int) -> None:
    shop = Shop(seed=seed, start_ms=START_MS, rate=rate, flash_sales=(sale("product_9", retracted=True),))
    views = purchases = 0
    fired_at = retracted_at = None

    for event in events_of(shop, 10):
        if event.product_id == "product_9":
            views += event.event_type is EventType.VIEW
            purchases += event.event_type is EventType.PURCHASE
            if fired_at is None and views > 100 and purchases < 5:
                fired_at = event.timestamp_ms
            if retracted_at is None and purchases >= 5:
                retracted_at = event.timestamp_ms

    assert fired_at is not None
    assert retracted_at is not None
    assert fired_at + 10_000 < retracted_at < START_MS + 5 * MINUTE_MS


def test_both_kinds_go_together() -> None:
    both = (sale("product_7"), sale("product_9", retracted=True))
    events = events_of(Shop(seed=4, start_ms=START_MS, rate=20, flash_sales=both), 60)

    assert all(views > 100 and bought < 5 for views, bought in whole_windows(events, "product_7", 60).values())
    assert all(views > 100 and bought >= 5 for views, bought in whole_windows(events, "product_9", 60).values())


def test_a_flash_sale_buyer_looks_and_carts_first() -> None:
    shop = Shop(seed=5, start_ms=START_MS, rate=20, flash_sales=(sale("product_9", retracted=True),))
    steps: dict[str, list[EventType]] = defaultdict(list)

    for event in events_of(shop, 60):
        if event.product_id == "product_9":
            steps[event.user_id].append(event.event_type)
            if event.event_type is EventType.PURCHASE:
                assert EventType.VIEW in steps[event.user_id]
                assert steps[event.user_id][-2] is EventType.ADD_TO_CART


def test_a_product_that_is_not_in_the_catalogue_is_refused() -> None:
    with pytest.raises(UserError, match="product_1 … product_100"):
        sale("product_101")


def test_a_rate_too_low_for_the_alert_is_refused_with_the_rate_that_would_do() -> None:
    with pytest.raises(UserError, match=r"raise --rate to 1\.2 "):
        Shoppers(Shop(seed=1, start_ms=START_MS, rate=0.5, flash_sales=(sale("product_7"),)))

    Shoppers(Shop(seed=1, start_ms=START_MS, rate=1.2, flash_sales=(sale("product_7"),)))


def test_flash_sales_leave_other_products_for_other_shoppers() -> None:
    with pytest.raises(UserError, match="raise NUM_PRODUCTS"):
        Shoppers(Shop(seed=1, start_ms=START_MS, rate=50, product_count=1, flash_sales=(FlashSale(0, 1.0),)))


def test_one_product_cannot_have_two_flash_sales() -> None:
    twice = (sale("product_7"), sale("product_7", retracted=True))

    with pytest.raises(UserError, match="once"):
        Shoppers(Shop(seed=1, start_ms=START_MS, rate=50, flash_sales=twice))
