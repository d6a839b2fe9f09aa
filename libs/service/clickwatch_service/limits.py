"""Calls that may hang for good, such as those of native libraries, made to end."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")


class TookTooLong(Exception):
    """A call was not back within its limit; its message names the call and the limit."""


def within(limit_seconds: float, what: str, call: Callable[[], T]) -> T:
    """Return what `call` returns, or raise what it raises, if it is back within the limit.

    A call that is not goes on in a thread of its own, which does not keep the process from ending.
    Whatever it works on is lost to the caller, who makes it anew.

    Args:
        limit_seconds: how long the call may take.
        what: names the call in the error.
        call: is run in another thread.

    Raises:
        TookTooLong: it is not back in time.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except BaseException as error:  # handed over to the caller
            done.set_exception(error)

    Thread(target=run, name=what, daemon=True).start()
    try:
        return done.result(limit_seconds)
    except TimeoutError:
        if done.done():  # a timeout of the call's own, or back just now
            return done.result()
        raise TookTooLong(f"{what} took longer than {limit_seconds:g} s") from None
