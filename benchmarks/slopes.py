"""What the slopes of difficulty do to the chances that are promised: held-out log loss.

    python benchmarks/slopes.py --routellm FILE.jsonl[.gz] --zeroeval FILE.jsonl[.gz]

Ratings are fitted to one part of the prompts, from 6.0 each; the loss is on the part reported on.
Figures are means over several splits of the prompts that the local model was not fitted on.
"Fitted": slopes as `rightmodel calibrate` fits them on the same part of the first split. "Carried
over": slopes fitted on another table, ratings on this one.
"""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from routing_data import SPLITS, Pool, make_pools, price_of

from rightmodel.core.task import Task
from rightmodel.evaluation.changes import log_loss
from rightmodel.evaluation.fit import fit
from rightmodel.evaluation.metrics import mean
from rightmodel.evaluation.table import read_table
from rightmodel.execution.engine import make_router
from rightmodel.manifest.catalog import DEFAULT_SLOPES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rightmodel.evaluation.fit import Assessed
    from rightmodel.evaluation.table import Row
    from rightmodel.manifest.catalog import Slope

    Slopes = Mapping[str, Slope]

START = 6.0
LEAST_ROWS = 100


def assessed(pool: Pool, rows: Sequence[Row]) -> Assessed:
    """Each prompt's assessment, and the scores of the pool's models."""
    router = make_router(pool.catalog(pool.guess()), None)
    return [
        (
            asyncio.run(router.route(Task(row.prompt))).assessment,
            {model: row.outcomes[model].score for model in pool.prices},
        )
        for row in rows
    ]


def loss(known: Assessed, held: Assessed, pool: Pool, slopes: Slopes) -> float:
    """Held-out log loss with ratings fitted under these slopes."""
    priors = {model: {"general": START} for model in pool.prices}
    found = fit(priors, known, slopes, slope_spread=0)
    return log_loss(held, found.ratings, slopes)


def mean_loss(
    known: Sequence[Assessed], held: Sequence[Assessed], pool: Pool, slopes: Slopes
) -> float:
    """The mean of `loss` over the splits."""
    return mean([loss(*parts, pool, slopes) for parts in zip(known, held, strict=True)])


def main() -> None:
    """Read, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--routellm", required=True, help="table of a pair of models")
    parser.add_argument("--zeroeval", required=True, help="table of many models")
    options = parser.parse_args()
    rows = read_table(options.routellm)
    pair = Pool("pair", rows, {m: price_of(rows, m) or (1.0, 1.0) for m in rows[0].outcomes})
    pools = [pair, *make_pools(read_table(options.zeroeval))]
    known, held = (
        {
            pool.name: [assessed(pool, pool.part(part, split=n)) for n in range(SPLITS)]
            for pool in pools
        }
        for part in ("fit", "report")
    )
    ones = {skill: slope._replace(slope=1.0) for skill, slope in DEFAULT_SLOPES.items()}
    fitted = {
        pool.name: fit(
            {model: {"general": START} for model in pool.prices},
            known[pool.name][0],
            DEFAULT_SLOPES,
        ).slopes
        for pool in pools
    }
    names = [pool.name for pool in pools]
    heads = ["outcomes", "every slope 1", "shipped", "fitted", *(f"from {name}" for name in names)]
    print(f"| {' | '.join(heads)} |")
    print("|---" * len(heads) + "|")
    for pool in pools:
        mine = known[pool.name], held[pool.name], pool
        figures = [mean_loss(*mine, slopes) for slopes in (ones, DEFAULT_SLOPES)]
        figures += [
            mean_loss(*mine, {**DEFAULT_SLOPES, **fitted[name]}) for name in (pool.name, *names)
        ]
        print(f"| {pool.name} | {' | '.join(f'{figure:.4f}' for figure in figures)} |")
    for name, slopes in fitted.items():
        print(f"{name}: " + ", ".join(f"{skill} {s.slope:.2f}" for skill, s in slopes.items()))
    by_skill(pair, held["pair"], known["pair"])


def by_skill(pool: Pool, held: Sequence[Assessed], known: Sequence[Assessed]) -> None:
    """For each kind of work with enough prompts: the loss over slopes."""
    for skill in DEFAULT_SLOPES:
        of_skill = [[one for one in split if one[0].skill == skill] for split in held]
        if len(of_skill[0]) < LEAST_ROWS:
            continue
        curve = []
        for value in (0.0, 0.3, 0.6, 0.9, 1.1):
            slopes = {**DEFAULT_SLOPES, skill: DEFAULT_SLOPES[skill]._replace(slope=value)}
            curve.append(f"{value}: {mean_loss(known, of_skill, pool, slopes):.4f}")
        print(f"{pool.name}, {skill}, {len(of_skill[0])} prompts: {', '.join(curve)}")


if __name__ == "__main__":
    main()
