"""For each model that can take a task: chance of a good answer, expected cost, worst cost.

Chance: the one-parameter item response (Rasch) model, p = 1 / (1 + exp(difficulty − rating)), with
rating the mean of the model's skill ratings under the task's skill weights. Both live on 0–10.
Cost: prompt tokens × price + expected answer tokens × price, reasoning tokens included.
"""

from __future__ import annotations

from math import ceil, exp
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Usage
from rightmodel.manifest.catalog import DEFAULT_RATING

if TYPE_CHECKING:
    from decimal import Decimal

    from rightmodel.core.decision import Assessment, Requirements
    from rightmodel.manifest.catalog import Model

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
"""Expected length of an answer by skill, in tokens, where the assessment does not know better.
Set by judgement; they scale every candidate alike, so they matter for the amounts shown and little
for the order."""

REASONING_TOKENS: Final = {"none": 0, "low": 300, "": 800, "medium": 1200, "high": 4000}
"""Expected reasoning tokens of a model with the `reasoning` feature on a task of difficulty 5, by
effort; in proportion to difficulty. Set by judgement."""

INPUT_MARGIN: Final = 1.5

MIN_ALLOWANCE: Final = 16_384
"""Least output tokens allowed for an answer, where the model can: room to reason in."""


def rating(model: Model, skills: tuple[tuple[str, float], ...]) -> float:
    """The model's rating for a mix of skills; one that it has no rating for counts as `general`."""
    ratings = model.skills
    general = ratings.get("general", DEFAULT_RATING)
    total = 0.0
    for skill, weight in skills:
        total += weight * ratings.get(skill, general)
    return total


def chance(rating_: float, difficulty: float) -> float:
    """Chance of a good answer, 0–1."""
    return 1.0 / (1.0 + exp(difficulty - rating_))


def answer_tokens(assessment: Assessment, max_output_tokens: int = 0) -> int:
    """Expected tokens of the answer itself, reasoning not counted."""
    expected = assessment.output_tokens
    if expected is None:
        expected = ANSWER_TOKENS.get(assessment.skill, ANSWER_TOKENS["general"])
    return min(expected, max_output_tokens) if max_output_tokens else expected


def output_tokens(model: Model, answer: int, difficulty: float, effort: str) -> int:
    """Expected tokens billed as output: the answer in the model's own words, and its reasoning."""
    written = answer if model.verbosity == 1.0 else round(answer * model.verbosity)
    return written + reasoning_tokens(model, difficulty, effort)


def reasoning_tokens(model: Model, difficulty: float, effort: str) -> int:
    """Expected reasoning tokens, which are billed as output."""
    if "reasoning" not in model.features:
        return 0
    if model.thinking is not None and not effort:
        return round(model.thinking)
    return int(REASONING_TOKENS[effort] * difficulty / 5.0)


def time_s(model: Model, output_tokens: int) -> float | None:
    """Expected seconds until the whole answer is there, `None` where its speed is not known."""
    if not model.tokens_s:
        return None
    return round((model.first_token_s or 0.0) + output_tokens / model.tokens_s, 1)


def allowance(model: Model, needed: Requirements, max_output_tokens: int) -> int:
    """Output tokens that a call may use at most: the caller's cap, else ample room."""
    room = max(model.context - needed.input_tokens, 1)
    limit = min(model.output_limit, room)
    if max_output_tokens:
        return min(max_output_tokens, limit)
    return min(limit, max(MIN_ALLOWANCE, 4 * needed.output_tokens))


def worst_cost(model: Model, input_tokens: int, allowed: int) -> Decimal | None:
    """The most USD that an attempt can be billed: what a budget reserves. `allowed`: output tokens.

    The prompt counts half as much again as estimated, which no text of the estimate's own test
    set reaches. `None` where a price is unknown.
    """
    return model.price.cost(Usage(ceil(input_tokens * INPUT_MARGIN), allowed))
