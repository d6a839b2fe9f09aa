"""Arbitrary events, awkward ones among them: what every door is tried with."""

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


_letters = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
good_events = st.builds(
    Event,
    event_id=st.uuids(version=4).map(str),
    user_id=st.just("user_1") | _letters,
    product_id=st.just("product_7") | _letters,
    product_category=st.just("laptops") | _letters,
    event_type=st.sampled_from(EventType),
    timestamp_ms=st.integers(RECEIVED_MS - 10**6, RECEIVED_MS) | st.integers(EARLIEST_MS, RECEIVED_MS),
    session_id=st.none() | st.just("s-1") | _letters,
    price_minor=st.none() | st.integers(0, MAX_PRICE),
    currency=st.none() | st.sampled_from(["EUR", "JPY"]),
)
"""Events that keep all limits."""

_awkward_values = st.one_of(
    st.tuples(st.just("event_id"), event_ids),
    *(st.tuples(st.just(name), texts) for name in ("user_id", "product_id", "product_category", "session_id")),
    st.tuples(st.just("price_minor"), prices),
    st.tuples(st.just("currency"), currencies),
    st.tuples(st.just("timestamp_ms"), timestamps_ms),
)


def _with(event: Event, values: list[tuple[str, object]]) -> Event:
    return event._replace(**dict(values))  # type: ignore[arg-type]


events = st.builds(_with, good_events, st.lists(_awkward_values, max_size=3))
"""Events that can be encoded in Avro, each with up to three values that may be awkward."""
