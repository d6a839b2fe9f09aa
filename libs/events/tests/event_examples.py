"""Many examples of a strategy at once, for doors that are slow to open."""

import os
from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")

EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "2000"))
"""How many examples each door is tried with; more by hand."""


def examples_of(strategy: SearchStrategy[T], count: int = EXAMPLES) -> list[T]:
    """Return `count` different examples, or a few less; the same ones each time."""
    found: list[T] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(example: T) -> None:
        found.append(example)

    collect()
    return found
