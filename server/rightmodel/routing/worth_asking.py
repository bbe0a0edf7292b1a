"""The hybrid: asks the judge only when its answer could change the choice by more than it costs.

Deciding is pure and cheap, so it is run over the plausible assessments. Where the same model wins
under all of them, asking is pointless. Where not, what knowing would save is compared with what
asking costs: the expected total cost of the model that is best on average, less that of the model
that is best under each assessment (the expected value of perfect information), of which the judge
brings a part: much of what the kind of work hides, little of what the difficulty hides.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from rightmodel.routing.signals.judge import price_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rightmodel.core.decision import Assessment, Decision
    from rightmodel.core.task import Task, Trust
    from rightmodel.routing.signals.judge import Judge

    Consider = Callable[[Assessment], Decision]
    Skills = tuple[tuple[str, float], ...]

PLAUSIBLE: Final = 0.08
"""Least weight of a skill that counts as plausible."""
MOST_SKILLS: Final = 3
SPREAD: Final = 1.5
"""Points of difficulty to either side that count as plausible."""
JUDGE_WORTH: Final = 0.7
"""Share of the value of knowing the kind of work that a judge brings: it is not always right."""
DIFFICULTY_WORTH: Final = 0.1
"""The same for the difficulty, which a text says little about, whoever reads it."""
JUDGE_PROMPT_TOKENS: Final = 600
"""What the judge's own instructions add to a task."""
UNSURE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Asked:
    """An assessment and what it cost to come by, USD (`None`: unknown).

    `judge`: the model that was asked, "" for none.
    """

    assessment: Assessment
    cost_usd: Decimal | None = Decimal(0)
    judge: str = ""


def plausible(local: Assessment) -> list[tuple[float, Assessment]]:
    """The assessments that may well be true, each with its share of the probability."""
    skills = [(s, w) for s, w in local.skills[:MOST_SKILLS] if w >= PLAUSIBLE]
    if local.confidence < UNSURE and "general" not in dict(skills):
        skills.append(("general", PLAUSIBLE))
    if local.confidence >= 1.0:  # the caller or a rule has said it
        skills = []
    weighted = [(w, replace(local, skills=((s, 1.0),))) for s, w in skills] or [(1.0, local)]
    spread = 0.0 if local.difficulty_confidence >= 1.0 else SPREAD
    steps = ((0.25, -spread), (0.5, 0.0), (0.25, spread)) if spread else ((1.0, 0.0),)
    total = sum(w for w, _ in weighted)
    return [
        (w / total * share, replace(a, difficulty=min(max(a.difficulty + step, 0.0), 10.0)))
        for w, a in weighted
        for share, step in steps
    ]


def value_of_asking(local: Assessment, consider: Consider) -> tuple[float, Sequence[str]]:
    """USD that a judge is expected to save, and the models that win under some assessment."""
    cases = [(share, a.skills, consider(a)) for share, a in plausible(local)]
    winners = list(dict.fromkeys(d.candidates[0].model for _, _, d in cases if d.candidates))
    if len(winners) < 2:  # noqa: PLR2004 - one winner: nothing to gain
        return 0.0, winners
    known = 0.0
    blind: dict[str, list[float]] = defaultdict(list)
    by_kind: dict[Skills, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for share, skills, decision in cases:
        known += share * min((c.total_usd for c in decision.candidates), default=0.0)
        for candidate in decision.candidates:
            blind[candidate.model].append(share * candidate.total_usd)
            by_kind[skills][candidate.model].append(share * candidate.total_usd)
    everywhere = [m for m, totals in blind.items() if len(totals) == len(cases)]
    if not everywhere:
        return 0.0, winners
    best_blind = min(sum(blind[m]) for m in everywhere)
    best_by_kind = sum(min(sum(totals[m]) for m in everywhere) for totals in by_kind.values())
    value = JUDGE_WORTH * (best_blind - best_by_kind) + DIFFICULTY_WORTH * (best_by_kind - known)
    return value, winners


async def assess_hybrid(
    task: Task, local: Assessment, consider: Consider, judge: Judge | None, trust: Trust
) -> Asked:
    """The local assessment, or the judge's where asking pays. The note says which and why."""
    model = judge.model(trust) if judge else None
    if model is None:
        return Asked(_noted(local, "no judge" if judge is None else "no model is fit to judge"))
    value, winners = value_of_asking(local, consider)
    if len(winners) < 2:  # noqa: PLR2004 - one winner
        return Asked(_noted(local, "judge not asked: every plausible reading leads to one model"))
    price = price_of(model, min(len(task.prompt) // 4, 1000) + JUDGE_PROMPT_TOKENS)
    if price is None or value <= float(price):
        return Asked(_noted(local, "judge not asked: it would cost more than it could save"))
    return await ask_judge(task, local, judge, trust)


async def ask_judge(task: Task, local: Assessment, judge: Judge | None, trust: Trust) -> Asked:
    """The judge's assessment where there is a judge, room for its price, and a usable answer.

    What the caller or a rule has said stands, whatever the judge says.
    """
    model = judge.model(trust) if judge else None
    if judge is None or model is None:
        return Asked(_noted(local, "no model is fit to judge"))
    if local.confidence >= 1.0 and local.difficulty_confidence >= 1.0:
        return Asked(local)
    price = price_of(model, min(len(task.prompt) // 4, 1000) + JUDGE_PROMPT_TOKENS)
    if task.max_cost_usd is not None and (price is None or price > task.max_cost_usd / 10):
        return Asked(_noted(local, "judge not asked: the ceiling leaves no room for it"))
    verdict = await judge.ask(task, local, model, trust)
    settled = verdict.assessment
    if settled is None:
        return Asked(_noted(local, verdict.why), verdict.cost_usd, model.id)
    if local.difficulty_confidence >= 1.0:
        settled = replace(settled, difficulty=local.difficulty, difficulty_confidence=1.0)
    if local.confidence >= 1.0:
        settled = replace(settled, skills=local.skills, confidence=1.0, source=local.source)
    return Asked(settled, verdict.cost_usd, model.id)


def _noted(local: Assessment, why: str) -> Assessment:
    note = f"{local.note}; {why}" if local.note else why
    return replace(local, note=note)
