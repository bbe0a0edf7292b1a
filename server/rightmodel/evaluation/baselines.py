"""What a router has to beat: single models, random and length-only mixes, and the oracle. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from rightmodel.evaluation.metrics import Point, mean, quality_at, upper_hull

if TYPE_CHECKING:
    from rightmodel.evaluation.samples import Cell, Sample, Samples


def single_models(samples: Samples) -> dict[str, Point]:
    """Always the same model, for each that answered every prompt."""
    return {
        model: average([sample.cells[model] for sample in samples.rows])
        for model in samples.complete
    }


def average(cells: Sequence[Cell]) -> Point:
    """Mean cost and mean score."""
    return Point(mean([c.cost_usd for c in cells]), mean([c.score for c in cells]))


def best_of(singles: Mapping[str, Point]) -> str:
    """The model of highest quality; the cheaper one of two that tie."""
    return min(singles, key=lambda m: (-singles[m].quality, singles[m].cost, m))


def cheapest_of(singles: Mapping[str, Point]) -> str:
    """The model of least cost; the better one of two that tie."""
    return min(singles, key=lambda m: (singles[m].cost, -singles[m].quality, m))


def cheapest_at(singles: Mapping[str, Point], quality: float) -> str | None:
    """The cheapest model of at least that quality, `None` where no model has it."""
    fit = {m: point for m, point in singles.items() if point.quality >= quality}
    return cheapest_of(fit) if fit else None


def random_mix(singles: Mapping[str, Point], cost: float) -> Point:
    """The best random mix of single models that costs as much (the zero router)."""
    hull = upper_hull(singles.values())
    within = min(max(cost, hull[0].cost), hull[-1].cost)
    return Point(within, quality_at(hull, within))


def length_only(samples: Sequence[Sample], singles: Mapping[str, Point], cost: float) -> Point:
    """The two models of that mix, but the longest prompts to the better one."""
    hull = upper_hull(singles.values())
    named = {point: model for model, point in singles.items()}
    # Reversed, so that a cost beyond the hull's end leaves its last pair.
    pair = next(((a, b) for a, b in reversed(list(pairwise(hull))) if a.cost <= cost), None)
    if pair is None:
        return hull[0]
    weak, strong = named[pair[0]], named[pair[1]]
    spent = singles[weak].cost * len(samples)
    budget = cost * len(samples)
    cells = []
    for sample in sorted(samples, key=lambda s: (-len(s.prompt), s.prompt)):
        step = sample.cells[strong].cost_usd - sample.cells[weak].cost_usd
        use_strong = spent + step <= budget
        spent += step if use_strong else 0.0
        cells.append(sample.cells[strong if use_strong else weak])
    return average(cells)


def oracle(samples: Sequence[Sample]) -> Point:
    """Knows every outcome: for each prompt the cheapest of the models that did best."""
    return average(
        [min(s.cells.values(), key=lambda cell: (-cell.score, cell.cost_usd)) for s in samples]
    )


def oracle_cells(samples: Sequence[Sample], loss_usd: float) -> list[Cell]:
    """What an oracle takes that weighs costs: least cost + (1 − score) × loss for each prompt."""
    return [
        min(s.cells.values(), key=lambda c: (c.cost_usd + (1 - c.score) * loss_usd, -c.score))
        for s in samples
    ]
