"""What all calls of a show came to, beside the same calls without an outage."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from rightmodel.surfaces.cli.show.call import OUTAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rightmodel.surfaces.cli.show.call import Call


class Reached(NamedTuple):
    """An error that the agent saw."""

    code: str
    calls: tuple[int, ...]
    """Numbers of the calls that ended with it."""
    text: str
    """The first one's, as the agent gets it."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over calls. USD; `None` where an amount is unknown."""

    calls: int
    answered: int
    in_outage: int
    answered_in_outage: int
    failed_over: int
    escalated: int
    cost_usd: Decimal | None
    """Of calls that were answered, in both runs where there are two."""
    baseline_usd: Decimal | None
    healthy_usd: Decimal | None
    """Cost of the same calls in the run without an outage."""
    without: int
    """Answered calls of that run."""
    elsewhere: tuple[tuple[str, str, int], ...]
    """(first choice, who answered, calls), beyond those of the run without an outage."""
    reached: tuple[Reached, ...]
    lost_s: float
    slowed: int
    worst_s: float

    @property
    def saved_usd(self) -> Decimal | None:
        """Against the baseline."""
        return _difference(self.baseline_usd, self.cost_usd)

    @property
    def extra_usd(self) -> Decimal | None:
        """Cost of the outage."""
        return _difference(self.cost_usd, self.healthy_usd)


def totals(calls: Sequence[Call], healthy: Sequence[Call] | None = None) -> Totals:
    """The sums. `healthy`: the same calls without an outage."""
    answered = [c for c in calls if not c.error]
    outage = [c for c in calls if c.phase == OUTAGE]
    both = [c for c in answered if healthy is None or healthy[c.number - 1].model]
    slowed = [c.lost_s for c in calls if c.lost_s > 0]
    usual = healthy or ()
    return Totals(
        calls=len(calls),
        answered=len(answered),
        in_outage=len(outage),
        answered_in_outage=sum(not c.error for c in outage),
        failed_over=sum(any(t.read and not t.failed_check for t in c.tries) for c in answered),
        escalated=sum(any(t.failed_check for t in c.tries) for c in answered),
        cost_usd=_sum(c.cost_usd for c in both),
        baseline_usd=_sum(c.baseline_usd for c in both),
        healthy_usd=_sum(usual[c.number - 1].cost_usd for c in both) if usual else None,
        without=sum(not c.error for c in usual),
        elsewhere=tuple((*pair, n) for pair, n in (_moved(calls) - _moved(usual)).most_common()),
        reached=tuple(_reached([c for c in calls if c.error])),
        lost_s=sum(slowed),
        slowed=len(slowed),
        worst_s=max(slowed, default=0.0),
    )


def _moved(calls: Sequence[Call]) -> Counter[tuple[str, str]]:
    return Counter((c.first, c.model) for c in calls if c.model and c.model != c.first)


def _reached(failed: Sequence[Call]) -> list[Reached]:
    by_code: dict[str, list[Call]] = {}
    for call in failed:
        by_code.setdefault(call.code, []).append(call)
    return [Reached(k, tuple(c.number for c in v), v[0].error) for k, v in by_code.items()]


def _sum(amounts: Iterable[Decimal | None]) -> Decimal | None:
    total = Decimal(0)
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _difference(a: Decimal | None, b: Decimal | None) -> Decimal | None:
    return None if a is None or b is None else a - b
