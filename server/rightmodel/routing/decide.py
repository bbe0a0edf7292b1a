"""Which models can take a task, which is worth its cost, and the fallback chain.

Pure: equal input, equal decision. The model with the least expected total cost wins:
`cost + (1 − p) × loss`. `loss` is what a wrong answer costs the caller: noticing it and doing the
work again. p is the mean over the plausible readings of the task. Every model that cannot take the
task carries its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import inf, isinf
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, TypeVar

from rightmodel.core.decision import Candidate, Decision, Reading, Rejection
from rightmodel.manifest.catalog import DEFAULT_SLOPE, Catalog, Model, Slope
from rightmodel.routing.reasons import reason, reason_in_session, split
from rightmodel.routing.scoring import Columns, Question, columns_of, expected, figures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.decision import Assessment, Requirements, Skills

LOSS_MULTIPLES: Final[Mapping[str, float]] = {"cheap": 2.0, "balanced": 10.0, "best": 60.0}
"""What a wrong answer costs, as a multiple of the baseline's cost on the task, by tier.

Set by `benchmarks/routing_tiers.py`, so that over pools of models with fitted ratings `balanced`
keeps 95 % of the best model's quality and `best` 99 %."""

TURN_LOSS: Final = 4.0
"""A wrong turn of a session costs so many times more: those that follow build on it.

Set by `benchmarks/sessions.py`, so that `balanced` keeps 98 % of the baseline's success in every
pool of models there."""

LEAST_WEIGHT: Final = 0.08
"""Least weight of a skill that counts as plausible."""
MOST_SKILLS: Final = 3
SPREAD: Final = 0.8
"""Points of difficulty to either side that count as plausible. The slopes already draw an estimate
to its mean; a wider spread flattens the chances and cost 0.03 of the saving on held-out prompts."""
UNSURE: Final = 0.5
"""Below this confidence `general` is plausible, too."""
CERTAIN: Final = 1.0
"""The confidence of what the caller or a rule states."""

STALL_STEP: Final = 2.0
"""Points by which a stalled session's next turn is harder: from one word for it to the next."""

HEAD: Final = 2
"""Candidates that every decision makes at once: the choice and its rival."""
_SKILLS: Final = attrgetter("skills")

FALLBACK_LOSS_USD: Final = 0.01
"""Loss where neither the baseline nor any connected model has a known price above zero."""


T = TypeVar("T")


class Deferred(Sequence[T]):
    """A sequence of which only the first items exist until another one is read.

    A decision over a thousand models is mostly read at its head.
    """

    __slots__ = ("_all", "_first", "_length", "_make")

    def __init__(
        self, length: int, first: tuple[T, ...], make: Callable[[], tuple[T, ...]]
    ) -> None:
        self._length = length
        self._first = first
        self._make = make
        self._all: tuple[T, ...] | None = None

    def _items(self) -> tuple[T, ...]:
        if self._all is None:
            self._all = self._make()
        return self._all

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int) and 0 <= index < len(self._first):
            return self._first[index]
        return self._items()[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._items() == tuple(other)

    def __hash__(self) -> int:
        return hash(self._items())

    def __repr__(self) -> str:
        return repr(self._items())


@dataclass(slots=True)
class Outlook:
    """The models that can take the task, weighed over the plausible readings.

    `positions`: of these models in `columns`. Parallel to it: `costs` (USD, infinite where a price
    is unknown), `chances` (mean chance of a good answer), `totals` (expected total cost, USD).
    `baseline_usd`: what the baseline would cost.
    """

    columns: Columns
    positions: Sequence[int]
    costs: Sequence[float]
    chances: Sequence[float]
    totals: Sequence[float]
    readings: tuple[Reading, ...]
    loss_usd: float
    baseline_usd: float
    rejections: Sequence[Rejection]
    _under: list[tuple[list[float], int]] = field(default_factory=list, repr=False, compare=False)

    def model(self, n: int) -> Model:
        """The n-th fit model."""
        return self.columns.models[self.positions[n]]

    @property
    def level(self) -> float:
        """The mean level over the readings, 0–10."""
        return sum(reading.share * reading.level for reading in self.readings)

    def by_reading(self) -> list[tuple[list[float], int]]:
        """The expected total costs under each reading, if it is true, and where the least one is.

        -1 without a known price.
        """
        if not self._under:
            for column in self.columns.chances_under(self.readings, self.positions):
                totals = _totals(self.costs, column, self.loss_usd)
                least = min(totals, default=inf)
                self._under.append((totals, -1 if least == inf else totals.index(least)))
        return self._under

    def winners(self) -> tuple[tuple[Reading, str], ...]:
        """Every reading with the model of the least total, "" without a known price."""
        pairs = zip(self.readings, self.by_reading(), strict=True)
        return tuple((reading, self.model(n).id if n >= 0 else "") for reading, (_, n) in pairs)


def decide(catalog: Catalog, question: Question) -> Decision:
    """Rank every model that can take the task; say why the others cannot."""
    return ranked(weigh(catalog, question), question)


def weigh(catalog: Catalog, question: Question) -> Outlook:
    """Costs and chances of every model that can take the task."""
    readings = plausible(question.assessment, catalog.slopes)
    if question.stall:
        readings = tuple(r._replace(level=min(r.level + STALL_STEP, 10.0)) for r in readings)
    columns = columns_of(catalog.models, question.extra)
    positions, rejected = split(columns, question.requirements, question.unavailable)
    out = len(columns.models) - len(positions)
    rejections = Deferred(out, (), rejected) if out else ()
    found = figures(columns, positions, question, readings, catalog.baseline_model)
    loss = _loss_usd(question, found.baseline_usd)
    return Outlook(
        columns=columns,
        positions=found.positions,
        costs=found.costs,
        chances=found.chances,
        totals=_totals(found.costs, found.chances, loss),
        readings=readings,
        loss_usd=loss,
        baseline_usd=found.baseline_usd,
        rejections=(*rejections, *found.rejections) if found.rejections else rejections,
    )


def ranked(outlook: Outlook, question: Question, *, note: str = "") -> Decision:
    """The decision: candidates in order, and the two figures that decided.

    `note`: what to add to the assessment's own.
    """
    needed, assessment = question.requirements, question.assessment
    if note:
        notes = "; ".join(filter(None, (assessment.note, note)))
        assessment = replace(assessment, note=notes)
    head = _candidates(outlook, _head(outlook, needed), question)
    level = round(outlook.level, 2)

    def every() -> tuple[Candidate, ...]:
        rest = _order(outlook, needed)[len(head) :] if len(outlook.positions) > HEAD else ()
        return (*head, *_candidates(outlook, rest, question)) if rest else head

    return Decision(
        candidates=Deferred(len(outlook.positions), head, every),
        rejections=outlook.rejections,
        assessment=assessment,
        requirements=question.requirements,
        tier=question.tier,
        loss_usd=outlook.loss_usd,
        level=level,
        winners=Deferred(len(outlook.readings), (), outlook.winners),
        reason=_reason(head, question, outlook),
        rule=question.rule,
    )


def _loss_usd(question: Question, baseline_usd: float) -> float:
    if question.failure_cost_usd is not None:
        return float(question.failure_cost_usd)
    loss = (baseline_usd or FALLBACK_LOSS_USD) * LOSS_MULTIPLES[question.tier]
    if question.horizon is None or not question.horizon.further:
        return loss
    return loss * TURN_LOSS


def _totals(costs: Sequence[float], chances: Sequence[float], loss: float) -> list[float]:
    return [cost + (1.0 - p) * loss for cost, p in zip(costs, chances, strict=True)]


# -- order and reason -----------------------------------------------------------------------------


def _head(outlook: Outlook, needed: Requirements) -> list[int]:
    """The first two of `_order`, without sorting where the totals alone decide."""
    totals = outlook.totals
    plain = not (needed.pinned or needed.preferred or outlook.columns.any_guessed)
    if plain and len(totals) > HEAD:
        least = min(totals)
        first = totals.index(least)
        rest = [*totals[:first], inf, *totals[first + 1 :]]
        next_least = min(rest)
        if least < next_least and rest.count(next_least) == 1:
            return [first, rest.index(next_least)]
    return _order(outlook, needed)[:HEAD]


def _order(outlook: Outlook, needed: Requirements) -> list[int]:
    """Named models in the order named, a rule's next, then least expected total cost.

    A model whose rating is a guess from its price comes after every rated one, and one that costs
    more than the baseline after those that do not: a price alone is no reason to pay more.
    """
    totals, chances = outlook.totals, outlook.chances
    order = sorted(range(len(totals)), key=lambda n: (totals[n], -chances[n]))
    if outlook.columns.any_guessed:
        order.sort(key=lambda n: _group(outlook, n))
    named = needed.pinned or needed.preferred
    if named:
        rank = {model: number for number, model in enumerate(named)}
        order.sort(key=lambda n: rank.get(outlook.model(n).id, len(rank)))
    return order


def _group(outlook: Outlook, n: int) -> int:
    """See `Candidate.group`."""
    cost = outlook.costs[n]
    if isinf(cost):
        return 3
    if not outlook.model(n).guessed:
        return 0
    return 1 if cost <= outlook.baseline_usd else 2


def _candidates(
    outlook: Outlook, positions: Sequence[int], question: Question
) -> tuple[Candidate, ...]:
    models = [outlook.model(n) for n in positions]
    return tuple(
        Candidate(
            model=model.id,
            p_success=outlook.chances[n],
            cost_usd=cost,
            time_s=time_s,
            total_usd=outlook.totals[n],
            group=_group(outlook, n),
        )
        for n, model, (cost, time_s) in zip(
            positions, models, expected(models, question), strict=True
        )
    )


def _reason(head: Sequence[Candidate], question: Question, outlook: Outlook) -> str:
    """One sentence with the two figures that decided."""
    needed, turn = question.requirements, question.horizon
    if turn is None:
        return reason(head, needed, outlook.loss_usd)
    text = reason_in_session(
        head, needed, outlook.loss_usd, turn, _last(turn.view.model, question, outlook)
    )
    return f"{text}; one step harder: {question.stall}" if question.stall else text


def _last(model: str, question: Question, outlook: Outlook) -> Candidate | str:
    """The session's last model as a candidate, or why it is none; "" before the first turn."""
    for n, position in enumerate(outlook.positions):
        if outlook.columns.models[position].id == model:
            return _candidates(outlook, [n], question)[0]
    found = (rejected.reason for rejected in outlook.rejections if rejected.model == model)
    return next(found, "is not connected") if model else ""


# -- plausible readings ---------------------------------------------------------------------------


def plausible(assessment: Assessment, slopes: Mapping[str, Slope]) -> tuple[Reading, ...]:
    """Up to four skills times three difficulties; one reading where caller or rule state both."""
    stated = assessment.difficulty_confidence >= CERTAIN
    kinds = _kinds(assessment)
    total = sum(weight for _, weight in kinds)
    if stated:
        steps: tuple[tuple[float, float], ...] = ((1.0, assessment.difficulty),)
    else:
        low = max(assessment.difficulty - SPREAD, 0.0)
        high = min(assessment.difficulty + SPREAD, 10.0)
        steps = ((0.25, low), (0.5, assessment.difficulty), (0.25, high))
    return tuple(
        Reading(
            weight / total * share,
            skills,
            difficulty,
            difficulty if stated else level_of(skills, difficulty, slopes),
        )
        for skills, weight in kinds
        for share, difficulty in steps
    )


def level(assessment: Assessment, slopes: Mapping[str, Slope]) -> float:
    """What ratings are compared with if the assessment itself is true."""
    if assessment.difficulty_confidence >= CERTAIN:
        return assessment.difficulty
    return level_of(assessment.skills, assessment.difficulty, slopes)


def level_of(skills: Skills, difficulty: float, slopes: Mapping[str, Slope]) -> float:
    """An estimated difficulty after the skills' slopes, by their weights."""
    total = 0.0
    for skill, weight in skills:
        slope, center = slopes.get(skill, DEFAULT_SLOPE)
        total += weight * (center + slope * (difficulty - center))
    return total


def _kinds(assessment: Assessment) -> list[tuple[Skills, float]]:
    """The skills that are plausible on their own, with their weights."""
    if assessment.confidence >= CERTAIN:
        return [(assessment.skills, 1.0)]
    weights = {s: w for s, w in assessment.skills[:MOST_SKILLS] if w >= LEAST_WEIGHT}
    if assessment.confidence < UNSURE:
        weights.setdefault("general", LEAST_WEIGHT)
    if not weights:
        return [(assessment.skills, 1.0)]
    return [(((skill, 1.0),), weight) for skill, weight in weights.items()]
