"""Bounds on what an upstream reports: one absurd figure must not use up a budget.

What may be true is believed: fees per request, hidden prompts of the upstream, estimates that were
off. What cannot be is replaced by the worst case that the call was reserved for.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.call import Usage

if TYPE_CHECKING:
    from rightmodel.manifest.price import Price

INPUT_FACTOR: Final = 4
INPUT_EXTRA: Final = 10_000
"""Prompt tokens believed: the estimate is off by some factor, and gateways add prompts."""
OUTPUT_FACTOR: Final = 2
OUTPUT_EXTRA: Final = 1_000
COST_FACTOR: Final = 10
COST_EXTRA_USD: Final = Decimal("0.5")
"""Cost believed beyond the worst case: some providers charge a fee for each request."""

DEAREST_INPUT_USD: Final = Decimal("0.0002")
DEAREST_OUTPUT_USD: Final = Decimal("0.001")
"""USD per token assumed where the price is unknown: above any list price."""


class Worst(NamedTuple):
    """The most that an attempt was expected to use, in tokens."""

    input: int
    output: int


class Reported(NamedTuple):
    """What is put on record. `billed`: the upstream named the cost. `bounded`: it was replaced."""

    usage: Usage | None
    cost_usd: Decimal | None
    billed: bool = False
    bounded: bool = False


def plausible(
    usage: Usage | None, cost_usd: Decimal | None, *, worst: Worst, price: Price, at: float
) -> Reported:
    """The reported figures within bounds; the cost computed where none was billed.

    A cost of 0 is no bill where the price says otherwise: servers send it for "not computed". It
    is then computed from usage, or unknown where that is not reported either.
    `at`: seconds since 1970, for prices that depend on the time. Costs in USD, `None` unknown.
    """
    believed = None if usage is None else _bounded(usage, worst)
    is_bounded = believed != usage
    computed = None if believed is None else price.cost(believed, at)
    most = price.cost(Usage(worst.input, worst.output), at)
    is_bill = bool(cost_usd or computed == 0 or (computed is None and not most))
    if cost_usd is None or not is_bill:
        return Reported(believed, computed, bounded=is_bounded)
    if most is None:
        most = worst.input * DEAREST_INPUT_USD + worst.output * DEAREST_OUTPUT_USD
    if cost_usd <= COST_FACTOR * max(most, computed or most) + COST_EXTRA_USD:
        return Reported(believed, cost_usd, billed=True, bounded=is_bounded)
    return Reported(believed, most, bounded=True)


def _bounded(usage: Usage, worst: Worst) -> Usage:
    most_input = INPUT_FACTOR * worst.input + INPUT_EXTRA
    most_output = OUTPUT_FACTOR * worst.output + OUTPUT_EXTRA
    if usage.input > most_input:
        usage = replace(
            usage, input=worst.input, cache_read=0, cache_write=0, cache_write_1h=0, audio=0
        )
    if worst.output and usage.output > most_output:
        usage = replace(usage, output=worst.output, reasoning=min(usage.reasoning, worst.output))
    return usage
