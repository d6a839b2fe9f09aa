"""Single values of a request: texts, prices."""

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from clickwatch_service.money import minor_digits

_MOST_DIGITS = 40
_USUAL_DIGITS = 2


class BadValue(Exception):
    """The value is none; the rule is what it breaks, and the message says so."""

    def __init__(self, rule: str, message: str) -> None:
        """Name the rule."""
        super().__init__(message)
        self.rule = rule


def shown(value: object) -> str:
    """Return a value for a message: in ASCII, at most some 60 characters."""
    text = ascii(value)
    return text if len(text) <= 60 else text[:60] + "..."


def id_text(value: object) -> object:
    """Return an id as text: SDKs send numbers too. What is neither is handed on for the limits to refuse."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def whole_number(value: object) -> object:
    """Return 2 for 2.0, as JSON has one kind of number; what is no whole number is handed on."""
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _MOST_DIGITS:
        return int(value) if value == value.to_integral_value() else value
    return value


def minor_units(value: object, currency: object) -> int:
    """Return a price in major units, such as 35.79, as smallest units of its currency: 3579.

    The digits are those of ISO 4217, two where the currency is unknown. What is finer is rounded half up.

    Raises:
        BadValue: it is no number, or larger than any price.
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise BadValue("wrong_type", f"price is {shown(value)}, must be a number such as 35.79")
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise BadValue("wrong_type", f"price is {shown(value)}, must be a number such as 35.79") from None
    if not amount.is_finite():
        raise BadValue("wrong_type", f"price is {shown(value)}, must be a number such as 35.79")
    if amount and amount.adjusted() > _MOST_DIGITS:
        raise BadValue("too_large", f"price is {shown(value)}, larger than any price")
    if amount.adjusted() < -_MOST_DIGITS:
        return 0
    digits = minor_digits(currency) if isinstance(currency, str) else None
    exact = amount.scaleb(_USUAL_DIGITS if digits is None else digits)
    return int(exact.to_integral_value(ROUND_HALF_UP))
