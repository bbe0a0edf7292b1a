"""The sentence that says why a model was chosen, with the two figures that decided. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rightmodel.core.format import dollars

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.core.decision import Candidate, Requirements
    from rightmodel.routing.session import Horizon


def reason(head: Sequence[Candidate], needed: Requirements, loss_usd: float) -> str:
    """For a single task. `head`: the choice and its rival. `loss_usd`: of a wrong answer."""
    first = head[0] if head else None
    if needed.pinned or not first or first.cost_usd is None or first.model in needed.preferred:
        return _without_figures(first, needed)
    text = f"least expected total cost: {dollars(first.total_usd)}"
    if len(head) == 1 or head[1].cost_usd is None:
        return f"{text}; no other priced model fits"
    rival = head[1]
    return (
        f"{text} ({dollars(first.cost_usd)} + {_risk(first)} risk × {dollars(loss_usd)}) "
        f"against {dollars(rival.total_usd)} for {rival.model}{_guess(first, rival)}"
    )


def reason_in_session(
    head: Sequence[Candidate],
    needed: Requirements,
    loss_usd: float,
    turn: Horizon,
    last: Candidate | str,
) -> str:
    """For a turn of a session. `last`: its last model as a candidate, or why it is none; "" before.

    Both figures are means per turn over the horizon.
    """
    first = head[0] if head else None
    if needed.pinned or not first or first.cost_usd is None or first.model in needed.preferred:
        return _without_figures(first, needed)
    rival = head[1] if len(head) > 1 else None
    if isinstance(last, str):
        verb = f"switches from {turn.view.model} ({last}) to" if last else "begins with"
        against = f"{_total(rival)} for {rival.model}" if rival else "no other model that fits"
    elif last.model == first.model:
        verb = "stays with"
        against = f"{_total(rival)} for switching to {rival.model}" if rival else "no other model"
    else:
        verb, rival = f"switches from {last.model} to", last
        against = f"{_total(last)} for staying"
    span = f"a turn over {1 + turn.further:.2g} turns" if turn.further else "for this turn"
    mean_usd = first.total_usd - (1 - first.p_success) * loss_usd
    return (
        f"{verb} {first.model}: {_total(first)} {span} "
        f"({dollars(mean_usd)} + {_risk(first)} risk × {dollars(loss_usd)}) "
        f"against {against}{_guess(first, rival)}"
    )


def _guess(first: Candidate, rival: Candidate | None) -> str:
    """Why a rival with a lower total comes second."""
    is_lower = rival is not None and rival.total_usd < first.total_usd
    return ", whose rating is only a guess from its price" if is_lower else ""


def _without_figures(first: Candidate | None, needed: Requirements) -> str:
    """The reason where no two figures decided."""
    if first is None:
        return "no connected model can take this task"
    if needed.pinned:
        return "named by the caller"
    if first.model in needed.preferred:
        return needed.preferred_why
    return "the only fit models have unknown prices; rated best among them"


def _risk(candidate: Candidate) -> str:
    return f"{100 * (1 - candidate.p_success):.2g}%"


def _total(candidate: Candidate) -> str:
    if candidate.cost_usd is None:
        return "an unknown price"
    return dollars(candidate.total_usd)
