"""Money is shown with the decimals of its currency."""

import pytest
from clickwatch_service.money import amount, minor_digits


@pytest.mark.parametrize(
    ("minor", "currency", "said"),
    [
        (485_300_000, "EUR", "EUR 4,853,000.00"),
        (5, "EUR", "EUR 0.05"),
        (-12_345, "USD", "USD -123.45"),
        (4_853, "JPY", "JPY 4,853"),
        (1_234_567, "BHD", "BHD 1,234.567"),
        (0, "BHD", "BHD 0.000"),
        (474_336_264, "", "474,336,264 in the smallest unit of no named currency"),
        (7, "ZZZ", "7 in the smallest unit of ZZZ"),
        (7, "XAU", "7 in the smallest unit of XAU"),
    ],
)
def test_an_amount_has_the_decimals_of_its_currency(minor: int, currency: str, said: str) -> None:
    assert amount(minor, currency) == said


def test_what_is_no_currency_has_no_decimals() -> None:
    assert minor_digits("eur") is None
    assert minor_digits("\x1b[31") is None
