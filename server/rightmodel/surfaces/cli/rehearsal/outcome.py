"""What a rehearsal came to: sums over its calls, beside the same calls without an outage."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from rightmodel.core.format import amount
from rightmodel.surfaces.cli.rehearsal.run import HEALTHY, OUTAGE
from rightmodel.surfaces.mcp.rendering import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.surfaces.cli.rehearsal.run import Call, Try
    from rightmodel.surfaces.cli.rehearsal.trouble import Trouble


@dataclass(frozen=True, slots=True)
class Reached:
    """An error that the agent saw.

    `calls`: the numbers of those that ended so. `text`: the first one's, as the agent gets it.
    """

    code: str
    calls: tuple[int, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What all calls came to.

    `elsewhere`: (first choice, who answered) → calls. `met`: fault → calls that met it; `fatal`:
    the same of calls without an answer. `without`: answered calls of the run without an outage.
    Costs in USD, of calls answered in both runs; `None` where a price is unknown.
    """

    calls: int
    answered: int
    in_outage: int
    answered_in_outage: int
    without: int
    elsewhere: tuple[tuple[str, str, int], ...]
    met: dict[str, int]
    fatal: dict[str, int]
    reached: tuple[Reached, ...]
    lost_s: float
    slowed: int
    worst_s: float
    cost_usd: Decimal | None
    healthy_usd: Decimal | None

    @property
    def extra_usd(self) -> Decimal | None:
        """Cost against the healthy run."""
        if self.cost_usd is None or self.healthy_usd is None:
            return None
        return self.cost_usd - self.healthy_usd


def totals(calls: Sequence[Call], healthy: Sequence[Call], trouble: Trouble) -> Totals:
    """The sums."""
    outage = [c for c in calls if c.phase == OUTAGE]
    moved = Counter((c.first, c.model) for c in calls if c.model and c.model != c.first)
    usual = Counter((c.first, c.model) for c in healthy if c.model and c.model != c.first)
    slowed = [c.lost_s for c in calls if c.lost_s > 0]
    failed = [c for c in calls if c.error]
    answered = [(c, h) for c, h in zip(calls, healthy, strict=True) if c.model and h.model]
    return Totals(
        calls=len(calls),
        answered=sum(not c.error for c in calls),
        in_outage=len(outage),
        answered_in_outage=sum(not c.error for c in outage),
        without=sum(not c.error for c in healthy),
        elsewhere=tuple((*pair, n) for pair, n in (moved - usual).most_common()),
        met={name: sum(name in c.met for c in calls) for name in trouble.names},
        fatal={name: sum(name in c.met for c in failed) for name in trouble.names},
        reached=tuple(_reached(failed)),
        lost_s=sum(slowed),
        slowed=len(slowed),
        worst_s=max(slowed, default=0.0),
        cost_usd=_sum([c.cost_usd for c, _ in answered]),
        healthy_usd=_sum([h.cost_usd for _, h in answered]),
    )


def _reached(failed: Sequence[Call]) -> list[Reached]:
    by_code: dict[str, list[Call]] = {}
    for call in failed:
        by_code.setdefault(call.code, []).append(call)
    return [
        Reached(code, tuple(c.number for c in calls), calls[0].error)
        for code, calls in by_code.items()
    ]


def _sum(amounts: Sequence[Decimal | None]) -> Decimal | None:
    known = [a for a in amounts if a is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None


def call_json(call: Call, healthy: Call) -> dict[str, Any]:
    """One call for programs."""
    found: dict[str, Any] = plain(
        {
            "call": call.number,
            "phase": call.phase,
            "task": call.sample.label,
            "first": call.first or None,
            "model": call.model or None,
            "attempts": [_try_json(one) for one in call.tries],
            "faults": list(call.met),
            "time_s": round(call.time_s, 3),
            "lost_s": round(call.lost_s, 3),
            "cost_usd": call.cost_usd,
            "without_outage": {"model": healthy.model or None, "cost_usd": healthy.cost_usd},
            "error": call.error or None,
            "code": call.code or None,
        }
    )
    return found


def _try_json(one: Try) -> dict[str, Any]:
    return {
        "model": one.model,
        "provider": one.provider,
        "fault": one.met or None,
        "read_as": one.read.value if one.read else None,
        "status": one.status or None,
        "waited_s": round(one.waited_s, 3),
        "time_s": round(one.time_s, 3),
        "message": one.message or None,
    }


def summary_json(sums: Totals, trouble: Trouble, advice: Sequence[str]) -> dict[str, Any]:
    """The end for programs."""
    found: dict[str, Any] = plain(
        {
            "calls": sums.calls,
            "answered": sums.answered,
            "outage": {
                "calls": sums.in_outage,
                "answered": sums.answered_in_outage,
                "faults": trouble.names,
                "at": [str(place) for place in trouble.faults],
                "share": trouble.share,
            },
            "answered_without_outage": sums.without,
            "fell_over": [{"first": f, "answered_by": a, "calls": n} for f, a, n in sums.elsewhere],
            "faults_met": sums.met,
            "faults_that_reached_the_agent": {n: c for n, c in sums.fatal.items() if c},
            "errors": [
                {"code": r.code, "calls": list(r.calls), "text": r.text} for r in sums.reached
            ],
            "lost_s": round(sums.lost_s, 3),
            "cost_usd": None if sums.cost_usd is None else amount(sums.cost_usd),
            "without_outage_usd": None if sums.healthy_usd is None else amount(sums.healthy_usd),
            "extra_usd": None if sums.extra_usd is None else amount(sums.extra_usd),
            "advice": list(advice),
            "simulated": True,
        }
    )
    return {"summary": found}


def is_dull(call: Call) -> bool:
    """Whether a call has nothing to tell beyond its line."""
    return call.phase == HEALTHY and not call.error and len(call.tries) == 1 and not call.met
