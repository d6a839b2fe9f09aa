"""Waiting for what a pipeline will show."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

T = TypeVar("T")


def eventually(
    look: Callable[[], T], expected: T, require: Callable[[], None] = lambda: None, timeout_seconds: float = 300
) -> T:
    """Return what is seen once it is as expected, or what is seen at the deadline, to be compared by the caller.

    Args:
        look: what to look at, again and again.
        expected: what ends the waiting.
        require: raises where waiting makes no sense any more, because what is watched has ended.
        timeout_seconds: the deadline.
    """

    def seen() -> T:
        require()
        return look()

    return Retrying(
        retry=retry_if_result(lambda value: value != expected),
        wait=wait_fixed(0.5),
        stop=stop_after_delay(timeout_seconds),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )(seen)
