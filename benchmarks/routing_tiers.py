"""What each tier keeps and saves, over many pools: what `LOSS_MULTIPLES` are set by.

    python benchmarks/routing_tiers.py --zeroeval FILE.jsonl[.gz] --routellm FILE.jsonl[.gz]

Pools are drawn at random from the models that are priced on every prompt. Ratings are fitted to the
first part of the prompts, to all of it or to 60 of them, beginning with a guess from price. Figures
are of the part that thresholds are chosen on; `--report` prints those of the part reported on.
"""

from __future__ import annotations

import argparse
import random
from typing import TYPE_CHECKING

from routing_data import Pool, make_pools, price_of
from routing_ways import Bench

from rightmodel.evaluation import baselines, metrics
from rightmodel.evaluation.table import read_table
from rightmodel.routing.decide import LOSS_MULTIPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.evaluation.table import Row

MULTIPLES = (0.5, 1, 2, 4, 6, 8, 10, 12, 16, 20, 30, 40, 60, 100)
POOLS = 16
LEAST, MOST = 3, 13
FEW = 60


def measured(pool: Pool, fit: Sequence[Row], rows: Sequence[Row]) -> list[tuple[float, float]]:
    """Quality kept and saving against the pool's best model, for each multiple."""
    bench = Bench()
    samples, routed = bench.route(pool, rows, bench.calibrate(pool, fit, pool.guess()), "balanced")
    singles = baselines.single_models(samples)
    best = singles[baselines.best_of(singles)]
    figures = []
    for multiple in MULTIPLES:
        scale = multiple / LOSS_MULTIPLES["balanced"]
        cells = []
        for r in routed:
            model = r.at(r.loss_usd * scale)
            cells.append(r.sample.cells[model or r.ranked[0].model])
        point = baselines.average(cells)
        figures.append((point.quality / best.quality, 1 - point.cost / best.cost))
    return figures


def show(title: str, found: Sequence[Sequence[tuple[float, float]]]) -> None:
    """Mean, worst tenth and worst of what is kept, and the mean saving, by multiple."""
    print(f"\n### {title}\n\n| multiple | kept | worst tenth | worst | saving |")
    print("|---" * 5 + "|")
    for multiple, column in zip(MULTIPLES, zip(*found, strict=True), strict=True):
        kept, saved = ([figures[k] for figures in column] for k in (0, 1))
        low = metrics.percentile(kept, 0.1)
        print(
            f"| {multiple} | {metrics.mean(kept):.3f} | {low:.3f} | {min(kept):.3f} "
            f"| {metrics.mean(saved):.2f} |"
        )


def drawn(rows: list[Row]) -> list[Pool]:
    """Pools of random size and members."""
    dice = random.Random(0)
    prices = {m: price for pool in make_pools(rows) for m, price in pool.prices.items()}
    pools = []
    for number in range(POOLS):
        names = dice.sample(sorted(prices), dice.randint(LEAST, MOST))
        pools.append(Pool(str(number), rows, {m: prices[m] for m in names}))
    return pools


def main() -> None:
    """Read, draw, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zeroeval", required=True, help="table of many models")
    parser.add_argument("--routellm", required=True, help="table of a pair of models")
    parser.add_argument("--report", action="store_true", help="the part reported on")
    options = parser.parse_args()
    part = "report" if options.report else "choose"
    rows = read_table(options.zeroeval)
    pools = drawn(rows)
    fit, measured_on = pools[0].part("fit"), pools[0].part(part)
    for title, known in (("all outcomes", fit), (f"{FEW} outcomes", fit[:FEW])):
        show(f"{POOLS} pools, {title}", [measured(pool, known, measured_on) for pool in pools])
    rows = read_table(options.routellm)
    pair = Pool("pair", rows, {m: price_of(rows, m) or (1.0, 1.0) for m in rows[0].outcomes})
    for name in sorted({row.benchmark for row in rows}):
        show(name, [measured(pair, pair.part("fit", name), pair.part(part, name))])


if __name__ == "__main__":
    main()
