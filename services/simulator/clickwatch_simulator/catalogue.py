"""What the simulated shop sells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CATEGORIES = ("smartphones", "laptops", "tablets", "headphones", "smartwatches", "cameras", "gaming", "accessories")
_BASE_PRICES_MINOR = (69_900, 129_900, 44_900, 14_900, 24_900, 79_900, 49_900, 2_900)
CURRENCY = "EUR"


@dataclass(frozen=True)
class Product:
    """One product.

    Attributes:
        product_id: `product_1` is the most popular.
        category: one of CATEGORIES.
        price_minor: its price in cents, the same in every run.
    """

    product_id: str
    category: str
    price_minor: int


def products(count: int) -> list[Product]:
    """Return the catalogue, most popular product first."""
    return [
        Product(
            f"product_{number}",
            CATEGORIES[(number - 1) % len(CATEGORIES)],
            _BASE_PRICES_MINOR[(number - 1) % len(CATEGORIES)] * (70 + number * 37 % 61) // 100 // 100 * 100 + 99,
        )
        for number in range(1, count + 1)
    ]


def popularity(count: int, without: frozenset[int] = frozenset()) -> NDArray[np.float64]:
    """Return the cumulative share of visits of products 0 … count-1: Zipf, the k-th gets 1/k of the first.

    Args:
        count: how many products.
        without: products left out (their traffic is a scenario's).
    """
    weights = 1.0 / np.arange(1, count + 1)
    weights[sorted(without)] = 0.0
    cumulative = np.cumsum(weights)
    return np.asarray(cumulative / cumulative[-1], dtype=np.float64)
