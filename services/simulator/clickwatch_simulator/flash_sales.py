"""Products that many look at and few buy, so that an alert must fire.

Flash-sale shoppers take the place of a share of the ordinary sessions; a product on flash sale
has no other traffic, so its numbers are this module's alone.
"""

import math
from dataclasses import dataclass

import numpy as np
from clickwatch_service import UserError
from numpy.typing import NDArray

FLASH_VIEWS_A_SESSION = 2.0
"""Flash-sale shoppers look one to three times."""
_LEAST_SHARE = 0.1
_MOST_SHARE = 0.6
_SECONDS_BETWEEN_PURCHASES = 300.0
_SECONDS_TO_RETRACTION = 60.0


@dataclass(frozen=True)
class FlashSale:
    """One product on flash sale.

    Attributes:
        product: its place in the catalogue, counted from 0.
        views_a_second: how often it is looked at at least: enough to pass the alert's threshold
            four times in a window.
        views_to_retraction: None: hardly anybody buys, the alert stands. A number: after each
            so many views (and at least a minute of them) `purchases_to_retraction` shoppers buy.
        purchases_to_retraction: enough for the alert to be retracted.
    """

    product: int
    views_a_second: float
    views_to_retraction: int | None = None
    purchases_to_retraction: int = 8


def flash_sale(
    product_id: str,
    product_count: int,
    *,
    retracted: bool,
    views_threshold: int,
    purchases_threshold: int,
    window_seconds: float,
) -> FlashSale:
    """Return the flash sale of a product that passes the thresholds of the speed layer.

    Raises:
        UserError: there is no such product.
    """
    number = product_id.removeprefix("product_")
    if not number.isdecimal() or not 1 <= int(number) <= product_count:
        raise UserError(f"product {product_id!r}: must be product_1 … product_{product_count} (NUM_PRODUCTS)")
    return FlashSale(
        int(number) - 1,
        views_a_second=4 * (views_threshold + 1) / window_seconds,
        views_to_retraction=math.ceil(1.4 * (views_threshold + 1)) if retracted else None,
        purchases_to_retraction=purchases_threshold + 3,
    )


class FlashSessions:
    """Says which sessions are a flash-sale shopper's and which of those buy."""

    def __init__(self, sales: tuple[FlashSale, ...], rate: float, ordinary_length: float) -> None:
        """Work out the shares.

        Args:
            sales: the products on flash sale.
            rate: events a second of the whole traffic.
            ordinary_length: events of an ordinary session on average.

        Raises:
            UserError: the rate is too low for the thresholds to be passed, or a product is named twice.
        """
        if len({sale.product for sale in sales}) < len(sales):
            raise UserError("a product can have one flash sale only: name each product once")
        of_events = [max(_LEAST_SHARE, sale.views_a_second / rate) for sale in sales]
        total = sum(of_events)
        if total > _MOST_SHARE:
            needed = sum(sale.views_a_second for sale in sales) / _MOST_SHARE
            raise UserError(
                f"{len(sales)} flash sales at {rate:g} events a second are too little for their alerts to fire: "
                f"raise --rate to {math.ceil(10 * needed) / 10:g} (a backfill's --events to "
                f"{math.ceil(needed * 86_400)}) or name fewer products"
            )
        # From a share of events to a share of sessions: flash-sale sessions are shorter.
        self.share = (
            total * ordinary_length / (total * ordinary_length + (1 - total) * FLASH_VIEWS_A_SESSION) if sales else 0.0
        )
        session_length = (1 - self.share) * ordinary_length + self.share * FLASH_VIEWS_A_SESSION
        self._sales = sales
        self._products = np.array([sale.product for sale in sales] or [-1], dtype=np.int64)
        self._upto = np.cumsum(of_events) / total * self.share if sales else np.zeros(1)
        sessions_a_second = rate / session_length
        self._few_every = max(20, math.ceil(_SECONDS_BETWEEN_PURCHASES * sessions_a_second))
        self._many_every = [
            max(
                math.ceil((sale.views_to_retraction or 0) / FLASH_VIEWS_A_SESSION / (self.share * part / total)),
                math.ceil(_SECONDS_TO_RETRACTION * sessions_a_second),
                2 * sale.purchases_to_retraction * len(sales),
            )
            for sale, part in zip(sales, of_events, strict=True)
        ]

    def sessions(
        self, session: NDArray[np.int64], rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Return for each session number the flash-sale product it is about (-1: none) and whether it buys."""
        drawn = rng.random(len(session))
        sale = np.searchsorted(self._upto, drawn, side="right")
        product = np.where(drawn < self.share, self._products[np.minimum(sale, len(self._products) - 1)], -1)
        buys = np.zeros(len(session), dtype=bool)
        # The first purchases come late in their period, after the views that make the alert;
        # different products take turns.
        for number, (one, many_every) in enumerate(zip(self._sales, self._many_every, strict=True)):
            if one.views_to_retraction is None:
                chosen = session % self._few_every == self._few_every - 1 - number
            else:
                turn = many_every - 1 - session % many_every
                chosen = (turn % len(self._sales) == number) & (turn < one.purchases_to_retraction * len(self._sales))
            product[chosen] = one.product
            buys[chosen] = True
        return product, buys
