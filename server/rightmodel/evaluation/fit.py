"""Ratings and slopes from outcomes: the Rasch model, drawn towards what the manifest has. Pure.

A model's rating for skill s is prior(s) + g + d(s): `g` moves all skills with outcomes alike,
`d(s)` one of them. Both are normal around 0, `g` loosely and `d` tightly, so that a skill with few
outcomes follows the model's others and a model with few outcomes stays where the manifest has it.
Skills without outcomes keep their ratings.

A table shifts the scale: where it is hard for all models, all fitted ratings fall. The prior of
each model then falls with the others in each skill, and the ratings are fitted once more: a model
with few outcomes in a skill, or none, is not lifted above those that were measured. A prior never
rises.
Slopes (`catalog.Slope`) are common to all models, drawn tightly towards the manifest's, and each
prompt counts once, however many models answered it: a table of one benchmark is weak evidence
about another.

Difficulty and skill weights are the classifier's, as at run time. Each posterior is concave:
Newton's method with halved steps finds its top; ratings and slopes take turns.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log1p
from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Assessment, success
from rightmodel.manifest.catalog import DEFAULT_RATING, DEFAULT_SLOPE, Slope
from rightmodel.routing.decide import CERTAIN, level
from rightmodel.routing.scoring import rating

if TYPE_CHECKING:
    Weights = tuple[tuple[str, float], ...]
    Vector = list[float]
    Ratings = dict[str, dict[str, float]]
    Assessed = Sequence[tuple[Assessment, Mapping[str, float]]]

COMMON_SPREAD: Final = 1.0
"""Standard deviation of `g` in points: how far the manifest may be off for a model as a whole."""
SKILL_SPREAD: Final = 0.7
"""Standard deviation of `d`: how far a skill may be off beside that.

Both from held-out log loss on development data, starting from ratings guessed by price; half or
twice as much changes the loss by less than 1 % from 500 outcomes on."""
SLOPE_SPREAD: Final = 0.03
"""Standard deviation of a slope around the manifest's: see docs/routing.md for what it does to
other tables."""
MOST_SLOPE: Final = 1.5
LEAST_PROMPTS: Final = 30
"""Prompts of a skill before its slope is fitted."""
LOWEST: Final = 0.0
HIGHEST: Final = 10.0
_ROUNDS: Final = 50
_TURNS: Final = 3
_DONE: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Fit:
    """`ratings`: by model and skill, those that were fitted or fell with the scale.

    `slopes`: by skill, those that changed. `outcomes`: how many, by model and skill.
    """

    ratings: Ratings
    slopes: dict[str, Slope]
    outcomes: dict[str, dict[str, int]]


def fit(
    priors: Mapping[str, Mapping[str, float]],
    assessed: Assessed,
    slopes: Mapping[str, Slope],
    *,
    slope_spread: float = SLOPE_SPREAD,
) -> Fit:
    """Ratings and slopes fitted to a table.

    `priors`: the manifest's ratings by model. `assessed`: each prompt's assessment, and the scores
    of the models on it.
    """
    counts = _counts(priors, assessed)
    fitted = dict(slopes)
    prompts = _prompts(assessed)
    ratings: Ratings = {}
    for turn in range(_TURNS):
        ratings = _all_ratings(priors, assessed, fitted, counts)
        if turn < _TURNS - 1 and slope_spread:
            for skill, number in prompts.items():
                if number >= LEAST_PROMPTS:
                    fitted[skill] = _slope(skill, slopes, fitted, assessed, ratings, slope_spread)
    changed = {
        skill: slope for skill, slope in fitted.items() if slope != slopes.get(skill, DEFAULT_SLOPE)
    }
    lowered = _lowered(priors, ratings, counts)
    ratings = _all_ratings({**priors, **lowered}, assessed, fitted, counts)
    return Fit(
        {**ratings, **{m: r for m, r in lowered.items() if m not in counts}}, changed, counts
    )


def _all_ratings(
    priors: Mapping[str, Mapping[str, float]],
    assessed: Assessed,
    slopes: Mapping[str, Slope],
    models: Iterable[str],
) -> Ratings:
    levelled = [replace(a, difficulty=round(level(a, slopes), 2)) for a, _ in assessed]
    return {
        model: fit_ratings(
            priors[model],
            [
                (at, scores[model])
                for at, (_, scores) in zip(levelled, assessed, strict=True)
                if model in scores
            ],
        )
        for model in models
    }


def fit_ratings(
    prior: Mapping[str, float], outcomes: Iterable[tuple[Assessment, float]]
) -> dict[str, float]:
    """One model's ratings by skill, two decimals: the prior's, those with outcomes, and `general`.

    `prior`: the manifest's ratings. `outcomes`: each task's assessment, its difficulty on the scale
    of ratings (`readings.level`), and the model's score.
    """
    general = prior.get("general", DEFAULT_RATING)
    gathered: dict[tuple[Weights, float], list[float]] = defaultdict(list)
    for assessment, score in outcomes:
        gathered[assessment.skills, assessment.difficulty].append(score)
    seen = sorted({skill for weights, _ in gathered for skill, _ in weights})
    position = {skill: number for number, skill in enumerate(seen, start=1)}
    groups = []
    for (weights, difficulty), scores in sorted(gathered.items()):
        row = [sum(weight for _, weight in weights)] + [0.0] * len(seen)
        for skill, weight in weights:
            row[position[skill]] += weight
        base = sum(weight * prior.get(skill, general) for skill, weight in weights) - difficulty
        groups.append(_Group(base, row, len(scores), sum(scores)))
    precision = [COMMON_SPREAD**-2, *[SKILL_SPREAD**-2] * len(seen)]
    shift = _top(groups, precision)
    moved = {
        skill: _bounded(prior.get(skill, general) + shift[0] + shift[position[skill]])
        for skill in seen
    }
    return {"general": general, **prior, **moved}


# -- slopes --------------------------------------------------------------------------------------


def _slope(
    skill: str,
    prior: Mapping[str, Slope],
    slopes: Mapping[str, Slope],
    assessed: Assessed,
    ratings: Ratings,
    spread: float,
) -> Slope:
    """One Newton step of a skill's slope from where it is; each prompt counts once."""
    start = slopes.get(skill, DEFAULT_SLOPE)
    at = prior.get(skill, DEFAULT_SLOPE)
    gain = (at.slope - start.slope) / spread**2
    curve = spread**-2
    for assessment, scores in assessed:
        weight = dict(assessment.skills).get(skill, 0.0)
        models = [model for model in scores if model in ratings]
        if not weight or not models or assessment.difficulty_confidence >= CERTAIN:
            continue
        pull = weight * (assessment.difficulty - start.center)
        at_level = level(assessment, slopes)
        for model in models:
            p = success(rating(ratings[model], assessment.skills), at_level)
            gain -= pull * (scores[model] - p) / len(models)
            curve += pull * pull * p * (1.0 - p) / len(models)
    fitted = start.slope + gain / curve
    return start._replace(slope=round(min(MOST_SLOPE, max(0.0, fitted)), 2))


def _prompts(assessed: Assessed) -> dict[str, int]:
    return dict(sorted(Counter(assessment.skill for assessment, _ in assessed).items()))


# -- the shift of the scale ----------------------------------------------------------------------


def _counts(priors: Iterable[str], assessed: Assessed) -> dict[str, dict[str, int]]:
    """Outcomes by model, in the order of the priors, and skill."""
    found: dict[str, dict[str, int]] = {}
    for model in priors:
        for assessment, scores in assessed:
            if model in scores:
                skills = found.setdefault(model, {})
                for skill, _ in assessment.skills:
                    skills[skill] = skills.get(skill, 0) + 1
    return found


def _lowered(
    priors: Mapping[str, Mapping[str, float]],
    ratings: Ratings,
    counts: Mapping[str, dict[str, int]],
) -> Ratings:
    """The priors of models, lowered by the mean shift of the others in each skill.

    Each outcome counts once in the mean. A model that was measured in the skill falls by
    `n / (n + 1)` of it with `n` others: a part is their own. Models that keep their whole prior are
    left out.
    """
    shifts: dict[str, dict[str, float]] = defaultdict(dict)
    for model, skills in counts.items():
        for skill in skills:
            shifts[skill][model] = ratings[model][skill] - _prior(priors[model], skill)
    out: Ratings = {}
    for model, prior in priors.items():
        lowered = {}
        for skill, by_model in sorted(shifts.items()):
            others = {m: counts[m][skill] for m in by_model if m != model}
            shift = sum(number * by_model[m] for m, number in others.items())
            if shift < 0.0:
                shared = len(others) / (len(others) + 1) if model in by_model else 1.0
                fall = shared * shift / sum(others.values())
                lowered[skill] = _bounded(_prior(prior, skill) + fall)
        if lowered:
            out[model] = {"general": _prior(prior, "general"), **prior, **lowered}
    return out


def _prior(ratings: Mapping[str, float], skill: str) -> float:
    return ratings.get(skill, ratings.get("general", DEFAULT_RATING))


# -- one model's posterior -----------------------------------------------------------------------


@dataclass(slots=True)
class _Group:
    """Outcomes that share weights and difficulty, which makes them one term of the sum."""

    base: float
    row: Vector
    count: int = 0
    score: float = 0.0


def _bounded(rating: float) -> float:
    return round(min(HIGHEST, max(LOWEST, rating)), 2)


def _top(groups: Sequence[_Group], precision: Vector) -> Vector:
    """Where the posterior is highest."""
    at = [0.0] * len(precision)
    height = _height(groups, precision, at)
    for _ in range(_ROUNDS):
        step = _solve(*_slope_and_curvature(groups, precision, at))
        size = 1.0
        while True:
            there = [a + size * s for a, s in zip(at, step, strict=True)]
            higher = _height(groups, precision, there)
            if higher >= height or size < _DONE:
                break
            size /= 2
        gained, at, height = higher - height, there, higher
        if gained < _DONE:
            break
    return at


def _height(groups: Sequence[_Group], precision: Vector, at: Vector) -> float:
    """Log posterior, constants left out: Σ score·x − count·ln(1 + eˣ) − Σ ½·precision·shift²."""
    total = -0.5 * sum(p * a * a for p, a in zip(precision, at, strict=True))
    for group in groups:
        x = _logit(group, at)
        total += group.score * x - group.count * (max(x, 0.0) + log1p(exp(-abs(x))))
    return total


def _logit(group: _Group, at: Vector) -> float:
    return group.base + sum(r * a for r, a in zip(group.row, at, strict=True))


def _slope_and_curvature(
    groups: Sequence[_Group], precision: Vector, at: Vector
) -> tuple[list[Vector], Vector]:
    size = len(precision)
    slope = [-p * a for p, a in zip(precision, at, strict=True)]
    curve = [[precision[i] if i == j else 0.0 for j in range(size)] for i in range(size)]
    for group in groups:
        p = success(_logit(group, at), 0.0)
        missed = group.score - group.count * p
        weight = group.count * p * (1.0 - p)
        for i, left in enumerate(group.row):
            if not left:
                continue
            slope[i] += left * missed
            for j, right in enumerate(group.row):
                curve[i][j] += left * right * weight
    return curve, slope


def _solve(matrix: list[Vector], right: Vector) -> Vector:
    """The x of matrix · x = right; the matrix is positive definite, so no pivot is ever zero."""
    size = len(right)
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    for i in range(size):
        for j in range(i + 1, size):
            factor = rows[j][i] / rows[i][i]
            if factor:
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    solution = [0.0] * size
    for i in reversed(range(size)):
        rest = sum(rows[i][j] * solution[j] for j in range(i + 1, size))
        solution[i] = (rows[i][size] - rest) / rows[i][i]
    return solution


# -- as TOML -------------------------------------------------------------------------------------


def as_toml(
    ratings: Mapping[str, Mapping[str, float]], slopes: Mapping[str, Slope] | None = None
) -> str:
    """`[skills.x] slope` and `[[models]]` with `id` and `skills`, to lay over a manifest."""
    tables = [f"[skills.{skill}]\nslope = {s.slope:.2f}\n" for skill, s in (slopes or {}).items()]
    for model, skills in ratings.items():
        inner = ", ".join(f"{skill} = {value:.2f}" for skill, value in skills.items())
        # A JSON string is a TOML string, but for one control character.
        name = json.dumps(model, ensure_ascii=False).replace("\x7f", "\\u007f")
        tables.append(f"[[models]]\nid = {name}\nskills = {{ {inner} }}\n")
    return "\n".join(tables)
