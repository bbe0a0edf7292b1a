"""The figures, by the definitions of the project's design. Pure: chance comes in as an argument.

*Quality*: mean score, 0–1. *Cost*: mean USD for a prompt. *APGR* and *CPT*: of a pair of models,
from the curve of accuracy over the share of strong calls (RouteLLM, arXiv 2406.18665). *AIQ*: area
under the upper hull of (cost, quality), divided by the cost span (RouterBench, arXiv 2403.12031).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    import random

    Curve = Sequence[tuple[float, float]]
    """Points (share of strong calls, accuracy), by share."""

QUANTILES: Final = 100
"""Thresholds of the curve of a pair; ten or a thousand change APGR by less than 0.005."""
BINS: Final = 10
DRAWS: Final = 2_000_000
MOST_RESAMPLES: Final = 1000
LEAST_RESAMPLES: Final = 200


class Point(NamedTuple):
    """Mean cost in USD for a prompt, and mean score."""

    cost: float
    quality: float


class Interval(NamedTuple):
    """95 % of the bootstrap's resamples lie within."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Bin:
    """One row of a reliability table: how often, what was promised, what came."""

    count: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far `p_success` can be believed. `brier`: mean (p − score)²; `error`: mean |gap|."""

    count: int
    brier: float
    error: float
    predicted: float
    observed: float
    bins: tuple[Bin, ...]


class Column:
    """Cost and score of each prompt under one policy; fast to resample."""

    def __init__(self, costs: Sequence[float], scores: Sequence[float]) -> None:
        self._costs = list(costs)
        self._scores = list(scores)

    def __len__(self) -> int:
        return len(self._costs)

    def point(self, indices: Sequence[int]) -> Point:
        """Mean cost and mean score of the prompts at these indices."""
        count = max(len(indices), 1)
        return Point(
            sum(map(self._costs.__getitem__, indices)) / count,
            sum(map(self._scores.__getitem__, indices)) / count,
        )


def mean(values: Sequence[float]) -> float:
    """The mean; 0 for nothing."""
    return sum(values) / len(values) if values else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def bootstrap(
    statistic: Callable[[Sequence[int]], Sequence[float]], count: int, chance: random.Random
) -> list[Interval]:
    """95 % intervals of each figure that `statistic` computes from a resample's indices."""
    resamples = max(LEAST_RESAMPLES, min(MOST_RESAMPLES, DRAWS // max(count, 1)))
    drawn = [statistic(chance.choices(range(count), k=count)) for _ in range(resamples)]
    cut = int(0.025 * resamples)
    columns = (sorted(column) for column in zip(*drawn, strict=True))
    return [Interval(column[cut], column[-1 - cut]) for column in columns]


def pair_curve(
    needed: Sequence[float],
    weak: Sequence[float],
    strong: Sequence[float],
    quantiles: int = QUANTILES,
) -> list[tuple[float, float]]:
    """Accuracy over the share of strong calls, for thresholds at equal quantiles of `needed`.

    `needed`: for each prompt, how much the strong model seems to be needed; prompts of equal value
    move together, so that a constant gives the straight line. `weak`, `strong`: their scores.
    """
    count = len(needed)
    order = sorted(range(count), key=lambda i: -needed[i])
    falling = [-needed[i] for i in order]
    gained = [0.0, *accumulate(strong[i] - weak[i] for i in order)]
    base = mean(weak)
    points = {0: base, count: base + gained[count] / count}
    for k in range(1, quantiles):
        threshold = falling[min(count - 1, k * count // quantiles)]
        called = bisect_right(falling, threshold)
        points[called] = base + gained[called] / count
    return [(called / count, points[called]) for called in sorted(points)]


def apgr(curve: Curve) -> float:
    """(area − weak·span) / ((strong − weak)·span); 0.5 for chance. 0.5 where the two are equal."""
    (first, weak), (last, strong) = curve[0], curve[-1]
    span = last - first
    if strong == weak or not span:
        return 0.5
    area = sum((x2 - x1) * (y1 + y2) / 2 for (x1, y1), (x2, y2) in pairwise(curve))
    return (area - weak * span) / ((strong - weak) * span)


def cpt(curve: Curve, part: float) -> float:
    """The share of strong calls at which accuracy reaches weak + `part` · (strong − weak)."""
    goal = curve[0][1] + part * (curve[-1][1] - curve[0][1])
    if curve[0][1] >= goal:
        return curve[0][0]
    for (x1, y1), (x2, y2) in pairwise(curve):
        if y2 >= goal:
            return x1 + (x2 - x1) * (goal - y1) / (y2 - y1)
    return curve[-1][0]


def upper_hull(points: Iterable[Point]) -> list[Point]:
    """The best that mixing the points at random can do: concave, rising, by cost."""
    hull: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.quality)):
        if hull and point.quality <= hull[-1].quality:
            continue
        while len(hull) > 1 and _below(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _below(left: Point, middle: Point, right: Point) -> bool:
    rise = (middle.quality - left.quality) * (right.cost - left.cost)
    return rise <= (right.quality - left.quality) * (middle.cost - left.cost)


def quality_at(hull: Sequence[Point], cost: float) -> float:
    """The hull's quality at a cost: straight between its points, level beyond them."""
    if cost <= hull[0].cost:
        return hull[0].quality
    for left, right in pairwise(hull):
        if cost <= right.cost:
            part = (cost - left.cost) / (right.cost - left.cost)
            return left.quality + part * (right.quality - left.quality)
    return hull[-1].quality


def aiq(points: Iterable[Point], low: float, high: float) -> float:
    """Mean height of the points' upper hull over costs from `low` to `high`."""
    hull = upper_hull(points)
    if high <= low:
        return quality_at(hull, low)
    stops = [low, *(p.cost for p in hull if low < p.cost < high), high]
    heights = [quality_at(hull, cost) for cost in stops]
    area = sum(
        (x2 - x1) * (y1 + y2) / 2
        for (x1, x2), (y1, y2) in zip(pairwise(stops), pairwise(heights), strict=True)
    )
    return area / (high - low)


def aiq_pair(router: Sequence[Point], singles: Sequence[Point]) -> tuple[float, float]:
    """AIQ of the router's curve, and of the zero router: the best random mix of single models.

    Both over the costs from the cheapest to the dearest single model. Always asking the cheapest
    model is open to the router, too, so its curve begins there.
    """
    cheapest = min(singles, key=lambda p: (p.cost, -p.quality))
    low, high = cheapest.cost, max(p.cost for p in singles)
    return aiq([*router, cheapest], low, high), aiq(singles, low, high)


def reliability(pairs: Sequence[tuple[float, float]], bins: int = BINS) -> Reliability:
    """Promised chances against scores, in bins of equal width. `pairs`: (p, score)."""
    grouped: list[list[tuple[float, float]]] = [[] for _ in range(bins)]
    for p, score in pairs:
        grouped[min(bins - 1, int(p * bins))].append((p, score))
    rows = tuple(
        Bin(len(group), mean([p for p, _ in group]), mean([s for _, s in group]))
        for group in grouped
        if group
    )
    count = max(len(pairs), 1)
    return Reliability(
        count=len(pairs),
        brier=mean([(p - score) ** 2 for p, score in pairs]),
        error=sum(row.count * abs(row.predicted - row.observed) for row in rows) / count,
        predicted=mean([p for p, _ in pairs]),
        observed=mean([s for _, s in pairs]),
        bins=rows,
    )
