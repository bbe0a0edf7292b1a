from __future__ import annotations

from decimal import Decimal

import pytest

from rightmodel.core.call import Usage
from rightmodel.execution.outcome import plausible
from rightmodel.manifest.price import UNPRICED, Price

PRICE = Price(input=Decimal(10) / 10**6, output=Decimal(20) / 10**6)
WORST = Usage(1000, 500)
USED = Usage(800, 100)


def test_no_bill_is_computed_from_the_price() -> None:
    found = plausible(USED, None, worst=WORST, price=PRICE, at=0)
    assert found == (USED, Decimal("0.01"), False, False)


def test_a_cost_of_zero_is_no_bill_where_the_model_has_a_price() -> None:
    assert plausible(USED, Decimal(0), worst=WORST, price=PRICE, at=0).cost_usd == Decimal("0.01")


def test_a_cost_of_zero_is_a_bill_where_no_price_says_otherwise() -> None:
    free = Price(input=Decimal(0), output=Decimal(0))
    for price in (UNPRICED, free):
        found = plausible(USED, Decimal(0), worst=WORST, price=price, at=0)
        assert found.cost_usd == 0
        assert found.billed


@pytest.mark.parametrize("bill", ["0.0001", "0.31", "0.6"])
def test_discounts_and_fees_are_believed(bill: str) -> None:
    found = plausible(USED, Decimal(bill), worst=WORST, price=PRICE, at=0)
    assert found == (USED, Decimal(bill), True, False)


@pytest.mark.parametrize("price", [PRICE, UNPRICED])
def test_an_impossible_cost_is_the_worst_case_instead(price: Price) -> None:
    found = plausible(USED, Decimal(10**6), worst=WORST, price=price, at=0)
    assert found.bounded
    assert not found.billed
    assert found.cost_usd is not None
    assert found.cost_usd <= 1
    if price is PRICE:
        assert found.cost_usd == Decimal("0.02")


def test_impossible_counts_are_the_worst_case_instead() -> None:
    huge = Usage(10**9, 10**9, cache_read=10**8, reasoning=10**9)
    found = plausible(huge, None, worst=WORST, price=PRICE, at=0)
    assert found.usage == Usage(1000, 500, reasoning=500)
    assert found.bounded
    assert found.cost_usd == Decimal("0.02")


def test_hidden_prompts_of_the_upstream_are_believed() -> None:
    used = Usage(9000, 1200)
    assert plausible(used, None, worst=WORST, price=PRICE, at=0).usage == used
