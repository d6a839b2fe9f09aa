"""Instants as shops write them."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from clickwatch_events.limits import EARLIEST_MS, LATEST_MS
from clickwatch_events.times import (
    BadTime,
    epoch_ms,
    instant_ms,
    log_instant_ms,
    seeming_form,
)
from hypothesis import given
from hypothesis import strategies as st

NOON_MS = epoch_ms(datetime(2025, 6, 1, 12, tzinfo=UTC))
NOW_MS = epoch_ms(datetime(2026, 11, 27, tzinfo=UTC))
moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
past_ms = st.integers(EARLIEST_MS, NOW_MS)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@pytest.mark.parametrize(
    "value",
    [
        1748779200,
        1748779200000,
        1748779200000000,
        1748779200000000000,
        1748779200.0,
        1.7487792e12,
        1.7487792e18,
        Decimal("1748779200.000"),
        "1748779200",
        "1748779200000",
        "1748779200.",
        "1748779200000000",
        "1748779200000000000",
        "1.7487792E9",
        "1.748779200000E12",
        "20250601120000",
        20250601120000,
        20250601120000.0,
        "20250601120000.0",
        "20250601120000000",
        "202506011200",
        "20250601T120000",
        "20250601T120000Z",
        "20250601T140000.5+0200",
        "20250601 1200",
        "2025-06-01T12:00:00Z",
        "2025-06-01t12:00:00z",
        "2025-06-01 12:00:00 UTC",
        "2025-06-01 12:00:00 GMT",
        "2025-06-01 12:00:00",
        "2025-06-01  12:00",
        "2025-06-01T12",
        "2025-06-01T12Z",
        "2025-06-01T14:00:00+02",
        "2025-06-01T14:00:00 +02:00",
        "2025-06-02T02:00+14:00",
        "2025-06-01T12:00:00-00:00",
        "2025-06-01T12:00:00.000000000000Z",
        "2025-06-01T12:00:00,0Z",
    ],
)
def test_each_form_of_the_table_names_the_same_instant_with_blanks_or_without(value: object) -> None:
    expected = NOON_MS + 500 if isinstance(value, str) and ".5" in value else NOON_MS

    assert instant_ms(value, NOW_MS) == expected
    for blanks in (" ", "\t", "  \t"):
        assert instant_ms(f"{blanks}{value}", NOW_MS) == instant_ms(f"{value}{blanks}", NOW_MS) == expected


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("2025-06-01T10:00:00+99:00", "has an offset that no place on earth has"),
        ("2025-06-01T10:00:00+14:01", "has an offset"),
        ("2025-06-01T10:00:00+02:60", "has an offset"),
        ("2025-06-31", "there is no such day"),
        ("2025-06-01T24:00:00Z", "there is no such day or time of day"),
        ("2025-06-01T23:59:60Z", "there is no such day or time of day"),
        ("+2025-06-01T10:00:00Z", "must be a time such as"),
        ("12025-06-01T10:00:00Z", "must be a time such as"),
        ("2025-6-1T10:00:00Z", "must be a time such as"),
        ("2025-06-01T٠١:00:00Z", "must be a time such as"),
        ("", "must be a time such as"),
        ("tomorrow", "must be a time such as"),
        ("01/06/2025", "must be a time such as"),
        ("1999-12-31T23:59:59.999Z", "is not from 2000-01-01 to 2026-11-27 00:00 UTC"),
        ("2099-02-01", "is not from 2000-01-01 to 2026-11-27 00:00 UTC"),
        (0, "is in no unit or form a time from 2000-01-01"),
        (-1748779200, "is in no unit or form"),
        (45809.5, "is in no unit or form"),
        (2748779200, "is in no unit or form"),
        (10**30, "is in no unit or form"),
        ("2025060112", "is in no unit or form"),
        (float("nan"), "is in no unit or form"),
        (float("inf"), "is in no unit or form"),
        ("1e999", "is in no unit or form"),
        ("1.70009E+12", "has lost its last 7 digits"),
        ("20251301120000", "is in no unit or form"),
        (True, "must be text or a number"),
        (None, "must be text or a number"),
        (["2025-06-01"], "must be text or a number"),
    ],
)
def test_what_is_no_instant_within_the_range_is_refused_with_the_reason(value: object, why: str) -> None:
    with pytest.raises(BadTime, match=why) as refused:
        instant_ms(value, NOW_MS)

    assert str(refused.value).startswith(repr(value))


def test_the_range_starts_with_2000_and_ends_where_the_caller_says() -> None:
    assert instant_ms("2000-01-01T00:00:00Z", NOW_MS) == EARLIEST_MS
    assert instant_ms(NOW_MS, NOW_MS) == NOW_MS
    with pytest.raises(BadTime):
        instant_ms(NOW_MS + 1, NOW_MS)
    assert instant_ms("2099-12-31T23:59:59.999Z", LATEST_MS) == LATEST_MS


@given(moments, offsets, st.sampled_from("T "), st.integers(0, 12))
def test_iso_with_any_offset_and_any_fraction_is_read_to_the_millisecond(
    moment: datetime, offset: timezone, separator: str, digits: int
) -> None:
    local = moment.astimezone(offset)
    fraction = f".{local.microsecond:06d}000000"[: digits + 1] if digits else ""
    text = f"{local:%Y-%m-%d}{separator}{local:%H:%M:%S}{fraction}{local.isoformat()[-6:]}"

    expected = epoch_ms(datetime.fromisoformat(text))
    if EARLIEST_MS <= expected <= LATEST_MS:
        assert instant_ms(text, LATEST_MS) == expected
        assert log_instant_ms(text) == expected


@given(past_ms)
def test_a_number_has_one_reading_in_each_unit_as_number_and_as_text(at_ms: int) -> None:
    values: list[object] = [at_ms, at_ms * 1000 + 999, at_ms * 1_000_000 + 999_999, at_ms / 1000]

    for value in values:
        assert instant_ms(value, NOW_MS) == at_ms
        assert instant_ms(str(value), NOW_MS) == at_ms
    assert instant_ms(at_ms // 1000, NOW_MS) == at_ms // 1000 * 1000


@given(past_ms)
def test_compact_forms_are_read_to_their_last_digit(at_ms: int) -> None:
    moment = datetime.fromtimestamp(at_ms // 1000, UTC)
    millis = f"{at_ms % 1000:03d}"

    assert instant_ms(f"{moment:%Y%m%d%H%M%S}{millis}", NOW_MS) == at_ms
    assert instant_ms(int(f"{moment:%Y%m%d%H%M%S}"), NOW_MS) == at_ms // 1000 * 1000
    assert instant_ms(f"{moment:%Y%m%d%H%M}", NOW_MS) == at_ms // 60_000 * 60_000
    assert instant_ms(f"{moment:%Y%m%d}", NOW_MS) == at_ms // 86_400_000 * 86_400_000
    assert instant_ms(f"{moment:%Y%m%dT%H%M%S}.{millis}Z", NOW_MS) == at_ms


@given(
    st.text()
    | st.integers(0, 10**22)
    | st.floats()
    | st.decimals()
    | st.from_regex(r"\A[ \t]?[0-9+-]{2,5}[0-9:T.,Ze+-]{0,24}[ \t]?\Z")
    | st.integers(0, 10**22).map(str),
    past_ms,
)
def test_whatever_is_read_lies_in_the_range_and_the_rest_is_refused_in_words(value: object, latest_ms: int) -> None:
    try:
        read = instant_ms(value, latest_ms)
    except BadTime as error:
        words = str(error)
    else:
        assert EARLIEST_MS <= read <= latest_ms
        return
    assert "\n" not in words


@given(st.integers(0, 10**20))
def test_a_number_never_has_two_readings_so_a_unit_is_never_guessed(number: int) -> None:
    """The forms do not overlap up to 2100: what a longer range would make ambiguous is refused."""
    per_ms = {"seconds": 0.001, "milliseconds": 1, "microseconds": 1000, "nanoseconds": 1_000_000}
    readings = [unit for unit, count in per_ms.items() if EARLIEST_MS <= number / count <= LATEST_MS]

    assert len(readings) <= 1


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("2025-06-01T12:00:00Z", NOON_MS),
        ("2025-06-01 12:00:00Z", NOON_MS),
        ("2025-06-01T12:00Z", NOON_MS),
        ("2025-06-01T12:00:00.123456789Z", NOON_MS + 123),
        ("2025-06-01T12:00:00+00", NOON_MS),
        ("2025-06-01T12:00:00-0000", NOON_MS),
        ("2025-06-02T02:00:00+14:00", NOON_MS),
    ],
)
def test_the_log_takes_iso_with_an_offset(text: str, expected_ms: int) -> None:
    assert log_instant_ms(text) == expected_ms


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2025-06-01T12:00:00", "must carry an offset"),
        ("2025-06-01", "must carry an offset"),
        ("2025-06-01T12:00:00,123Z", "must be ISO-8601"),
        ("2025-06-01T12:00:00z", "must be ISO-8601"),
        ("2025-06-01t12:00:00Z", "must be ISO-8601"),
        ("2025-06-01 12:00:00 UTC", "must be ISO-8601"),
        ("2025-06-01T12Z", "must be ISO-8601"),
        ("20250601T120000Z", "must be ISO-8601"),
        ("2025-06-01T12:00:00 +02:00", "must be ISO-8601"),
        ("2025-06-01T12:00:00+99:00", "must be ISO-8601"),
        ("2025-06-01T12:00:00+14:30", "must be ISO-8601"),
        (" 2025-06-01T12:00:00Z", "must be ISO-8601"),
        ("2025-06-01T12:00:00Z ", "must be ISO-8601"),
        ("2025-06-01T12:00:00Z\n", "must be ISO-8601"),
        ("1748779200000", "must be ISO-8601"),
        ("2025-06-01T24:00:00Z", "must be ISO-8601"),
        ("2025-06-01T23:59:60Z", "must be ISO-8601"),
        ("2025-02-30T00:00:00Z", "no such day or time"),
        ("1999-12-31T23:59:59Z", "is not from 2000-01-01"),
        ("2100-01-01T00:00:00Z", "is not from 2000-01-01"),
    ],
)
def test_the_log_takes_nothing_that_engines_could_read_apart(text: str, why: str) -> None:
    with pytest.raises(BadTime, match=why):
        log_instant_ms(text)


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["01/06/2025 10:00", "02/06/2025 10:00"], "day and month with slashes or dots, such as 01/06/2025"),
        (["1.6.2025", "n/a", "2.6.2025"], "day and month with slashes or dots, such as 01/06/2025"),
        (["2025/06/01"], "year first with slashes or dots, such as 2025/06/01"),
        (["10:00:01", "10:00:02"], "a time of day without a day"),
        (["Jun 1, 2025 10:00", "Sun, 01 Jun 2025"], "the name of a month or a day"),
        ([45809.5, "45810"], "days of a spreadsheet, such as 45809.5"),
        (["1.70009E+12"], "a number shortened by a spreadsheet, such as 1.70009E+12"),
        (["2025060112"], "yyyyMMddHH"),
        ([4000000000], "seconds since 1970"),
        ([4000000000000], "milliseconds since 1970"),
        (["2099-01-01", "2098-01-01"], "ISO-8601"),
        (["", "x", "1/6/2025"], None),
        ([], None),
    ],
)
def test_a_column_that_fails_is_told_which_form_it_seems_to_have(values: list[object], form: str | None) -> None:
    assert seeming_form(values) == form
