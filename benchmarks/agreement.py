"""Two cheap models of different makers, and a third where they disagree: would it pay? Simulated.

    python benchmarks/agreement.py --zeroeval FILE.jsonl[.gz]

An outcome table holds scores, not answers, so agreement has to be assumed: two right answers agree,
a right and a wrong one do not, and two wrong ones agree with a chance q that is swept. Every triple
(two to ask, one to escalate to) is a way to route; triples, mixes of two and the plain router
compete for the least cost on the prompts that thresholds are chosen on, and what wins is reported
on others. Costs are all calls', the escalation's included.
"""

from __future__ import annotations

import argparse
from functools import partial
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from routing_data import make_pools
from routing_ways import STEPS, Bench

from rightmodel.evaluation import baselines, metrics
from rightmodel.evaluation.metrics import Point
from rightmodel.evaluation.report import cells_of
from rightmodel.evaluation.table import read_table
from routing import header

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from routing_data import Pool

    from rightmodel.evaluation.replay import Routed
    from rightmodel.evaluation.samples import Sample

    Way = Callable[[int], Point]
    """Mean cost and quality on the prompts to choose on (0) or to report on (1)."""

AGREED_WRONG = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
TARGETS = (0.95, 0.98)
MAKERS = ("claude", "gemma", "gemini", "gpt", "llama", "mistral", "o1", "phi", "qwen", "reka", "yi")
SAME = {"gemini": "gemma", "o1": "gpt"}


def maker(model: str) -> str:
    """Who made a model, by its name."""
    found = next((m for m in MAKERS if m in model.lower()), model)
    return SAME.get(found, found)


def agreed(samples: Sequence[Sample], triple: tuple[str, str, str], wrong: float) -> Point:
    """Ask two; where they agree that is the answer, else the third's is."""
    cost = quality = 0.0
    for sample in samples:
        one, two, third = (sample.cells[m] for m in triple)
        right = one.score * two.score
        same = right + wrong * (1 - one.score) * (1 - two.score)
        cost += one.cost_usd + two.cost_usd + (1 - same) * third.cost_usd
        quality += right + (1 - same) * third.score
    return Point(cost / len(samples), quality / len(samples))


def triples(pool: Pool) -> list[tuple[str, str, str]]:
    """Two models of different makers, and one that costs more than either."""
    return [
        (a, b, c)
        for a, b in combinations(pool.prices, 2)
        for c in pool.prices
        if maker(a) != maker(b) and pool.prices[c][1] > max(pool.prices[a][1], pool.prices[b][1])
    ]


def saving(ways: Sequence[Way], bases: tuple[Point, Point], target: float) -> tuple[float, float]:
    """Of the cheapest way, or mix of two, that keeps enough where ways are chosen."""
    found: Mapping[Point, Way] = {way(0): way for way in ways}
    goal = target * bases[0].quality
    hull = metrics.upper_hull(found)
    enough = [p for p in hull if p.quality >= goal]
    top = enough[0] if enough else hull[-1]
    below = next((a for a, b in pairwise(hull) if b is top), top)
    rise = top.quality - below.quality
    share = min(1.0, (goal - below.quality) / rise) if rise else 1.0
    ends = found[below](1), found[top](1)
    cost, quality = (a + share * (b - a) for a, b in zip(*ends, strict=True))
    return 1 - cost / bases[1].cost, quality / bases[1].quality


def measured(pool: Pool) -> list[list[tuple[float, float]]]:
    """For the router alone, then with agreement for each q: saving and quality at each target."""
    bench = Bench()
    skills = bench.calibrate(pool, pool.part("fit"), pool.guess())
    routed = tuple(bench.route(pool, pool.part(name), skills)[1] for name in ("choose", "report"))
    parts = tuple([r.sample for r in rows] for rows in routed)
    singles = tuple(
        {m: baselines.average([s.cells[m] for s in part]) for m in pool.prices} for part in parts
    )
    best = baselines.best_of(singles[0])
    bases = singles[0][best], singles[1][best]
    plain: list[Way] = [partial(_at, routed, bases[0].cost * k) for k in STEPS]
    plain += [partial(_single, singles, m) for m in pool.prices]
    found = [[saving(plain, bases, t) for t in TARGETS]]
    for wrong in AGREED_WRONG:
        both: list[Way] = [*plain, *(partial(_agreed, parts, t, wrong) for t in triples(pool))]
        found.append([saving(both, bases, t) for t in TARGETS])
    return found


def _at(routed: Sequence[Sequence[Routed]], loss: float, part: int) -> Point:
    return baselines.average(cells_of(routed[part], loss))


def _single(singles: Sequence[Mapping[str, Point]], model: str, part: int) -> Point:
    return singles[part][model]


def _agreed(
    parts: Sequence[Sequence[Sample]], triple: tuple[str, str, str], wrong: float, part: int
) -> Point:
    return agreed(parts[part], triple, wrong)


def main() -> None:
    """Read, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zeroeval", required=True, help="table of many models")
    pools = make_pools(read_table(parser.parse_args().zeroeval))
    found = [measured(pool) for pool in pools]
    header(["way to route", *(f"{pool.name} {t:.0%}" for t in TARGETS for pool in pools)])
    names = ["router alone", *(f"and agreement, q = {q}" for q in AGREED_WRONG)]
    for way, name in enumerate(names):
        cells = [
            f"{s:.2f} ({k:.3f})" for t in range(len(TARGETS)) for s, k in (f[way][t] for f in found)
        ]
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
