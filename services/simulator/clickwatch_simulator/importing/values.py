"""Single values of a row: an id, a price, what counts as missing."""

import re
from collections.abc import Container
from decimal import ROUND_HALF_UP, Decimal

from clickwatch_service.money import minor_digits

from clickwatch_simulator.importing.rows import BadRow

NULLS: Container[object] = frozenset(
    {None, "", "NULL", "null", r"\N", "NaN", "nan", "None", "N/A", "n/a", "#N/A", "<NA>"}
)
"""How exports write that there is no value, in a CSV file and in prices."""
JSON_NULLS: Container[object] = (None, "")
"""How JSON says it. Its values need not be hashable, so this is no set."""
LARGEST_EXACT = 2**53
_MOST_DIGITS = 40
_WITH_COMMA = re.compile(r"([+-]?)([0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,([0-9]*))?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")


class LostDigits(Exception):
    """A number was read as a double that does not hold all its digits."""


def text_of(column: str, value: object) -> str:
    """Return a value as text; a whole number has no fraction, so 541312140.0 is 541312140.

    Raises:
        BadRow: it is neither text nor number.
        LostDigits: it is a double too large to be exact.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, float):
        if abs(value) >= LARGEST_EXACT:
            raise LostDigits
        return str(int(value)) if value.is_integer() else str(value)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _MOST_DIGITS:
        return str(int(value)) if value == value.to_integral_value() else f"{value:f}"
    raise BadRow(f"{column} is neither text nor a number", f"{column} is {shown(value)}, must be text or a number")


def minor_units(column: str, value: object, digits: int) -> tuple[int | None, bool]:
    """Return a price in the smallest unit (None where there is none), and whether it was finer and is rounded.

    Args:
        column: for errors.
        value: whole units: text such as `35.79` or a number.
        digits: of the currency, after the point.

    Raises:
        BadRow: it is no number, or so large that no limit could let it pass.
    """
    text = value if isinstance(value, str) else text_of_number(column, value)
    text = text.strip()
    whole_part, _, fraction = text.partition(".")
    if len(fraction) == digits and (figures := whole_part + fraction).isdecimal() and len(figures) < _MOST_DIGITS:
        return int(figures), False
    if text in NULLS:
        return None, False
    if _NUMBER.fullmatch(text) is None:
        comma = "; where the comma is the decimal point, say --decimal-comma" if "," in text else ""
        raise BadRow(f"{column} is no number", f"{column} is {shown(value)}, must be a number such as 35.79{comma}")
    amount = Decimal(text)
    if amount and amount.adjusted() > _MOST_DIGITS:
        raise BadRow(f"{column} is too large", f"{column} is {shown(value)}, larger than any price")
    exact = amount.scaleb(digits) if amount.adjusted() > -_MOST_DIGITS else Decimal(0)
    whole = int(exact.to_integral_value(ROUND_HALF_UP))
    return whole, whole != exact


def with_point(column: str, text: str) -> str:
    """Return a number that is written `1.299,50` as `1299.50`; a text that says nothing as it is.

    Raises:
        BadRow: it is not written so.
    """
    text = text.strip()
    if text in NULLS:
        return text
    match = _WITH_COMMA.fullmatch(text)
    if match is None:
        raise BadRow(f"{column} is no number", f"{column} is {shown(text)}, must be a number such as 1.299,50")
    sign, whole, fraction = match.groups()
    return f"{sign}{whole.replace('.', '')}.{fraction or '0'}"


def text_of_number(column: str, value: object) -> str:
    """Return a number as its shortest text.

    Raises:
        BadRow: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise BadRow(f"{column} is no number", f"{column} is {shown(value)}, must be a number")
    return str(value)


def digits_of(currency: str) -> int:
    """Return how many digits a currency has after the point; 2 where ISO 4217 does not know it."""
    digits = minor_digits(currency)
    return 2 if digits is None else digits


def shown(value: object) -> str:
    """Return a value as a message shows it."""
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
