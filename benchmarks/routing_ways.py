"""Ways to route that are measured beside one another: this router, and what it has to beat."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rightmodel.core.decision import Candidate
from rightmodel.core.task import Task
from rightmodel.evaluation import baselines, metrics
from rightmodel.evaluation.fit import fit
from rightmodel.evaluation.metrics import Column
from rightmodel.evaluation.replay import Routed, replay
from rightmodel.evaluation.samples import Cell, Samples, make_samples
from rightmodel.execution.engine import make_router
from rightmodel.manifest.catalog import DEFAULT_SLOPES, Slope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from routing_data import Pool, Skills

    from rightmodel.evaluation.metrics import Point
    from rightmodel.evaluation.table import Row

    Cells = list[Cell]

STEPS = [0.0, *(10 ** (k / 8) for k in range(-24, 41))]
SHRINK = 10.0


class Medium:
    """A router that is told that every task is of medium difficulty."""

    def __init__(self, router: Any) -> None:
        self._router = router

    async def route(self, task: Task) -> Any:
        """As the router does."""
        return await self._router.route(replace(task, difficulty="medium"))


@dataclass(frozen=True)
class Bench:
    """How things are routed here.

    `wrap`: what is put around the router. `slopes`: by skill. `baseline`: the manifest's.
    """

    wrap: Callable[[Any], Any] = lambda router: router
    slopes: Mapping[str, Slope] = field(default_factory=lambda: DEFAULT_SLOPES)
    baseline: str = ""

    def calibrate(
        self, pool: Pool, rows: Sequence[Row], prior: Mapping[str, Skills]
    ) -> dict[str, dict[str, float]]:
        """Ratings fitted to rows, as `rightmodel calibrate` does."""
        router = self.wrap(make_router(pool.catalog(prior), None))
        assessed = [asyncio.run(router.route(Task(prompt=r.prompt))).assessment for r in rows]
        scores = [{m: r.outcomes[m].score for m in pool.prices} for r in rows]
        found = fit(prior, list(zip(assessed, scores, strict=True)), self.slopes, slope_spread=0)
        return found.ratings

    def route(
        self, pool: Pool, rows: Sequence[Row], skills: Mapping[str, Skills], tier: str = ""
    ) -> tuple[Samples, list[Routed]]:
        """Every row, in the manifest's own tier unless one is named."""
        catalog = replace(pool.catalog(skills, self.baseline), slopes=self.slopes)
        router = self.wrap(make_router(catalog, None))
        samples = make_samples(rows, catalog)
        routed = replay(router, samples.rows, tier=tier, clock=time.thread_time)
        return samples, asyncio.run(routed)


def kind_known(pool: Pool, fit: Sequence[Row], rows: Sequence[Row]) -> list[Routed]:
    """Candidates by mean score and mean cost for the category in `fit`, shrunk to the whole."""
    by_kind: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    for row in fit:
        for m in pool.prices:
            o = row.outcomes[m]
            cell = Cell(o.score, o.cost_usd or 0.0)
            by_kind[m, row.category].append(cell)
            by_kind[m, ""].append(cell)
    whole = {m: baselines.average(by_kind[m, ""]) for m in pool.prices}
    samples = make_samples(rows, pool.catalog(pool.guess())).rows
    (blank,) = asyncio.run(
        replay(make_router(pool.catalog(pool.guess()), None), samples[:1], tier="", clock=lambda: 0)
    )
    routed = []
    for row, sample in zip(rows, samples, strict=True):
        ranked = []
        for m in pool.prices:
            seen = by_kind.get((m, row.category), [])
            score = sum(c.score for c in seen) + SHRINK * whole[m].quality
            cost = sum(c.cost_usd for c in seen) + SHRINK * whole[m].cost
            n = len(seen) + SHRINK
            ranked.append(Candidate(m, score / n, cost / n, None, 0.0))  # type: ignore[arg-type]
        routed.append(replace(blank, sample=sample, ranked=tuple(ranked), preferred=()))
    return routed


@dataclass(frozen=True)
class Policy:
    """A way to route that was fixed beforehand, on the prompts that it is reported on.

    `low`, `high`: its two thresholds, mixed by `share`; `base`: always the best model.
    """

    low: Column
    high: Column
    share: float
    base: Column

    def figures(self, indices: Sequence[int] | None = None) -> tuple[float, float]:
        """Saving and quality kept over the prompts at these indices, or over all."""
        if indices is None:
            indices = range(len(self.base))
        ends = self.low.point(indices), self.high.point(indices)
        cost, quality = (a + self.share * (b - a) for a, b in zip(*ends, strict=True))
        base = self.base.point(indices)
        return 1 - cost / base.cost, quality / base.quality


def column(cells: Sequence[Cell]) -> Column:
    """Cells, ready to be resampled."""
    return Column([c.cost_usd for c in cells], [c.score for c in cells])


def fixed(
    parts: Sequence[Callable[[float], Cells]],
    bases: Sequence[Cells],
    target: float,
    *,
    mix: bool = True,
) -> Policy:
    """The thresholds that cost least and keep enough on the first part, for the second.

    `parts`: the choices at a failure cost. `bases`: always the best model. `mix`: two neighbouring
    thresholds may be mixed at random to meet the target, as random mixes of models may; else one
    has to do.
    """
    base = baselines.average(bases[0])
    goal = target * base.quality
    steps = [base.cost * k for k in STEPS]
    found = {baselines.average(parts[0](step)): step for step in reversed(steps)}
    ends = _ends(found, goal) if mix else None
    if ends is None:
        fit = min((p for p in found if p.quality >= goal), default=None)
        ends = (fit or max(found, key=lambda p: p.quality),) * 2
    low, high = (column(parts[1](found[p])) for p in ends)
    rise = ends[1].quality - ends[0].quality
    share = (goal - ends[0].quality) / rise if rise else 1.0
    return Policy(low, high, share, column(bases[1]))


def _ends(found: Mapping[Point, float], goal: float) -> tuple[Point, Point] | None:
    """The two points of the hull between which the goal is reached."""
    hull = metrics.upper_hull(found)
    return next(((a, b) for a, b in pairwise(hull) if a.quality < goal <= b.quality), None)


def mixed(
    samples: Sequence[Samples], bases: Sequence[Cells], target: float, *, by_length: bool
) -> Policy:
    """The best pair of models, mixed at random or by length, chosen on the first samples."""

    def cells(part: Samples, weak: str, strong: str, share: float) -> Cells:
        rows = sorted(part.rows, key=lambda s: (-len(s.prompt), s.prompt))
        cut = round(share * len(rows))
        return [s.cells[strong if i < cut else weak] for i, s in enumerate(rows)]

    def point(weak: str, strong: str, share: float) -> Point:
        if by_length:
            return baselines.average(cells(samples[0], weak, strong, share))
        a, b = singles[weak], singles[strong]
        return metrics.Point(*(x + share * (y - x) for x, y in zip(a, b, strict=True)))

    singles = baselines.single_models(samples[0])
    goal = target * baselines.average(bases[0]).quality
    options = []
    for weak in singles:
        for strong in singles:
            for k in range(21):
                found = point(weak, strong, k / 20)
                if found.quality >= goal:
                    options.append((found.cost, weak, strong, k / 20))
    _, weak, strong, share = min(options)
    base = column(bases[1])
    if by_length:
        one = column(cells(samples[1], weak, strong, share))
        return Policy(one, one, 1.0, base)
    low, high = (column([s.cells[m] for s in samples[1].rows]) for m in (weak, strong))
    return Policy(low, high, share, base)
