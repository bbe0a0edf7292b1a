"""Routing quality on prompts that were not fitted on: the rows of the design's table of bars.

    python benchmarks/routing.py --routellm FILE.jsonl[.gz] --zeroeval FILE.jsonl[.gz]

The tables (format: `rightmodel.evaluation.table`) are given by path and never committed, nor are
rows of them. Prompts that the local model was fitted on are left out; of the others half are for
ratings, a fifth for thresholds, the rest to report on, dealt out by a hash in several ways.
Whatever `make_router` infers with is what is measured.
Baselines stand beside:
- *kind known*: a table of mean scores by the table's own category, which no router sees;
- *skills alone*: this router with every task held to be of medium difficulty;
- *length*, *random mix*, *oracle*: see `rightmodel.evaluation.baselines`.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import statistics
from collections import defaultdict
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING

from routing_data import SPLITS, Pool, guessed, make_pools, price_of
from routing_ways import Bench, Medium, Policy, fixed, kind_known, mixed

from rightmodel.core.task import TIERS
from rightmodel.evaluation import baselines, metrics
from rightmodel.evaluation.report import cells_of, make_report, needed_of
from rightmodel.evaluation.samples import make_samples
from rightmodel.evaluation.table import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from routing_data import Skills

    from rightmodel.evaluation.replay import Routed
    from rightmodel.evaluation.table import Row

    Policies = dict[str, list[Policy]]

TARGETS = (0.95, 0.98)
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
    *("pool", "ratings", "AIQ above zero router (95 %)", *(f"{t}: kept, saving" for t in TIERS)),
    *("balanced, over the best single model of no higher cost", "Brier (worst)", "ms p50 / p99"),
    "mix",
)


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


def savings(pool: Pool, split: int, here: str = "", there: str = "") -> Policies:
    """For every way to route, what it is fixed to for each target.

    `here`, `there`: the benchmarks that it is fixed on and reported on.
    """
    fit, choose = (pool.part(name, here, split) for name in ("fit", "choose"))
    report = pool.part("report", there, split)
    known = tuple(kind_known(pool, fit, rows) for rows in (choose, report))
    ways: dict[str, tuple[list[Routed], ...]] = {"kind known": known}
    for name, bench in (("router", Bench()), ("skills alone", Bench(Medium))):
        skills = bench.calibrate(pool, fit, pool.guess())
        found = [bench.route(pool, rows, skills) for rows in (choose, report)]
        ways[name] = tuple(routed for _, routed in found)
        samples = (found[0][0], found[1][0])
    ways["router, one threshold"] = ways["router"]
    best = baselines.best_of(baselines.single_models(samples[0]))
    bases = tuple([s.cells[best] for s in part.rows] for part in samples)
    out: Policies = defaultdict(list)
    for target in TARGETS:
        for name, parts in ways.items():
            chosen = tuple(partial(cells_of, part) for part in parts)
            out[name].append(fixed(chosen, bases, target, mix="one" not in name))
        for name in ("length", "random mix"):
            out[name].append(mixed(samples, bases, target, by_length=name == "length"))
        oracle = tuple(partial(baselines.oracle_cells, part.rows) for part in samples)
        out["oracle"].append(fixed(oracle, bases, target))
    return out


def print_savings(title: str, pools: Sequence[Pool], here: str = "", there: str = "") -> None:
    """One line for each way to route, one column for each pool and target, and the means.

    Every figure is a mean over the splits, in brackets their lowest and highest.
    """
    found = [{p.name: savings(p, split, here, there) for p in pools} for split in range(SPLITS)]
    print(f"\n### {title}\n")
    heads = ["way to route", *(f"{p.name} {t:.0%}" for t in TARGETS for p in pools)]
    header([*heads, *(f"mean {t:.0%}" for t in TARGETS)])
    for way in WAYS:
        cells, means = [way], []
        for k in range(len(TARGETS)):
            figures = [[by_pool[p.name][way][k].figures() for p in pools] for by_pool in found]
            for of_pool in zip(*figures, strict=True):
                saving, kept = map(metrics.mean, zip(*of_pool, strict=True))
                cells.append(f"{saving:.2f} ({kept:.3f})")
            by_split = [metrics.mean([saving for saving, _ in row]) for row in figures]
            kept = metrics.mean([kept for row in figures for _, kept in row])
            low, high = min(by_split), max(by_split)
            means.append(
                f"**{metrics.mean(by_split):.3f}** ({low:.3f}–{high:.3f}; kept {kept:.3f})"
            )
        print(f"| {' | '.join(cells + means)} |")


def header(names: Sequence[str]) -> None:
    """The head of a Markdown table."""
    print(f"| {' | '.join(names)} |")
    print("|---" * len(names) + "|")


def curves(pool: Pool, skills: Mapping[str, Skills], rows: list[Row]) -> str:
    """AIQ above the zero router, the tiers, the mix: one line."""
    samples, routed = Bench().route(pool, rows, skills, "balanced")
    ways: dict[str, Sequence[Routed]] = {"": routed}
    ways |= {t: Bench().route(pool, rows, skills, t)[1] for t in TIERS}
    report = make_report(samples, ways, tier="", chance=random.Random(0))
    point = baselines.average(cells_of(routed))
    within = [p.quality for p in report.singles.values() if p.cost <= point.cost]
    mix = ", ".join(f"{m} {share:.0%}" for m, share in list(report.mix.items())[:3])
    worst = max(report.reliability.values(), key=lambda r: r.brier)
    brier = metrics.mean([r.brier for r in report.reliability.values()])
    kept = " | ".join(f"{e.kept:.3f}, {e.saving:.2f}" for e in report.tiers)
    return (
        f"{report.aiq.above:+.4f} ({report.aiq.interval.low:+.4f}–{report.aiq.interval.high:+.4f}) "
        f"| {kept} | {point.quality - max(within, default=0.0):+.3f} "
        f"| {brier:.3f} ({worst.brier:.3f}) "
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
            slope, base = statistics.linear_regression(xs, ys)
            rating = base + slope * guessed(*pool.prices[m])
            out[m][skill] = min(10.0, max(0.0, rating))
    return out


def pools_report(pools: Sequence[Pool]) -> None:
    """Every figure of the pools."""
    print_savings("Saving at 95 % and 98 % of the best model (quality kept)", pools)
    names = sorted({row.benchmark for row in pools[0].rows})
    for here, there in (*pairwise(names), *pairwise(reversed(names))):
        title = f"The same, fitted and chosen on {here}, reported on {there}"
        print_savings(title, pools, here, there)
    print("\n### AIQ above the zero router, and the tiers as they are\n")
    header(CURVE_HEAD)
    for pool in pools:
        fitted = Bench().calibrate(pool, pool.part("fit"), pool.guess())
        for name, skills in (
            ("calibrated", fitted),
            ("a third held out, by price", from_price(pool, fitted)),
            ("all by price", {}),
        ):
            print(f"| {pool.name} | {name} | {curves(pool, skills, pool.part('report'))}")


def priced_only(pools: Sequence[Pool]) -> None:
    """All rated from price, the best model as the baseline: what each tier costs and keeps."""
    print("\n### All rated from price, the best model as `baseline`: cost as its multiple, kept\n")
    header(["pool", *TIERS])
    for pool in pools:
        report = pool.part("report")
        samples = make_samples(report, pool.catalog({}))
        singles = baselines.single_models(samples)
        best = baselines.best_of(singles)
        cells = []
        for tier in TIERS:
            routed = Bench(baseline=best).route(pool, report, {}, tier)[1]
            point = baselines.average(cells_of(routed))
            cost, kept = point.cost / singles[best].cost, point.quality / singles[best].quality
            cells.append(f"{cost:.2f} ({kept:.3f})")
        print(f"| {pool.name} | {' | '.join(cells)} |")


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
        pools = make_pools(read_table(options.zeroeval))
        pools_report(pools)
        priced_only(pools)


if __name__ == "__main__":
    main()
