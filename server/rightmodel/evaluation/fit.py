"""Ratings from outcomes: the Rasch model, drawn towards the manifest's own ratings. Pure.

A model's rating for skill s is prior(s) + g + d(s): `g` moves all skills alike, `d(s)` one of them.
Both are normal around 0, `g` loosely and `d` tightly, so that a skill with few outcomes follows the
model's others and a model with few outcomes stays where the manifest has it. Difficulty and skill
weights are the assessor's, as at run time; the chance of a good answer is that of
`decide.estimate`. The posterior is concave: Newton's method with halved steps finds its top.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from math import exp, log1p
from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import success
from rightmodel.manifest.catalog import DEFAULT_RATING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rightmodel.core.decision import Assessment

    Weights = tuple[tuple[str, float], ...]
    Vector = list[float]

COMMON_SPREAD: Final = 1.0
"""Standard deviation of `g` in points: how far the manifest may be off for a model as a whole."""
SKILL_SPREAD: Final = 0.7
"""Standard deviation of `d`: how far a skill may be off beside that.

Both from held-out log loss on development data, starting from ratings guessed by price; half or
twice as much changes the loss by less than 1 % from 500 outcomes on."""
LOWEST: Final = 0.0
HIGHEST: Final = 10.0
_ROUNDS: Final = 50
_DONE: Final = 1e-9


@dataclass(slots=True)
class _Group:
    """Outcomes that share weights and difficulty, which makes them one term of the sum."""

    base: float
    row: Vector
    count: int = 0
    score: float = 0.0


def fit_ratings(
    prior: Mapping[str, float],
    outcomes: Iterable[tuple[Assessment, float]],
    *,
    common_spread: float = COMMON_SPREAD,
    skill_spread: float = SKILL_SPREAD,
) -> dict[str, float]:
    """Ratings by skill, two decimals: those of the prior, those seen in outcomes, and `general`.

    `prior`: the manifest's ratings. `outcomes`: each task's assessment and the model's score.
    """
    general = prior.get("general", DEFAULT_RATING)
    gathered: dict[tuple[Weights, float], list[float]] = defaultdict(list)
    for assessment, score in outcomes:
        gathered[assessment.skills, assessment.difficulty].append(score)
    seen = _seen(gathered)
    place = {skill: number for number, skill in enumerate(seen, start=1)}
    groups = []
    for (weights, difficulty), scores in sorted(gathered.items()):
        row = [sum(weight for _, weight in weights)] + [0.0] * len(seen)
        for skill, weight in weights:
            row[place[skill]] += weight
        base = sum(weight * prior.get(skill, general) for skill, weight in weights) - difficulty
        groups.append(_Group(base, row, len(scores), sum(scores)))
    precision = [common_spread**-2, *[skill_spread**-2] * len(seen)]
    shift = _top(groups, precision)
    skills = dict.fromkeys(("general", *prior, *seen))
    return {
        skill: _bounded(
            prior.get(skill, general) + shift[0] + (shift[place[skill]] if skill in place else 0.0)
        )
        for skill in skills
    }


def _seen(gathered: Iterable[tuple[Weights, float]]) -> list[str]:
    return sorted({skill for weights, _ in gathered for skill, _ in weights})


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


def as_toml(ratings: Mapping[str, Mapping[str, float]]) -> str:
    """`[[models]]` tables with `id` and `skills`, to lay over a manifest."""
    tables = []
    for model, skills in ratings.items():
        inner = ", ".join(f"{skill} = {rating:.2f}" for skill, rating in skills.items())
        # A JSON string is a TOML string, but for one control character.
        name = json.dumps(model, ensure_ascii=False).replace("\x7f", "\\u007f")
        tables.append(f"[[models]]\nid = {name}\nskills = {{ {inner} }}\n")
    return "\n".join(tables)
