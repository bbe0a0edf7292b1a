"""A catalog by columns, so that a decision is a few passes over lists of floats."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import exp, inf
from typing import TYPE_CHECKING, Final

from rightmodel.manifest.catalog import DEFAULT_RATING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rightmodel.core.decision import Skills
    from rightmodel.manifest.catalog import Model

    Column = list[float]
    Step = tuple[float, float]  # share and level

MOST_CACHED: Final = 256
A_SPREAD: Final = 3
"""Levels of a difficulty that is an estimate: below, at, above."""


@dataclass(slots=True)
class Columns:
    """One position per model, in manifest order.

    `read`, `written`: USD per prompt and per answer token, infinite where a price is unknown.
    `priced_apart`: positions whose cost is no plain sum of these (reasoning, verbosity, terms).
    `misses`: skills → exp(−rating): exp(level) times that is the odds of a bad answer.
    """

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


class _Identity:
    """Compares by identity: catalogs are replaced, never changed."""

    __slots__ = ("models",)

    def __init__(self, models: Mapping[str, Model]) -> None:
        self.models = models

    def __hash__(self) -> int:
        return id(self.models)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and other.models is self.models


def columns_of(models: Mapping[str, Model]) -> Columns:
    """The columns of a catalog's models, made once for each catalog."""
    return _cached(_Identity(models))


@lru_cache(maxsize=4)
def _cached(identity: _Identity) -> Columns:
    return make_columns(tuple(identity.models.values()))


def make_columns(models: Sequence[Model]) -> Columns:
    """The columns of some models."""
    return Columns(
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
