"""Routing quality on prompts that were not fitted on: the rows of the design's table of bars.

    python benchmarks/routing.py --routellm FILE.jsonl[.gz] --zeroeval FILE.jsonl[.gz]

The tables (format: `rightmodel.evaluate.table`) are given by path and never committed, nor are rows
of them. Prompts are split by a hash: half to fit ratings on, a fifth to choose thresholds on, the
rest to report on. Whatever `make_router` infers with is what is measured. Baselines stand beside:

- *kind known*: a table of mean scores by the table's own category, which no router sees;
- *skills alone*: this router with every task held to be of medium difficulty;
- *length*, *random mix*, *oracle*: see `rightmodel.evaluate.baselines`.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import random
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from routing_data import Pool, guessed, make_pools, price_of

from rightmodel.app import make_router
from rightmodel.domain import Candidate, Task
from rightmodel.evaluate import baselines, metrics
from rightmodel.evaluate.fit import fit_ratings
from rightmodel.evaluate.replay import Routed, replay
from rightmodel.evaluate.report import cells_of, make_report, needed_of
from rightmodel.evaluate.samples import Cell, Samples, make_samples
from rightmodel.evaluate.table import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from routing_data import Skills

    from rightmodel.evaluate.metrics import Point
    from rightmodel.evaluate.table import Row

    Cells = list[Cell]

TARGETS = (0.95, 0.98)
STEPS = [0.0, *(10 ** (k / 8) for k in range(-24, 41))]
SHRINK = 10.0
WAYS = (
    "router",
    "router, one threshold",
    "skills alone",
    "kind known",
    "length",
    "random mix",
    "oracle",
)
CURVE_HEAD = (
    *("pool", "ratings", "AIQ above zero router (95 %)", "balanced tier: kept", "saving"),
    *("over the best single model of no higher cost", "Brier (worst)", "ms p50 / p99", "mix"),
)


class Medium:
    """A router that is told that every task is of medium difficulty."""

    def __init__(self, router: Any) -> None:
        self._router = router

    async def route(self, task: Task) -> Any:
        """As the router does."""
        return await self._router.route(replace(task, difficulty="medium"))


@dataclass(frozen=True)
class Bench:
    """How things are routed here. `wrap`: what is put around the router."""

    wrap: Callable[[Any], Any] = lambda router: router

    def calibrate(
        self, pool: Pool, rows: Sequence[Row], prior: Mapping[str, Skills]
    ) -> dict[str, dict[str, float]]:
        """Ratings fitted to rows, as `rightmodel calibrate` does."""
        router = self.wrap(make_router(pool.catalog(prior), None))
        assessed = [asyncio.run(router.route(Task(prompt=r.prompt))).assessment for r in rows]
        return {
            m: fit_ratings(
                prior[m],
                [(a, r.outcomes[m].score) for a, r in zip(assessed, rows, strict=True)],
            )
            for m in pool.prices
        }

    def route(
        self, pool: Pool, rows: Sequence[Row], skills: Mapping[str, Skills]
    ) -> tuple[Samples, list[Routed]]:
        """Every row, in the manifest's own tier."""
        catalog = pool.catalog(skills)
        router = self.wrap(make_router(catalog, None))
        samples = make_samples(rows, catalog)
        return samples, asyncio.run(replay(router, samples.rows, tier="", clock=time.thread_time))


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


# -- pairs ---------------------------------------------------------------------------------------


def pair_figures(routed: Sequence[Routed], weak: str, strong: str) -> tuple[float, str]:
    """APGR with its interval."""
    needed = needed_of(routed, weak, strong)
    scores = [(r.sample.cells[weak].score, r.sample.cells[strong].score) for r in routed]

    def figure(indices: Sequence[int]) -> tuple[float]:
        w, s = ([scores[i][k] for i in indices] for k in (0, 1))
        return (metrics.apgr(metrics.pair_curve([needed[i] for i in indices], w, s)),)

    (value,) = figure(range(len(scores)))
    (span,) = metrics.bootstrap(figure, len(scores), random.Random(0))
    return value, f"{value:.3f} ({span.low:.3f}–{span.high:.3f})"


def simple_apgr(routed: Sequence[Routed], weak: str, strong: str, by: str) -> float:
    """APGR of ordering by length, or by the outcomes themselves."""
    w = [r.sample.cells[weak].score for r in routed]
    s = [r.sample.cells[strong].score for r in routed]
    lengths = [float(len(r.sample.prompt)) for r in routed]
    needed = lengths if by == "length" else [b - a for a, b in zip(w, s, strict=True)]
    return metrics.apgr(metrics.pair_curve(needed, w, s))


def pairs(pool: Pool) -> None:
    """APGR within a benchmark, and with ratings carried over from the other one."""
    strong, weak = sorted(pool.prices, key=lambda m: -guessed(*pool.prices[m]))
    names = sorted({row.benchmark for row in pool.rows})
    header(["benchmark", "prompts", "within", "carried over", *WAYS[2:5], "oracle"])
    for name in names:
        fit = pool.part("fit", name)
        # No threshold is chosen, so what would choose one is reported on, too.
        rows = pool.part("choose", name) + pool.part("report", name)
        other = [r for r in pool.part("fit") if r.benchmark != name]
        cells = []
        for bench, fitted in ((Bench(), fit), (Bench(), other), (Bench(Medium), fit)):
            skills = bench.calibrate(pool, fitted, pool.guess())
            routed = bench.route(pool, rows, skills)[1]
            cells.append(pair_figures(routed, weak, strong)[1])
        known = pair_figures(kind_known(pool, fit, rows), weak, strong)[0]
        length, best = (simple_apgr(routed, weak, strong, by) for by in ("length", "outcome"))
        cells += [f"{figure:.3f}" for figure in (known, length, best)]
        print(f"| {name} | {len(rows)} | {' | '.join(cells)} |")


# -- pools ---------------------------------------------------------------------------------------


def at_target(
    choose: Callable[[float], Cells],
    report: Callable[[float], Cells],
    bases: tuple[Point, Point],
    target: float,
    *,
    mix: bool = True,
) -> tuple[float, float]:
    """Saving and quality kept on report, at the least cost that keeps enough on choose.

    `mix`: two neighbouring thresholds may be mixed at random to meet the target, as random mixes
    of models may; else one threshold has to do.
    """
    goal = target * bases[0].quality
    steps = [bases[0].cost * k for k in STEPS]
    found = {baselines.average(choose(step)): step for step in reversed(steps)}
    ends = _ends(found, goal) if mix else None
    if ends is None:
        fit = min((p for p in found if p.quality >= goal), default=None)
        ends = (fit or max(found, key=lambda p: p.quality),) * 2
    low, high = (baselines.average(report(found[p])) for p in ends)
    rise = ends[1].quality - ends[0].quality
    share = (goal - ends[0].quality) / rise if rise else 1.0
    point = metrics.Point(*(a + share * (b - a) for a, b in zip(low, high, strict=True)))
    return 1 - point.cost / bases[1].cost, point.quality / bases[1].quality


def _ends(found: Mapping[Point, float], goal: float) -> tuple[Point, Point] | None:
    """The two points of the hull between which the goal is reached."""
    hull = metrics.upper_hull(found)
    return next(((a, b) for a, b in pairwise(hull) if a.quality < goal <= b.quality), None)


def mixed(
    samples: tuple[Samples, Samples], bases: tuple[Point, Point], target: float, *, by_length: bool
) -> tuple[float, float]:
    """The best pair of models, mixed at random or by length, chosen on the first samples."""

    def points(part: Samples, weak: str, strong: str, share: float) -> Point:
        if by_length:
            rows = sorted(part.rows, key=lambda s: (-len(s.prompt), s.prompt))
            cut = round(share * len(rows))
            return baselines.average(
                [s.cells[strong if i < cut else weak] for i, s in enumerate(rows)]
            )
        a, b = (baselines.average([s.cells[m] for s in part.rows]) for m in (weak, strong))
        return metrics.Point(*(x + share * (y - x) for x, y in zip(a, b, strict=True)))

    models = samples[0].complete
    options = []
    for weak in models:
        for strong in models:
            for k in range(0 if strong == models[0] else 1, 21):
                point = points(samples[0], weak, strong, k / 20)
                if point.quality >= target * bases[0].quality:
                    options.append((point.cost, weak, strong, k / 20))
    _, weak, strong, share = min(options)
    point = points(samples[1], weak, strong, share)
    return 1 - point.cost / bases[1].cost, point.quality / bases[1].quality


def savings(
    pool: Pool, fit: list[Row], choose: list[Row], report: list[Row]
) -> dict[str, list[tuple[float, float]]]:
    """For every way to route: saving and quality kept, at each target."""
    known = tuple(kind_known(pool, fit, rows) for rows in (choose, report))
    ways: dict[str, tuple[list[Routed], ...]] = {"kind known": known}
    for name, bench in (("router", Bench()), ("skills alone", Bench(Medium))):
        skills = bench.calibrate(pool, fit, pool.guess())
        found = [bench.route(pool, rows, skills) for rows in (choose, report)]
        ways[name] = tuple(routed for _, routed in found)
        samples = (found[0][0], found[1][0])
    ways["router, one threshold"] = ways["router"]
    best = baselines.best_of(baselines.single_models(samples[0]))
    bases = tuple(baselines.single_models(s)[best] for s in samples)
    out: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for target in TARGETS:
        for name, parts in ways.items():
            chosen = [partial(cells_of, part) for part in parts]
            out[name].append(at_target(*chosen, bases, target, mix="one" not in name))
        for name in ("length", "random mix"):
            out[name].append(mixed(samples, bases, target, by_length=name == "length"))
        oracle = [partial(oracle_cells, part) for part in samples]
        out["oracle"].append(at_target(*oracle, bases, target))
    return out


def oracle_cells(samples: Samples, loss: float) -> Cells:
    """What the oracle takes when a wrong answer costs `loss`."""
    return [
        min(s.cells.values(), key=lambda c: (c.cost_usd + (1 - c.score) * loss, -c.score))
        for s in samples.rows
    ]


def print_savings(title: str, found: Mapping[str, dict[str, list[tuple[float, float]]]]) -> None:
    """One line for each way to route, one column for each pool and target, and the means."""
    print(f"\n### {title}\n")
    heads = ["way to route", *(f"{pool} {t:.0%}" for t in TARGETS for pool in found)]
    header([*heads, *(f"mean {t:.0%}" for t in TARGETS)])
    for way in WAYS:
        cells = [way]
        means = []
        for k in range(len(TARGETS)):
            figures = [found[pool][way][k] for pool in found]
            cells += [f"{saving:.2f} ({kept:.3f})" for saving, kept in figures]
            saving, kept = (metrics.mean(column) for column in zip(*figures, strict=True))
            means.append(f"**{saving:.3f}** ({kept:.3f})")
        print(f"| {' | '.join(cells + means)} |")


def header(names: Sequence[str]) -> None:
    """The head of a Markdown table."""
    print(f"| {' | '.join(names)} |")
    print("|---" * len(names) + "|")


def curves(pool: Pool, skills: Mapping[str, Skills], rows: list[Row]) -> str:
    """AIQ above the zero router, the default tier, the mix: one line."""
    samples, routed = Bench().route(pool, rows, skills)
    report = make_report(samples, {"": routed}, tier="", chance=random.Random(0))
    point = baselines.average(cells_of(routed))
    within = [p.quality for p in report.singles.values() if p.cost <= point.cost]
    mix = ", ".join(f"{m} {share:.0%}" for m, share in list(report.mix.items())[:3])
    worst = max(report.reliability.values(), key=lambda r: r.brier)
    brier = metrics.mean([r.brier for r in report.reliability.values()])
    return (
        f"{report.aiq.above:+.4f} ({report.aiq.interval.low:+.4f}–{report.aiq.interval.high:+.4f}) "
        f"| {report.router.kept:.3f} | {report.router.saving:.2f} "
        f"| {point.quality - max(within, default=0.0):+.3f} | {brier:.3f} ({worst.brier:.3f}) "
        f"| {report.decision_ms['p50']:.2f} / {report.decision_ms['p99']:.2f} | {mix} |"
    )


def from_price(pool: Pool, skills: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """Ratings of every third model replaced by a line through the others' over log price."""
    order = sorted(pool.prices, key=lambda m: hashlib.sha256(m.encode()).hexdigest())
    held, known = order[::3], [m for i, m in enumerate(order) if i % 3]
    xs = [guessed(*pool.prices[m]) for m in known]
    out = dict(skills)
    for m in held:
        out[m] = {}
        for skill in skills[m]:
            ys = [skills[k][skill] for k in known]
            mx, my = metrics.mean(xs), metrics.mean(ys)
            slope = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / sum(
                (x - mx) ** 2 for x in xs
            )
            rating = my + slope * (guessed(*pool.prices[m]) - mx)
            out[m][skill] = min(10.0, max(0.0, rating))
    return out


def pools_report(pools: Sequence[Pool]) -> None:
    """Every figure of the pools."""
    found = {p.name: savings(p, p.part("fit"), p.part("choose"), p.part("report")) for p in pools}
    print_savings("Saving at 95 % and 98 % of the best model (quality kept)", found)
    names = sorted({row.benchmark for row in pools[0].rows})
    for here, there in (*pairwise(names), *pairwise(reversed(names))):
        found = {
            p.name: savings(p, p.part("fit", here), p.part("choose", here), p.part("report", there))
            for p in pools
        }
        print_savings(f"The same, fitted and chosen on {here}, reported on {there}", found)
    print("\n### AIQ above the zero router, and the balanced tier as it is\n")
    header(CURVE_HEAD)
    for pool in pools:
        rows, fitted = pool.part("report"), Bench().calibrate(pool, pool.part("fit"), pool.guess())
        for name, skills in (
            ("calibrated", fitted),
            ("a third held out, by price", from_price(pool, fitted)),
            ("guessed from price", pool.guess()),
        ):
            print(f"| {pool.name} | {name} | {curves(pool, skills, rows)}")


def main() -> None:
    """Read, split, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--routellm", default="", help="table of a pair of models")
    parser.add_argument("--zeroeval", default="", help="table of many models")
    options = parser.parse_args()
    if options.routellm:
        rows = read_table(options.routellm)
        prices = {m: price_of(rows, m) or (1.0, 1.0) for m in rows[0].outcomes}
        print(f"### APGR, {' and '.join(prices)}\n")
        pairs(Pool("pair", rows, prices))
    if options.zeroeval:
        pools_report(make_pools(read_table(options.zeroeval)))


if __name__ == "__main__":
    main()
