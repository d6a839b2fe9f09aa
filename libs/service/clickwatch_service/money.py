"""Money for people: smallest units of a currency as an amount, with as many decimals as the currency has."""

from iso4217 import Currency


def minor_digits(currency: str) -> int | None:
    """Return how many decimals a currency has by ISO 4217: 2 for EUR, 0 for JPY. None where it names none."""
    try:
        digits: int | None = Currency(currency).exponent
    except ValueError:
        return None
    return digits


def amount(minor: int, currency: str) -> str:
    """Return smallest units as an amount: `EUR 4,853,000.00`, `JPY 4,853`.

    Where the currency is not in ISO 4217, or none is named, nobody knows its decimals, and the text says so.
    """
    digits = minor_digits(currency)
    if digits is None:
        return f"{minor:,} in the smallest unit of {currency or 'no named currency'}"
    sign, figures = "-" if minor < 0 else "", f"{abs(minor):0{digits + 1}}"
    whole, decimals = (figures[:-digits], f".{figures[-digits:]}") if digits else (figures, "")
    return f"{currency} {sign}{int(whole):,}{decimals}"
