"""What a model is expected to write, take and cost on a task; what it may cost at most."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Usage
from rightmodel.routing.tokens import billable_tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
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
"""Expected tokens of an answer by skill, where the assessment has none. Set by judgement: they
scale every candidate alike and hardly change the order."""

REASONING_TOKENS: Final = {"none": 0, "low": 300, "": 800, "medium": 1200, "high": 4000}
"""Expected reasoning tokens of a model with the `reasoning` feature on a task of difficulty 5, by
effort; in proportion to difficulty. Set by judgement."""

MIN_ALLOWANCE: Final = 16_384
"""Least output tokens allowed for an answer, where the model can: room to reason in."""


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


def allowance(model: Model, needed: Requirements, max_output_tokens: int) -> int:
    """Output tokens that a call may use at most: the caller's cap, else ample room."""
    room = max(model.context - needed.input_tokens, 1)
    limit = min(model.output_limit, room)
    if max_output_tokens:
        return min(max_output_tokens, limit)
    return min(limit, max(MIN_ALLOWANCE, 4 * needed.output_tokens))


def worst_cost(model: Model, input_tokens: int, allowed: int) -> Decimal | None:
    """The most USD that an attempt can be billed: what a budget reserves.

    `input_tokens`: estimated; counted with the estimate's worst error. `allowed`: output tokens.
    `None` where a price is unknown.
    """
    return model.price.cost(Usage(billable_tokens(input_tokens), allowed))
