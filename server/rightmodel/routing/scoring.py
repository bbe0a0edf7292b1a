"""Each model on a task: whether it can take it, its chance, cost and time.

A catalog is kept by columns, so that a decision is a few passes over lists of floats. Every model
that cannot take a task carries its reason.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp, inf
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Usage
from rightmodel.core.decision import Deferred, Rejection
from rightmodel.manifest.catalog import DEFAULT_RATING
from rightmodel.routing.tokens import billable_tokens, window_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from decimal import Decimal

    from rightmodel.core.decision import Assessment, Requirements, Skills
    from rightmodel.manifest.catalog import Model

    Column = list[float]
    Step = tuple[float, float]  # share and level

ANSWER_TOKENS: Final = {
    "general": 350,
    "code": 700,
    "math": 450,
    "reasoning": 600,
    "writing": 600,
    "summarize": 250,
    "extract": 200,
    "classify": 40,
    "translate": 300,
    "research": 1200,
    "knowledge": 350,
    "vision": 250,
    "agentic": 900,
}
"""Expected tokens of an answer by skill, where the assessment has none. Set by judgement: they
scale every candidate alike and hardly change the order."""

REASONING_TOKENS: Final = {"none": 0, "low": 300, "": 800, "medium": 1200, "high": 4000}
"""Expected reasoning tokens of a model with the `reasoning` feature on a task of difficulty 5, by
effort; in proportion to difficulty. Set by judgement."""


@dataclass(frozen=True, slots=True)
class Question:
    """All that a decision depends on, beside the catalog.

    `unavailable`: model id → why it is out for now. `extra`: models named by the caller that are
    in no manifest. `effort`, `max_output_tokens`, `failure_cost_usd`: as in the task. `at`: when
    (seconds since 1970), for prices that depend on it; `None`: the dearest apply.
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


def answer_tokens(assessment: Assessment, max_output_tokens: int = 0) -> int:
    """Expected tokens of the answer itself, reasoning not counted."""
    expected = assessment.output_tokens
    if expected is None:
        expected = ANSWER_TOKENS.get(assessment.skill, ANSWER_TOKENS["general"])
    return min(expected, max_output_tokens) if max_output_tokens else expected


def reasoning_tokens(model: Model, difficulty: float, effort: str) -> int:
    """Expected reasoning tokens, which are billed as output."""
    if "reasoning" not in model.features:
        return 0
    if model.thinking is not None and not effort:
        return round(model.thinking)
    return int(REASONING_TOKENS[effort] * difficulty / 5.0)


def cost(model: Model, question: Question) -> Decimal | None:
    """Expected USD on the task; `None` where a price is unknown."""
    prompt, price = question.requirements.input_tokens, model.price
    if price.others:
        price = price.rates(prompt, question.at)
    if price.input is None or price.output is None:
        return None
    return prompt * price.input + _output(model, question) * price.output


def time_s(model: Model, question: Question) -> float | None:
    """Expected seconds until the answer is complete, `None` where the speed is unknown."""
    if not model.tokens_s:
        return None
    return round((model.first_token_s or 0.0) + _output(model, question) / model.tokens_s, 1)


def _output(model: Model, question: Question) -> int:
    """Expected tokens billed as output: the answer at the model's verbosity, and its reasoning."""
    answer = question.requirements.output_tokens
    written = answer if model.verbosity == 1.0 else round(answer * model.verbosity)
    return written + reasoning_tokens(model, question.assessment.difficulty, question.effort)


def worst_cost(model: Model, input_tokens: int, allowed: int) -> Decimal | None:
    """The most USD that an attempt can be billed: what a budget reserves.

    `input_tokens`: estimated; counted with the estimate's worst error. `allowed`: output tokens.
    `None` where a price is unknown.
    """
    return model.price.cost(Usage(billable_tokens(input_tokens), allowed))


# -- columns --------------------------------------------------------------------------------------

MOST_CACHED: Final = 256
MOST_CATALOGS: Final = 4
A_SPREAD: Final = 3
"""Levels of a difficulty that is an estimate: below, at, above."""


@dataclass(slots=True)
class Columns:
    """One position per model, in manifest order.

    `read`, `written`: USD per prompt and per answer token, infinite where a price is unknown.
    `priced_apart`: positions whose cost is no plain sum of these (reasoning, verbosity, terms).
    `misses`: skills → exp(−rating): exp(level) times that is the odds of a bad answer.
    """

    of: Mapping[str, Model] | None
    models: tuple[Model, ...]
    read: Column
    written: Column
    priced_apart: list[int]
    windows: list[int]
    input_limits: Column
    output_limits: list[int]
    any_guessed: bool
    misses: dict[Skills, Column] = field(default_factory=dict)

    def chances(self, skills: Skills, steps: Sequence[Step], positions: Sequence[int]) -> Column:
        """`success` at these positions, weighted: Σ share / (1 + exp(level − rating))."""
        misses = self._misses(skills)
        if len(positions) < len(misses):
            misses = [misses[n] for n in positions]
        scaled = [(share, exp(level)) for share, level in steps]
        if len(scaled) == A_SPREAD:
            (a, x), (b, y), (c, z) = scaled
            return [a / (1.0 + x * m) + b / (1.0 + y * m) + c / (1.0 + z * m) for m in misses]
        if len(scaled) == 1:
            ((share, scale),) = scaled
            return [share / (1.0 + scale * miss) for miss in misses]
        return [sum([share / (1.0 + scale * m) for share, scale in scaled]) for m in misses]

    def _misses(self, skills: Skills) -> Column:
        column = self.misses.get(skills)
        if column is None:
            if len(self.misses) >= MOST_CACHED:
                self.misses.clear()
            column = [exp(-rating(model.skills, skills)) for model in self.models]
            self.misses[skills] = column
        return column


def rating(ratings: Mapping[str, float], skills: Skills) -> float:
    """The rating for a mix of skills; one without a rating counts as `general`."""
    general = ratings.get("general", DEFAULT_RATING)
    total = 0.0
    for skill, weight in skills:
        total += weight * ratings.get(skill, general)
    return total


_made: dict[int, Columns] = {}


def columns_of(models: Mapping[str, Model]) -> Columns:
    """The columns of a catalog's models, made once for each catalog: none is ever changed."""
    columns = _made.get(id(models))
    if columns is None or columns.of is not models:
        if len(_made) >= MOST_CATALOGS:
            _made.clear()
        columns = _made[id(models)] = make_columns(tuple(models.values()), models)
    return columns


def make_columns(models: Sequence[Model], of: Mapping[str, Model] | None = None) -> Columns:
    """The columns of some models. `of`: the catalog's mapping that they are all of."""
    return Columns(
        of=of,
        models=tuple(models),
        read=[_usd(m.price.input) for m in models],
        written=[_usd(m.price.output) for m in models],
        priced_apart=[
            n
            for n, m in enumerate(models)
            if m.price.others or m.verbosity != 1.0 or "reasoning" in m.features
        ],
        windows=[m.context for m in models],
        input_limits=[inf if m.input_limit is None else m.input_limit for m in models],
        output_limits=[m.output_limit for m in models],
        any_guessed=any(m.guessed for m in models),
    )


def _usd(price: object) -> float:
    return inf if price is None else float(price)  # type: ignore[arg-type]


# -- who can take it ------------------------------------------------------------------------------


def split(
    columns: Columns, needed: Requirements, unavailable: Mapping[str, str]
) -> tuple[list[int], Sequence[Rejection]]:
    """Positions of the models that can take the task, and a rejection for each other model.

    `unavailable`: model id → why it is out whatever the task (no key, cooling down …). The price
    ceiling is checked later: it needs an estimate.
    """
    tokens, answer = window_tokens(needed.input_tokens), needed.output_tokens
    both = tokens + answer
    fit = [
        n
        for n, window in enumerate(columns.windows)
        if both <= window
        and tokens <= columns.input_limits[n]
        and answer <= columns.output_limits[n]
    ]
    models = columns.models
    if unavailable:
        fit = [n for n in fit if models[n].id not in unavailable]
    if needed.pinned or needed.trust or needed.features or needed.modalities != {"text"}:
        fit = [n for n in fit if _obstacle(models[n], needed) is None]
    if len(fit) == len(models):
        return fit, ()

    def rejected() -> tuple[Rejection, ...]:
        kept = set(fit)
        return tuple(
            _rejection(model, needed, tokens, unavailable)
            for n, model in enumerate(models)
            if n not in kept
        )

    return fit, Deferred(len(models) - len(fit), (), rejected)


def _obstacle(model: Model, needed: Requirements) -> tuple[str, str] | None:
    """Code and reason why the model cannot take the task, windows apart; `None` where it can."""
    if needed.pinned and model.id not in needed.pinned:
        return "not_named", "the caller named other models"
    if needed.trust and model.trust < needed.trust:
        return "trust", (
            f"rule {needed.trust_by!r} requires trust {needed.trust.name}; "
            f"this is {model.trust.name}"
        )
    if missing := needed.modalities - model.modalities:
        return "modality", f"cannot read {', '.join(sorted(missing))}"
    if missing := needed.features - model.features:
        return "feature", f"lacks {', '.join(sorted(missing))}"
    return None


def _rejection(
    model: Model, needed: Requirements, tokens: int, unavailable: Mapping[str, str]
) -> Rejection:
    """`tokens`: of the prompt, with margin."""
    if model.id in unavailable:
        return Rejection(model.id, "unavailable", unavailable[model.id])
    if obstacle := _obstacle(model, needed):
        return Rejection(model.id, *obstacle)
    answer = needed.output_tokens
    if tokens + answer > model.context:
        why = (
            f"about {tokens} prompt and {answer} answer tokens with margin exceed its window of "
            f"{model.context}"
        )
    elif model.input_limit is not None and tokens > model.input_limit:
        why = f"about {tokens} prompt tokens with margin exceed its limit of {model.input_limit}"
    else:
        why = f"the answer needs about {answer} tokens, its limit is {model.output_limit}"
        return Rejection(model.id, "output", why)
    return Rejection(model.id, "context", why)
