import pytest
from clickwatch_events.event import Event, EventType
from clickwatch_events.limits import EARLIEST_MS, LIMITS, MAX_PRICE, Fault, Rule, broken_rule, fault_of
from event_strategies import RECEIVED_MS, events
from hypothesis import given

GOOD = Event(
    event_id="6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
    user_id="user_1",
    product_id="product_7",
    product_category="laptops",
    event_type=EventType.VIEW,
    timestamp_ms=RECEIVED_MS,
    session_id="s-1",
    price_minor=3579,
    currency="EUR",
)


def test_an_event_within_all_limits_has_no_fault() -> None:
    assert fault_of(GOOD, RECEIVED_MS) is None
    assert fault_of(GOOD._replace(session_id=None, price_minor=None, currency=None)) is None


@pytest.mark.parametrize("field", ["event_id", "user_id", "product_id", "product_category", "session_id"])
@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("", Rule.EMPTY),
        ("a\0b", Rule.CONTROL_CHARACTER),
        ("a\tb", Rule.CONTROL_CHARACTER),
        ("\x1b[31m", Rule.CONTROL_CHARACTER),
        ("a\x7f", Rule.CONTROL_CHARACTER),
        ("a\x85b", Rule.CONTROL_CHARACTER),
        ("a" * 1025, Rule.TOO_LONG),
        ("é" * 512 + "a", Rule.TOO_LONG),
        ("a\ud800", Rule.NOT_UTF8),
        ("a" * 1024, None),
        ("é" * 512, None),
        ("\u202e\u00a0\u2028", None),
    ],
)
def test_a_text_has_1_to_1024_bytes_and_no_control_character(field: str, value: str, rule: Rule | None) -> None:
    assert fault_of(GOOD._replace(**{field: value})) == (rule and Fault(field, rule))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"price_minor": -1}, Fault("price_minor", Rule.TOO_SMALL)),
        ({"price_minor": 0}, None),
        ({"price_minor": MAX_PRICE}, None),
        ({"price_minor": MAX_PRICE + 1}, Fault("price_minor", Rule.TOO_LARGE)),
        ({"currency": "eur"}, Fault("currency", Rule.NOT_A_CURRENCY)),
        ({"currency": "EURO"}, Fault("currency", Rule.NOT_A_CURRENCY)),
        ({"currency": "EUR\n"}, Fault("currency", Rule.NOT_A_CURRENCY)),
        ({"currency": "ЕUR"}, Fault("currency", Rule.NOT_A_CURRENCY)),  # a Cyrillic letter
        ({"timestamp_ms": EARLIEST_MS - 1}, Fault("timestamp", Rule.TOO_EARLY)),
        ({"timestamp_ms": EARLIEST_MS}, None),
        ({"timestamp_ms": RECEIVED_MS + 300_000}, None),
        ({"timestamp_ms": RECEIVED_MS + 300_001}, Fault("timestamp", Rule.TOO_LATE)),
    ],
)
def test_numbers_codes_and_times_have_a_range(changed: dict[str, object], fault: Fault | None) -> None:
    assert fault_of(GOOD._replace(**changed), RECEIVED_MS) == fault  # type: ignore[arg-type]


def test_without_a_time_of_reception_no_time_is_too_late() -> None:
    assert fault_of(GOOD._replace(timestamp_ms=RECEIVED_MS * 2)) is None


def test_the_first_field_in_order_is_named() -> None:
    assert fault_of(GOOD._replace(user_id="", currency="?")) == Fault("user_id", Rule.EMPTY)


def test_a_fault_reads_as_a_sentence() -> None:
    assert str(Fault("product_id", Rule.CONTROL_CHARACTER)) == "product_id holds a control character"
    for rule in Rule:
        assert str(Fault("x", rule)).startswith("x ")


def test_a_value_of_another_type_breaks_its_limit() -> None:
    assert broken_rule(LIMITS["price_minor"], True) is Rule.WRONG_TYPE
    assert broken_rule(LIMITS["user_id"], 17) is Rule.WRONG_TYPE


@given(events)
def test_the_quick_verdict_is_that_of_the_list(event: Event) -> None:
    values = {**event._asdict(), "timestamp": event.timestamp_ms}
    faults = [
        Fault(field, rule)
        for field, limit in LIMITS.items()
        if values[field] is not None and (rule := broken_rule(limit, values[field], RECEIVED_MS + 300_000))
    ]

    assert fault_of(event, RECEIVED_MS) == (faults[0] if faults else None)
