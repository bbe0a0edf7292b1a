from __future__ import annotations

from decimal import Decimal

import pytest

from rightmodel.core.format import amount, dollars, usd


@pytest.mark.parametrize(
    ("value", "sentence", "column", "number"),
    [
        ("0", "$0.00", "$0.00", "0.0"),
        ("1E-7", "$0.0000001", "<$0.00001", "0.0000001"),
        ("0.00041", "$0.00041", "$0.00041", "0.00041"),
        ("0.05", "$0.05", "$0.05000", "0.05"),
        ("-0.0121", "-$0.0121", "−$0.01210", "-0.0121"),
        ("1E+2", "$100.00", "$100.00", "100.0"),
        ("123456.789", "$123456.789", "$123,457", "123456.789"),
    ],
)
def test_money_has_no_exponent(value: str, sentence: str, column: str, number: str) -> None:
    assert dollars(Decimal(value)) == sentence
    assert usd(Decimal(value)) == column
    assert amount(Decimal(value)) == number
