"""What an event may hold: one list of limits, the same at every door (docs/events.md).

A producer, the decoding in Spark and the daily log are built from `LIMITS`, or are held against it by a
property test. Whatever passes can be stored in every store of the system.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from clickwatch_events.event import Event, HotWindow

MAX_TEXT_BYTES = 1024
MAX_PRICE = 10**15 - 1
"""Fifteen digits of the currency's smallest unit."""
EARLIEST_MS = 946_684_800_000
"""2000-01-01 in epoch milliseconds: nobody clicked before."""
LATEST_MS = 4_102_444_799_999
"""The last millisecond of 2099, the end of the range for a door that does not know when an event was received."""
MAX_FUTURE = timedelta(minutes=5)
"""How far after it was received an event may say that it happened."""
CONTROL_CHARACTERS = r"\x00-\x1f\x7f-\x9f"
"""C0, DEL and C1, as they stand in a class of a regular expression."""
CURRENCY = "[A-Z]{3}"


class Rule(StrEnum):
    """What a value of a field must not be; the word stands in dead letters and in summaries."""

    MISSING = "missing"
    WRONG_TYPE = "wrong_type"
    NOT_UTF8 = "not_utf8"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    CONTROL_CHARACTER = "control_character"
    NOT_A_CURRENCY = "not_a_currency"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    AMOUNT_TOO_LARGE = "amount_too_large"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"


_WORDS = {
    Rule.MISSING: "is missing",
    Rule.WRONG_TYPE: "has the wrong type",
    Rule.NOT_UTF8: "is not valid Unicode",
    Rule.EMPTY: "is empty",
    Rule.TOO_LONG: f"is longer than {MAX_TEXT_BYTES} bytes of UTF-8",
    Rule.CONTROL_CHARACTER: "holds a control character",
    Rule.NOT_A_CURRENCY: "must be three capital letters such as EUR",
    Rule.TOO_SMALL: "must not be negative",
    Rule.TOO_LARGE: f"must be at most {MAX_PRICE}",
    Rule.AMOUNT_TOO_LARGE: f"times price_minor must be at most {MAX_PRICE}",
    Rule.TOO_EARLY: "is before 2000-01-01",
    Rule.TOO_LATE: f"is more than {MAX_FUTURE // timedelta(minutes=1)} minutes after it was received",
}


class Fault(NamedTuple):
    """The first thing that keeps values from being an event.

    Attributes:
        field: the field's name, as in the Avro schema.
        rule: what is wrong with it.
    """

    field: str
    rule: Rule

    def __str__(self) -> str:
        """Return a sentence for people: `product_id holds a control character`."""
        return f"{self.field} {_WORDS[self.rule]}"


@dataclass(frozen=True)
class Text:
    """Unicode of 1 to `MAX_TEXT_BYTES` bytes of UTF-8 without control characters."""


@dataclass(frozen=True)
class Code:
    """A text that a regular expression describes whole."""

    pattern: str
    rule: Rule


@dataclass(frozen=True)
class Whole:
    """A whole number from `least` to `most`."""

    least: int
    most: int


@dataclass(frozen=True)
class Instant:
    """An instant not before `earliest_ms`, and not later than `max_future` after it was received."""

    earliest_ms: int
    max_future: timedelta


Limit = Text | Code | Whole | Instant

LIMITS: Mapping[str, Limit] = {
    "event_id": Text(),
    "user_id": Text(),
    "product_id": Text(),
    "product_category": Text(),
    "timestamp": Instant(EARLIEST_MS, MAX_FUTURE),
    "session_id": Text(),
    "price_minor": Whole(0, MAX_PRICE),
    "currency": Code(CURRENCY, Rule.NOT_A_CURRENCY),
}
"""The limit of each field, in the order in which fields are judged. Optional ones may be null."""

QUANTITY = Whole(1, 1_000_000)
"""The limit of `quantity`, of schema version 3; null means one. See `fault_of_quantity` too."""

REQUIRED = ("event_id", "user_id", "product_id", "product_category", "timestamp")
"""Fields that an event cannot be without."""

JUDGED = ("clickwatch.limits", "1")
"""Key and value in the metadata of a Parquet file of events that were all held against these limits.

The value is raised when a limit gets narrower: files of before are judged again by who reads them.
"""

_COUNT = Whole(0, 2**63 - 1)
_CONTROL = re.compile(f"[{CONTROL_CHARACTERS}]")
_CURRENCY = re.compile(CURRENCY)
_MAX_FUTURE_MS = MAX_FUTURE // timedelta(milliseconds=1)


def text_rule(text: str) -> Rule | None:
    """Return the rule of `Text` that a text breaks, None where it breaks none."""
    if not text:
        return Rule.EMPTY
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        return Rule.NOT_UTF8
    if size > MAX_TEXT_BYTES:
        return Rule.TOO_LONG
    return Rule.CONTROL_CHARACTER if _CONTROL.search(text) else None


# Users, products, categories and sessions come back often.
_remembered_text_rule: Callable[[str], Rule | None] = lru_cache(maxsize=65_536)(text_rule)


def fault_of(event: Event, received_ms: int | None = None, max_future_ms: int = _MAX_FUTURE_MS) -> Fault | None:
    """Return the first fault of an event, None where it has none.

    Args:
        event: values of the right types.
        received_ms: when it was received, epoch milliseconds; None where a door cannot know.
        max_future_ms: how long after that it may have happened; a door may ask for less than the contract.
    """
    event_id, user_id, product_id, category, _, timestamp_ms, session_id, price, currency = event
    rule = (
        text_rule(event_id)
        or _remembered_text_rule(user_id)
        or _remembered_text_rule(product_id)
        or _remembered_text_rule(category)
        or (None if session_id is None else _remembered_text_rule(session_id))
    )
    if (
        rule is None
        and timestamp_ms >= EARLIEST_MS
        and (received_ms is None or timestamp_ms <= received_ms + max_future_ms)
        and (price is None or 0 <= price <= MAX_PRICE)
        and (currency is None or _CURRENCY.fullmatch(currency))
    ):
        return None
    return _first_fault(event, received_ms, max_future_ms)


def fault_of_quantity(quantity: int | None, price_minor: int | None) -> Fault | None:
    """Return the fault of a quantity, None where it has none: what all pieces cost is limited as one price is."""
    if quantity is None:
        return None
    rule = broken_rule(QUANTITY, quantity)
    if rule is None and price_minor is not None and price_minor * quantity > MAX_PRICE:
        rule = Rule.AMOUNT_TOO_LARGE
    return None if rule is None else Fault("quantity", rule)


def fault_of_window(window: HotWindow) -> Fault | None:
    """Return the first fault of a message on the topic of hot windows, None where it has none."""
    for field, text in (("product_id", window.product_id), ("product_category", window.product_category)):
        rule = _remembered_text_rule(text)
        if rule is not None:
            return Fault(field, rule)
    # The first window of an event of EARLIEST_MS begins before it.
    for field, limit, number in (
        ("window_start", Whole(0, LATEST_MS), window.window_start_ms),
        ("window_end", Whole(0, LATEST_MS), window.window_end_ms),
        ("views", _COUNT, window.views),
        ("purchases", _COUNT, window.purchases),
    ):
        rule = broken_rule(limit, number)
        if rule is not None:
            return Fault(field, rule)
    return None


def _first_fault(event: Event, received_ms: int | None, max_future_ms: int) -> Fault | None:
    values = {**event._asdict(), "timestamp": event.timestamp_ms}
    latest_ms = None if received_ms is None else received_ms + max_future_ms
    for field, limit in LIMITS.items():
        value = values[field]
        rule = None if value is None else broken_rule(limit, value, latest_ms)
        if rule is not None:
            return Fault(field, rule)
    return None


def broken_rule(limit: Limit, value: object, latest_ms: int | None = None) -> Rule | None:
    """Return the rule that one value breaks, None where it breaks none.

    Args:
        limit: one of `LIMITS`.
        value: a text; for `Whole` a number; for `Instant` epoch milliseconds.
        latest_ms: the latest instant, where the door knows when the event was received.
    """
    match limit, value:
        case Text(), str():
            return text_rule(value)
        case Code(pattern, rule), str():
            return None if re.fullmatch(pattern, value) else rule
        case Whole(least, most), int() if not isinstance(value, bool):
            if value < least:
                return Rule.TOO_SMALL
            return Rule.TOO_LARGE if value > most else None
        case Instant(earliest_ms, _), int() if not isinstance(value, bool):
            if value < earliest_ms:
                return Rule.TOO_EARLY
            return Rule.TOO_LATE if latest_ms is not None and value > latest_ms else None
        case _:
            return Rule.WRONG_TYPE
