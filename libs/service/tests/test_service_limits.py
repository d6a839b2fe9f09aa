"""Calls with a limit."""

import threading

import pytest
from clickwatch_service.limits import TookTooLong, within


def test_what_a_call_returns_comes_back() -> None:
    assert within(60, "an answer", lambda: 42) == 42


def test_what_a_call_raises_comes_back_also_a_timeout_of_its_own() -> None:
    def fail() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        within(60, "a failure", fail)


def test_a_call_that_hangs_is_left_behind_and_named() -> None:
    never = threading.Event()

    with pytest.raises(TookTooLong, match=r"a look at the sky took longer than 0\.05 s"):
        within(0.05, "a look at the sky", never.wait)
    never.set()
