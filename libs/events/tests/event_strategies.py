"""Arbitrary events, awkward ones among them: what every door is tried with."""

import uuid

from clickwatch_events import Event, EventType
from clickwatch_events.limits import EARLIEST_MS, MAX_PRICE
from hypothesis import strategies as st

RECEIVED_MS = 1_772_366_400_000
"""When all of them were received: 2026-03-01T12:00:00Z."""

AWKWARD_TEXTS = (
    "",
    " ",
    "\0",
    "a\0b",
    "\t",
    "\n",
    "\r\n",
    "\x1b[31mred",
    "\x1f",
    "\x7f",
    "\x80",
    "\x85",
    "\x9f",
    "\xa0",  # a no-break space is none of the control characters
    "\u2028",
    "\u202etfel",
    "\ufeffx",
    "\ufffd",
    "\uffff",
    "a" * 1024,
    "a" * 1025,
    "é" * 512,
    "é" * 512 + "a",
    "😀" * 256,
    "😀" * 256 + "!",
    '"' * 1024,
    '"' * 1025,
    "\\",
    "\\u0000",
    "null",
    "17",
    "=1+1",
    "{}",
    "'; DROP TABLE",
    "naïve café",
    "商品",
)

texts = st.sampled_from(["user_1", "product_7", "laptops"]) | st.sampled_from(AWKWARD_TEXTS) | st.text(max_size=20)
"""Texts that can be encoded; `st.text` makes no half surrogates."""
event_ids = st.uuids().map(str) | texts.filter(lambda text: len(text) == 36) | st.just("\x7f" * 36)
prices = st.sampled_from([0, 1, 3579, -1, MAX_PRICE, MAX_PRICE + 1, 2**63 - 1, -(2**63)]) | st.integers(
    -(2**63), 2**63 - 1
)
currencies = st.sampled_from(["EUR", "JPY", "eur", "EURO", "EU", "", "E\0R", "ЕUR", "EUR\n", " EUR"]) | texts
timestamps_ms = st.sampled_from(
    [EARLIEST_MS - 1, EARLIEST_MS, RECEIVED_MS, RECEIVED_MS + 300_000, RECEIVED_MS + 300_001]
) | st.integers(EARLIEST_MS - 10**11, RECEIVED_MS + 10**11)


def _mostly(good: st.SearchStrategy, awkward: st.SearchStrategy) -> st.SearchStrategy:
    """Awkward one time in four, so that most events have one fault or none."""
    return st.one_of(good, good, good, awkward)


events = st.builds(
    Event,
    event_id=_mostly(st.uuids(version=4).map(str), event_ids),
    user_id=_mostly(st.just("user_1"), texts),
    product_id=_mostly(st.just("product_7"), texts),
    product_category=_mostly(st.just("laptops"), texts),
    event_type=st.sampled_from(EventType),
    timestamp_ms=_mostly(st.integers(RECEIVED_MS - 10**6, RECEIVED_MS), timestamps_ms),
    session_id=_mostly(st.none() | st.just("s-1"), texts),
    price_minor=_mostly(st.none() | st.just(3579), prices),
    currency=_mostly(st.none() | st.just("EUR"), currencies),
)
"""Events that can be encoded in Avro; about one in three keeps all limits."""


def numbered(number: int) -> str:
    """Return an event id of its own for a number."""
    return str(uuid.UUID(int=number))
