"""Waiting for what is not there yet."""

import threading
from collections.abc import Callable
from datetime import timedelta

from tenacity import (
    Retrying,
    retry_if_result,
    sleep_using_event,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_exponential,
)


def waited_for(look: Callable[[], bool], limit: timedelta, stop: threading.Event, say: Callable[[], None]) -> bool:
    """Whether `look` has said yes within `limit`; looked for no longer once `stop` is set.

    `say` is called before each pause.
    """
    found: bool = Retrying(
        retry=retry_if_result(lambda is_there: not is_there),
        stop=stop_any(stop_after_delay(limit.total_seconds()), stop_when_event_set(stop)),
        wait=wait_exponential(multiplier=0.5, max=5),
        sleep=sleep_using_event(stop),
        before_sleep=lambda _: say(),
        retry_error_callback=lambda _: False,
    )(look)
    return found
