"""A model's ratings, updated by the outcomes of its calls. Pure: time comes in as an argument.

A rating is a belief on the scale that difficulty shares: normal, around the manifest's value, with
standard deviation `prior_sd`. An outcome is how well a task of difficulty d was done, and its
likelihood is the Rasch model's, p = ε + (1 − 2ε) / (1 + exp(d − rating)); ε is for luck and mishap,
and keeps a single surprise (a hopeless task that came out well) from meaning much. Each outcome is
one step of Laplace's approximation, shared out over the task's skills by their weights; with a
normal prior that is an extended Kalman filter whose state does not move. Old evidence fades by
half-life, towards the manifest. See Glickman, "Parameter estimation in large dynamic paired
comparison experiments" (1999), for the same update with one opponent.

Three things keep odd outcomes and repeated reports from turning the order upside down: ε; `reach`,
a bound on the shift that grows with the root of the number of outcomes; and that the k-th outcome
of the very same task counts 1/k.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

from rightmodel.core.decision import success

if TYPE_CHECKING:
    from rightmodel.ledger.records import OutcomeRecord

DAY_S: Final = 86_400.0
LOWEST: Final = 0.0
HIGHEST: Final = 10.0


@dataclass(frozen=True, slots=True)
class Learning:
    """How much to believe. Set by simulation: `benchmarks/ledger_learning.py`.

    `prior_sd`: how far the manifest may be off, in points; 1.2 weighs as much as three outcomes of
    tasks at the model's own level. `slip`: ε.
    `half_life_s`: after which an outcome counts half. `reach`: most points of shift after one
    outcome, times √n after n. `most`: most points of shift ever. Weights of an outcome by where
    it comes from; a passed check weighs little, because most answers pass.
    """

    prior_sd: float = 1.2
    slip: float = 0.05
    half_life_s: float = 90 * DAY_S
    reach: float = 0.45
    most: float = 4.0
    reported: float = 1.0
    check_failed: float = 0.5
    check_passed: float = 0.05

    def weight(self, outcome: OutcomeRecord) -> float:
        """Of one outcome, 1 for a report."""
        if outcome.kind == "reported":
            return self.reported
        return self.check_passed if outcome.good >= 0.5 else self.check_failed  # noqa: PLR2004


class LearnedRating(NamedTuple):
    """One rating. `sd`: how sure, in points. `outcomes`: how many moved it, faded ones less."""

    model: str
    skill: str
    manifest: float
    rating: float
    sd: float
    outcomes: float

    @property
    def shown(self) -> str:
        """For people: "7.0 → 7.6, 32 outcomes"."""
        count = round(self.outcomes)
        what = "outcome" if count == 1 else "outcomes"
        return f"{self.manifest:.1f} → {self.rating:.1f}, {count} {what}"


@dataclass(slots=True)
class _Belief:
    """The shift from the manifest. `gain`: precision beyond the prior's. `pull`: precision × mean.

    `weight`: of the outcomes. `at`: the time up to which it has faded.
    """

    gain: float = 0.0
    pull: float = 0.0
    weight: float = 0.0
    at: float = 0.0

    def faded(self, now: float, half_life_s: float) -> _Belief:
        passed = max(0.0, now - self.at)
        part = 0.5 ** (passed / half_life_s)
        return _Belief(self.gain * part, self.pull * part, self.weight * part, max(now, self.at))


class Ratings:
    """Beliefs about every model and skill that had outcomes.

    `manifest`: the rating that a manifest gives (model, skill).
    """

    def __init__(
        self, manifest: Callable[[str, str], float], learning: Learning | None = None
    ) -> None:
        self._manifest = manifest
        self._how = learning or Learning()
        self._beliefs: dict[tuple[str, str], _Belief] = {}
        self._known: set[tuple[int, str, str]] = set()
        self._tasks: dict[tuple[str, str], int] = {}

    def learn(self, outcomes: Iterable[OutcomeRecord], *, now: float) -> bool:
        """Learn from outcomes, in the order they were recorded.

        Times in the future, by a clock that was wrong, are taken for `now`. False where one
        corrects an earlier one: then begin anew with all of them.
        """
        for outcome in outcomes:
            if outcome.kind == "reset":
                self._reset(outcome)
                continue
            which = (outcome.call, outcome.kind, outcome.model)
            if which in self._known:
                return False
            self._known.add(which)
            self._take(outcome, min(outcome.at, now))
        return True

    def rating(self, model: str, skill: str, *, now: float) -> float:
        """What the model is to be rated now."""
        return self.learned(model, skill, now=now).rating

    def learned(self, model: str, skill: str, *, now: float) -> LearnedRating:
        """The rating and how it came about."""
        base = self._manifest(model, skill)
        belief = self._beliefs.get((model, skill))
        if belief is None:
            return LearnedRating(model, skill, base, base, self._how.prior_sd, 0.0)
        belief = belief.faded(now, self._how.half_life_s)
        precision = self._precision(belief)
        rating = min(HIGHEST, max(LOWEST, base + self._shift(belief)))
        return LearnedRating(model, skill, base, rating, 1 / sqrt(precision), belief.weight)

    def all(self, *, now: float) -> list[LearnedRating]:
        """Every rating that outcomes moved, by model and skill."""
        return [self.learned(model, skill, now=now) for model, skill in sorted(self._beliefs)]

    def by_model(self, *, now: float) -> dict[str, dict[str, float]]:
        """Model → skill → every rating that outcomes moved."""
        models: dict[str, dict[str, float]] = {}
        for one in self.all(now=now):
            models.setdefault(one.model, {})[one.skill] = one.rating
        return models

    def _take(self, outcome: OutcomeRecord, at: float) -> None:
        how = self._how
        same = (outcome.model, outcome.task)
        self._tasks[same] = times = self._tasks.get(same, 0) + 1
        weight = how.weight(outcome) / (times if outcome.task else 1)
        beliefs = [
            (share, self._beliefs.get((outcome.model, skill), _Belief()).faded(at, how.half_life_s))
            for skill, share in outcome.skills
        ]
        mix = sum(
            share * (self._manifest(outcome.model, skill) + self._shift(belief))
            for (skill, share), (_, belief) in zip(outcome.skills, beliefs, strict=True)
        )
        slope, information = self._likelihood(mix, outcome.difficulty, outcome.good)
        spread = sum(share**2 / self._precision(b) for share, b in beliefs)
        damping = 1.0 + weight * information * spread
        for (skill, _), (share, belief) in zip(outcome.skills, beliefs, strict=True):
            before = self._precision(belief)
            mean = belief.pull / before + share / before * weight * slope / damping
            variance = 1 / before - (share / before) ** 2 * weight * information / damping
            belief.gain = 1 / variance - how.prior_sd**-2
            belief.pull = mean / variance
            belief.weight += weight * share
            self._beliefs[outcome.model, skill] = belief

    def _likelihood(self, rating: float, difficulty: float, good: float) -> tuple[float, float]:
        """Slope of the log likelihood in the rating, and Fisher's information."""
        slip = self._how.slip
        plain = success(rating, difficulty)
        p = slip + (1 - 2 * slip) * plain
        steep = (1 - 2 * slip) * plain * (1 - plain)
        return (good - p) * steep / (p * (1 - p)), steep**2 / (p * (1 - p))

    def _precision(self, belief: _Belief) -> float:
        return self._how.prior_sd**-2 + belief.gain

    def _shift(self, belief: _Belief) -> float:
        bound = min(self._how.most, self._how.reach * sqrt(belief.weight))
        return max(-bound, min(bound, belief.pull / self._precision(belief)))

    def _reset(self, outcome: OutcomeRecord) -> None:
        skills = {skill for skill, _ in outcome.skills}
        for model, skill in list(self._beliefs):
            if outcome.model in {"", model} and (not skills or skill in skills):
                del self._beliefs[model, skill]
