"""The plausible readings of an assessment: what the task may well be, each with its probability."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.core.decision import Reading
from rightmodel.manifest.catalog import DEFAULT_SLOPE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.decision import Assessment, Skills
    from rightmodel.manifest.catalog import Slope

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
    return sum(
        weight * slopes.get(skill, DEFAULT_SLOPE).level(difficulty) for skill, weight in skills
    )


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
