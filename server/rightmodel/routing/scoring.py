"""Each model on a task: its chance of a good answer, expected cost and time.

A catalog is kept by columns, so that a decision is a few passes over lists of floats.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from math import ceil, exp, inf, isinf
from operator import attrgetter
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.call import Usage
from rightmodel.core.decision import Assessment, Reading, Rejection, Requirements, Skills
from rightmodel.core.format import dollars
from rightmodel.manifest.catalog import DEFAULT_RATING, Model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rightmodel.manifest.price import Price
    from rightmodel.routing.session import Horizon

    Column = list[float]
    Step = tuple[float, float]  # share and level

ANSWER_TOKENS: Final = {
    "general": 350, "code": 700, "math": 450, "reasoning": 600, "writing": 600,
    "summarize": 250, "extract": 200, "classify": 40, "translate": 300, "research": 1200,
    "knowledge": 350, "vision": 250, "agentic": 900,
}  # fmt: skip
"""Expected tokens of an answer by skill, where the assessment has none. Set by judgement: they
scale every candidate alike and hardly change the order."""

REASONING_TOKENS: Final = {"none": 0, "low": 300, "": 800, "medium": 1200, "high": 4000}
"""Expected reasoning tokens of a model with the `reasoning` feature on a task of difficulty 5, by
effort; in proportion to difficulty. Set by judgement."""


CLEARLY: Final = 0.999
"""Share of a ceiling up to which floats show that a cost is within it."""
WORST_ERROR: Final = 1.5
"""No text of the estimate's test set makes more than this multiple of its estimate."""
_SKILLS: Final = attrgetter("skills")


@dataclass(frozen=True, slots=True)
class Question:
    """All that a decision depends on, beside the catalog.

    `unavailable`: model id → why it is out for now. `extra`: models named by the caller that are
    in no manifest. `effort`, `max_output_tokens`, `failure_cost_usd`: as in the task. `at`: when
    (seconds since 1970), for prices that depend on it; `None`: the dearest apply. `horizon`: the
    turns that a turn of a session is decided for. `stall`: why the task counts as one step harder.
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
    horizon: Horizon | None = None
    stall: str = ""


def billable_tokens(estimate: int) -> int:
    """An estimate with the margin to reserve its cost."""
    return ceil(estimate * WORST_ERROR)


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
    """Expected USD on the task; `None` where a price is unknown. Of a turn: of this one alone."""
    prompt, price = question.requirements.input_tokens, model.price
    if price.others:
        price = price.rates(prompt, question.at)
    if price.input is None or price.output is None:
        return None
    turn = question.horizon
    prompt_usd = prompt * price.input if turn is None else turn.prompt_usd(model, price)
    return prompt_usd + _output(model, question) * price.output


def mean_costs(
    model: Model, question: Question, turn: Horizon, *, is_baseline: bool
) -> tuple[float, float]:
    """Expected USD of a turn, on average over the horizon; infinite where a price is unknown.

    As the caches are, and, of a baseline, as they would be had the model just served this turn.
    """
    price = model.price
    if price.others:
        price = price.rates(turn.prompt, question.at)
    if price.input is None or price.output is None:
        return inf, inf
    answer_usd = _output(model, question) * float(price.output)
    usd, warm_usd = turn.mean_prompt_usd(model, price, is_baseline=is_baseline)
    return usd + answer_usd, warm_usd + answer_usd


def expected(
    models: Sequence[Model], question: Question
) -> list[tuple[Decimal | None, float | None]]:
    """USD, and seconds until the answer is complete; `None` for what is unknown."""
    found: list[tuple[Decimal | None, float | None]] = []
    for model in models:
        usd, time_s = cost(model, question), None
        if model.tokens_s and usd is not None:
            took = (model.first_token_s or 0.0) + _output(model, question) / model.tokens_s
            time_s = round(took, 1)
        found.append((usd, time_s))
    return found


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

    `read`, `written`: USD per prompt and per answer token, infinite where a price is unknown;
    `most`: of both, whatever the caches, the time and the size of the prompt.
    `priced_apart`: positions whose cost is no plain sum of these (reasoning, verbosity, terms).
    `misses`: skills → exp(−rating): exp(level) times that is the odds of a bad answer.
    """

    of: Mapping[str, Model] | None
    models: tuple[Model, ...]
    read: Column
    written: Column
    most: list[tuple[float, float]]
    priced_apart: list[int]
    windows: list[int]
    input_limits: Column
    output_limits: list[int]
    any_guessed: bool
    misses: dict[Skills, Column] = field(default_factory=dict)

    def chances(self, skills: Skills, steps: Sequence[Step], positions: Sequence[int]) -> Column:
        """`success` at these positions, weighted: Σ share / (1 + exp(level − rating))."""
        misses = self._at(skills, positions)
        scaled = [(share, exp(level)) for share, level in steps]
        if len(scaled) == A_SPREAD:
            (a, x), (b, y), (c, z) = scaled
            return [a / (1.0 + x * m) + b / (1.0 + y * m) + c / (1.0 + z * m) for m in misses]
        if len(scaled) == 1:
            ((share, scale),) = scaled
            return [share / (1.0 + scale * miss) for miss in misses]
        return [sum([share / (1.0 + scale * m) for share, scale in scaled]) for m in misses]

    def chances_under(self, readings: Sequence[Reading], positions: Sequence[int]) -> list[Column]:
        """`success` at these positions, if one reading is true, for each of them."""
        found: list[Column] = []
        for skills, group in groupby(readings, key=_SKILLS):
            misses = self._at(skills, positions)
            for reading in group:
                scale = exp(reading.level)
                found.append([1.0 / (1.0 + scale * miss) for miss in misses])
        return found

    def _at(self, skills: Skills, positions: Sequence[int]) -> Column:
        misses = self._misses(skills)
        return [misses[n] for n in positions] if len(positions) < len(misses) else misses

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


def columns_of(models: Mapping[str, Model], extra: tuple[Model, ...] = ()) -> Columns:
    """The columns of a catalog's models, made once for each catalog: none is ever changed.

    `extra`: models besides.
    """
    columns = _made.get(id(models))
    if columns is None or columns.of is not models:
        if len(_made) >= MOST_CATALOGS:
            _made.clear()
        columns = _made[id(models)] = _columns(tuple(models.values()), models)
    return _columns((*columns.models, *extra)) if extra else columns


def _columns(models: Sequence[Model], of: Mapping[str, Model] | None = None) -> Columns:
    """The columns of some models. `of`: the catalog's mapping that they are all of."""
    return Columns(
        of=of,
        models=tuple(models),
        read=[_usd(m.price.input) for m in models],
        written=[_usd(m.price.output) for m in models],
        most=[_most(m.price) for m in models],
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


def _most(price: Price) -> tuple[float, float]:
    every = (price, *(other for _, other in price.others))
    caches = [usd for p in every for usd in (p.cache_read, p.cache_write, p.cache_write_1h) if usd]
    prompt = max(_usd(usd) for usd in (*caches, *(p.input for p in every)))
    return prompt, max(_usd(p.output) for p in every)


# -- all of them ----------------------------------------------------------------------------------


class Figures(NamedTuple):
    """The models at `positions` that the ceiling allows, and a rejection of each other one.

    Parallel to `positions`: `costs` (USD, infinite where a price is unknown) and `chances` (mean
    over the readings). `baseline_usd`: what the baseline costs, or the dearest model without one.
    """

    positions: Sequence[int]
    costs: Sequence[float]
    chances: Sequence[float]
    baseline_usd: float
    rejections: Sequence[Rejection]


def figures(
    columns: Columns,
    positions: Sequence[int],
    question: Question,
    readings: Sequence[Reading],
    baseline: Model | None,
) -> Figures:
    """Costs and chances of the models at these positions, in a few passes over the columns."""
    if question.horizon is None:
        costs = _costs(columns, question)
        baseline_usd = _baseline_usd(baseline, question, costs)
    else:
        costs, baseline_usd = _turn_costs(columns, question, question.horizon, baseline)
    too_dear: Sequence[Rejection] = ()
    if question.requirements.max_cost_usd is not None:
        positions, too_dear = _within(columns, positions, question)
    if len(positions) < len(costs):
        costs = [costs[n] for n in positions]
    chances = _chances(columns, readings, positions)
    return Figures(positions, costs, chances, baseline_usd, too_dear)


def _costs(columns: Columns, question: Question) -> list[float]:
    """Expected USD for every model. Plain prices are one product and one sum each."""
    prompt = question.requirements.input_tokens
    answer = max(question.requirements.output_tokens, 1)
    costs = [
        prompt * read + answer * written
        for read, written in zip(columns.read, columns.written, strict=True)
    ]
    for n in columns.priced_apart:
        usd = cost(columns.models[n], question)
        costs[n] = inf if usd is None else float(usd)
    return costs


def _baseline_usd(baseline: Model | None, question: Question, costs: Sequence[float]) -> float:
    """What the baseline costs; without one, the dearest model."""
    usd = None if baseline is None else cost(baseline, question)
    return _dearest(costs) if usd is None else float(usd)


def _dearest(costs: Iterable[float]) -> float:
    return max((one for one in costs if not isinf(one)), default=0.0)


def _turn_costs(
    columns: Columns, question: Question, turn: Horizon, baseline: Model | None
) -> tuple[list[float], float]:
    """The same of a turn: costs on average over the horizon, the baseline's with its cache warm."""
    each = baseline is None
    costs = [mean_costs(model, question, turn, is_baseline=each) for model in columns.models]
    alone = costs if baseline is None else [mean_costs(baseline, question, turn, is_baseline=True)]
    return [usd for usd, _ in costs], _dearest(warm_usd for _, warm_usd in alone)


def _chances(
    columns: Columns, readings: Sequence[Reading], positions: Sequence[int]
) -> list[float]:
    """The mean of `success` over the readings: one pass for each skill."""
    rows = [
        columns.chances(skills, [(r.share, r.level) for r in group], positions)
        for skills, group in groupby(readings, key=_SKILLS)
    ]
    return rows[0] if len(rows) == 1 else list(map(sum, zip(*rows, strict=True)))


def _within(
    columns: Columns, positions: Sequence[int], question: Question
) -> tuple[list[int], list[Rejection]]:
    """The positions whose expected cost is within the ceiling, and a rejection for each other."""
    needed = question.requirements
    ceiling = needed.max_cost_usd or Decimal(0)
    clearly, turn = float(ceiling) * CLEARLY, question.horizon
    prompt = needed.input_tokens if turn is None else turn.prompt
    kept: list[int] = []
    out: list[Rejection] = []
    for n in positions:
        model, (read, written) = columns.models[n], columns.most[n]
        if prompt * read + _output(model, question) * written < clearly:
            kept.append(n)
            continue
        usd = cost(model, question)
        if usd is None:
            why = f"its price is unknown, and {needed.cost_by} sets a ceiling"
        elif usd > ceiling:
            limit = f"the ceiling of {dollars(ceiling)} ({needed.cost_by})"
            why = f"expected to cost {dollars(usd)}, over {limit}"
        else:
            kept.append(n)
            continue
        out.append(Rejection(model.id, "max_cost_usd", why))
    return kept, out
