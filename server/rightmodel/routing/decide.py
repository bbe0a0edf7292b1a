"""Which model is worth it, and who is next in line? Pure: the same input gives the same decision.

The model with the least expected total cost wins: `cost + (1 − p) × loss`, where `loss` is what a
wrong answer costs the caller: noticing it and doing the work again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from math import exp, inf
from operator import itemgetter
from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Candidate, Decision, Rejection
from rightmodel.core.format import dollars
from rightmodel.routing import scoring as estimate
from rightmodel.routing.eligibility import split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rightmodel.core.decision import Assessment, Requirements
    from rightmodel.manifest.catalog import Catalog, Model

LOSS_MULTIPLES: Final[Mapping[str, float]] = {"cheap": 2.0, "balanced": 10.0, "best": 60.0}
"""What a wrong answer costs, as a multiple of what the baseline would cost on the task, by tier.

Set by `benchmarks/routing_tiers.py`, so that over pools of models with fitted ratings `balanced`
keeps 95 % of the best model's quality and `best` 99 %."""

FALLBACK_LOSS_USD: Final = 0.01
"""Loss where neither the baseline nor any connected model has a known price above zero."""

_NOTHING: Final = Decimal(0)
_CHANCE: Final = itemgetter(Candidate._fields.index("p_success"))
_TOTAL: Final = itemgetter(Candidate._fields.index("total_usd"))


@dataclass(frozen=True, slots=True)
class Question:
    """All that a decision rests on.

    `unavailable`: model id → why it is out for now. `extra`: models named by the caller that are
    in no manifest. `effort`, `max_output_tokens`, `failure_cost_usd`: as in the task. `at`: when
    (seconds since 1970), for prices that depend on it; `None`: the dearest are reckoned with.
    """

    assessment: Assessment
    requirements: Requirements
    tier: str
    effort: str = ""
    max_output_tokens: int = 0
    failure_cost_usd: Decimal | None = None
    rule: str = ""
    unavailable: Mapping[str, str] = field(default_factory=dict)
    extra: tuple[Model, ...] = ()
    at: float | None = None


def decide(catalog: Catalog, question: Question) -> Decision:
    """Rank every model that can take the task; say why the others cannot."""
    needed = question.requirements
    models: Sequence[Model] = (*catalog.models.values(), *question.extra)
    fit, rejections = split(models, needed, question.unavailable)
    loss = loss_usd(catalog, question)
    ranked = _candidates(fit, question, loss)
    if needed.max_cost_usd is not None:
        ranked, too_dear = _within(ranked, needed.max_cost_usd)
        rejections += too_dear
    _rank(ranked, needed)
    return Decision(
        candidates=tuple(ranked),
        rejections=tuple(rejections),
        assessment=question.assessment,
        requirements=needed,
        tier=question.tier,
        loss_usd=loss,
        reason=_reason(ranked, question, loss),
        rule=question.rule,
    )


def loss_usd(catalog: Catalog, question: Question) -> float:
    """What a wrong answer costs, USD.

    The stated failure cost; else the tier's multiple of what the baseline (or, with no baseline,
    the dearest connected model) would cost on this task.
    """
    if question.failure_cost_usd is not None:
        return float(question.failure_cost_usd)
    price = _pricer(question)
    baseline = catalog.baseline_model()
    if baseline is not None and baseline.price.known:
        costs = [price(baseline)[0]]
    else:
        costs = [price(model)[0] for model in catalog.models.values()]
    dearest = max([c for c in costs if c is not None], default=_NOTHING)
    return (float(dearest) or FALLBACK_LOSS_USD) * LOSS_MULTIPLES[question.tier]


def _pricer(question: Question) -> Callable[[Model], tuple[Decimal | None, int]]:
    """Says what a model is expected to cost on this task, and for how many output tokens.

    It is asked about every model of every decision. Exact sums of decimals are cheap; making a
    `Decimal` of an int each time is not.
    """
    input_tokens, answer = question.requirements.input_tokens, question.requirements.output_tokens
    difficulty, effort, at = question.assessment.difficulty, question.effort, question.at
    read, written = Decimal(input_tokens), Decimal(answer)

    def priced(model: Model) -> tuple[Decimal | None, int]:
        price = model.price.rates(input_tokens, at) if model.price.others else model.price
        if price.input is None or price.output is None:
            return None, answer
        if model.verbosity == 1.0 and "reasoning" not in model.features:
            return read * price.input + written * price.output, answer
        output = estimate.output_tokens(model, answer, difficulty, effort)
        return read * price.input + output * price.output, output

    return priced


def _candidates(models: Sequence[Model], question: Question, loss: float) -> list[Candidate]:
    """One candidate for each model. This loop is most of a decision."""
    skills, difficulty = question.assessment.skills, question.assessment.difficulty
    price, rating, make = _pricer(question), estimate.rating, tuple.__new__
    candidates = []
    for model in models:
        p = 1.0 / (1.0 + exp(difficulty - rating(model, skills)))
        cost, output = price(model)
        if cost is None:
            candidates.append(Candidate(model.id, p, None, None, inf))
            continue
        time_s = estimate.time_s(model, output) if model.tokens_s else None
        total = float(cost) + (1.0 - p) * loss
        candidates.append(make(Candidate, (model.id, p, cost, time_s, total)))
    return candidates


def _within(
    candidates: Sequence[Candidate], ceiling: Decimal
) -> tuple[list[Candidate], list[Rejection]]:
    """The candidates whose expected cost keeps to a ceiling, and a rejection for each other."""
    kept: list[Candidate] = []
    out: list[Rejection] = []
    for candidate in candidates:
        if candidate.cost_usd is None:
            why = "its price is unknown, and max_cost_usd or per_call_usd sets a ceiling"
        elif candidate.cost_usd > ceiling:
            expected = dollars(candidate.cost_usd)
            why = f"expected to cost {expected}, over the ceiling of {dollars(ceiling)}"
        else:
            kept.append(candidate)
            continue
        out.append(Rejection(candidate.model, "max_cost_usd", why))
    return kept, out


def _rank(candidates: list[Candidate], needed: Requirements) -> None:
    """Sort: named models in the order named, a rule's next, then least expected total cost.

    Sorts are stable, so the last key weighs most.
    """
    candidates.sort(key=_CHANCE, reverse=True)
    candidates.sort(key=_TOTAL)
    named = needed.pinned or needed.preferred
    if named:
        place = {model: number for number, model in enumerate(named)}
        candidates.sort(key=lambda c: place.get(c.model, len(place)))


def _reason(ranked: Sequence[Candidate], question: Question, loss: float) -> str:
    """One sentence with the two figures that settled it."""
    if not ranked:
        return "no connected model can take this task"
    first = ranked[0]
    if question.requirements.pinned:
        return "named by the caller"
    if first.model in question.requirements.preferred:
        return question.requirements.preferred_why
    if first.cost_usd is None:
        return "the only fit models have unknown prices; rated best among them"
    head = f"least expected total cost: ${_usd(first.total_usd)}"
    if len(ranked) == 1 or ranked[1].cost_usd is None:
        return f"{head}; no other priced model fits"
    rival = ranked[1]
    risk = f"{100 * (1 - first.p_success):.2g}%"
    return (
        f"{head} (${_usd(first.cost_usd)} + {risk} risk × ${_usd(loss)}) "
        f"against ${_usd(rival.total_usd)} for {rival.model}"
    )


def _usd(amount: Decimal | float) -> str:
    """Two significant digits, never in exponent form."""
    value = float(amount)
    if value >= 1:
        return f"{value:.2f}"
    return f"{value:.2g}" if value >= 0.0001 else f"{value:.7f}".rstrip("0").rstrip(".")  # noqa: PLR2004
