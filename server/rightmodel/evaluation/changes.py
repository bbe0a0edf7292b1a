"""What a calibration changes: in words, in figures, and in the text of a manifest. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log
from typing import TYPE_CHECKING, Final

import tomlkit
from tomlkit.items import AoT

from rightmodel.core.decision import success
from rightmodel.core.errors import TaskError
from rightmodel.evaluation.fit import fit
from rightmodel.manifest.catalog import DEFAULT_RATING, DEFAULT_SLOPE, Catalog, Slope
from rightmodel.routing.decide import plausible
from rightmodel.routing.scoring import rating

if TYPE_CHECKING:
    from rightmodel.evaluation.fit import Assessed, Fit

    Ratings = Mapping[str, Mapping[str, float]]

LEAST_CHANCE: Final = 0.001
"""Bound of a chance in a log loss."""


def changed_ratings(
    before: Ratings, after: Ratings, counts: Mapping[str, Mapping[str, int]] | None = None
) -> Iterator[str]:
    """One line for each model whose ratings differ.

    `counts`: outcomes by model and skill, where the ratings were fitted to some.
    """
    for model, skills in after.items():
        old = before.get(model, {})
        general = old.get("general", DEFAULT_RATING)
        parts = []
        for skill, new in skills.items():
            was = old.get(skill, general)
            if abs(new - was) >= 0.01:  # noqa: PLR2004 - two decimals
                number = (counts or {}).get(model, {}).get(skill, 0)
                parts.append(f"{skill} {was:.2f} → {new:.2f}" + (f" ({number})" if number else ""))
        if parts:
            fallen = counts is not None and model not in counts
            why = ", no outcomes: lowered with the scale" if fallen else ""
            yield f"{model}: {', '.join(parts)}{why}"


def changed_slopes(before: Mapping[str, Slope], after: Mapping[str, Slope]) -> Iterator[str]:
    """One line for each slope that differs."""
    for skill, slope in after.items():
        was = before.get(skill, DEFAULT_SLOPE)
        if was.slope != slope.slope:
            yield f"slope of {skill}: {was.slope:.2f} → {slope.slope:.2f}"


def log_loss(assessed: Assessed, ratings: Ratings, slopes: Mapping[str, Slope]) -> float:
    """Mean log loss of the chances promised, over all outcomes of rated models."""
    total, count = 0.0, 0
    for assessment, scores in assessed:
        readings = plausible(assessment, slopes)
        for model, score in scores.items():
            if model not in ratings:
                continue
            p = sum(
                [r.share * success(rating(ratings[model], r.skills), r.level) for r in readings]
            )
            p = min(1.0 - LEAST_CHANCE, max(LEAST_CHANCE, p))
            total -= score * log(p) + (1.0 - score) * log(1.0 - p)
            count += 1
    return total / max(count, 1)


def crossed_log_loss(
    priors: Ratings, assessed: Assessed, slopes: Mapping[str, Slope]
) -> tuple[float, float]:
    """Log loss before and after fitting, on prompts not fitted on: each half from the other."""
    halves = [assessed[0::2], assessed[1::2]]
    before = after = 0.0
    for mine, other in (halves, halves[::-1]):
        found = fit(priors, other, slopes)
        share = len(mine) / len(assessed)
        before += share * log_loss(mine, priors, slopes)
        after += share * log_loss(mine, {**priors, **found.ratings}, {**slopes, **found.slopes})
    return before, after


def with_fit(text: str, found: Fit) -> str:
    """A manifest's text with the fitted ratings and slopes; everything else is unchanged.

    Raises `TaskError` where the models are no `[[models]]` tables.
    """
    document = tomlkit.parse(text)
    if found.slopes:
        skills = document.setdefault("skills", tomlkit.table(is_super_table=True))
        for skill, slope in found.slopes.items():
            skills.setdefault(skill, tomlkit.table())["slope"] = round(slope.slope, 2)
    models = document.setdefault("models", tomlkit.aot())
    if not isinstance(models, AoT):
        raise TaskError(
            "models is an inline array: write it as [[models]] tables, or paste what "
            "`rightmodel calibrate` prints without --write"
        )
    by_id = {entry["id"]: entry for entry in models}
    for model, ratings in found.ratings.items():
        inline = tomlkit.inline_table()
        inline.update({skill: round(value, 2) for skill, value in ratings.items()})
        if model not in by_id:
            models.append(tomlkit.table().add("id", model))
            by_id[model] = models[-1]
        by_id[model]["skills"] = inline
    return tomlkit.dumps(document)


def ratings_of(catalog: Catalog) -> dict[str, Mapping[str, float]]:
    """The catalog's ratings by model."""
    return {model.id: model.skills for model in catalog.models.values()}
