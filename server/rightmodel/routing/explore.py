"""Sends a share of calls to another near candidate, so that its rating is learned, too."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

    from rightmodel.core.decision import Decision

MOST_REGRET: Final = 2.0
"""A candidate may be explored if its expected total cost is at most this multiple of
the first choice's."""


def explored(decision: Decision, share: float, random: Random) -> Decision:
    """The decision; in a `share` of calls (0–1) another near candidate comes first.

    Models that the caller or a rule named keep their order.
    """
    needed = decision.requirements
    if not share or needed.pinned or needed.preferred or random.random() >= share:
        return decision
    near = [
        candidate
        for candidate in decision.candidates[1:]
        if candidate.total_usd <= MOST_REGRET * decision.candidates[0].total_usd
    ]
    if not near:
        return decision
    tried = random.choice(near)
    others = tuple(c for c in decision.candidates if c is not tried)
    return replace(
        decision,
        candidates=(tried, *others),
        reason=f"explored, to learn how good it is; else {others[0].model}: {decision.reason}",
        explored=True,
    )
