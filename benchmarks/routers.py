"""Other routers through the same harness as ours: same prompts, same pools, same split.

    python benchmarks/routers.py --zeroeval FILE.jsonl[.gz] [--cache FOLDER]

LiteLLM's complexity router (both of its local classifiers) is installed, pinned, into its own
environment below the cache folder, and labels every prompt with one of its tiers. A tier names no
model: here each tier gets the model that serves it best on the prompts that ours is fitted on
(half of the table) and its thresholds are chosen on (a fifth), by trying every assignment of the
pool's models. Its users, who assign by hand, have less. Everything is reported on the other
prompts.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import venv
from collections import defaultdict
from functools import partial
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from routing_data import make_pools
from routing_ways import Policy, column

from rightmodel.evaluation import baselines, metrics
from rightmodel.evaluation.samples import make_samples
from rightmodel.evaluation.table import read_table
from routing import TARGETS, header, savings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from routing_data import Pool

    from rightmodel.evaluation.samples import Samples

LITELLM = "litellm==1.110.2"
CLASSIFIERS = ("heuristic", "heuristic_v2")
OURS = ("router", "kind known", "length", "random mix", "oracle")
LABEL = """
import asyncio, json, sys, time
from litellm import Router
from litellm.router_strategy.complexity_router.complexity_router import ComplexityRouter

tiers = {name: name for name in ("SIMPLE", "MEDIUM", "COMPLEX", "REASONING")}
router = Router(model_list=[
    {"model_name": name, "litellm_params": {"model": "openai/" + name, "api_key": "none"}}
    for name in tiers
] + [{"model_name": "smart", "litellm_params": {
    "model": "auto_router/complexity_router",
    "complexity_router_config": {"tiers": tiers, "classifier_type": sys.argv[1]},
    "complexity_router_default_model": "MEDIUM"}}])

async def main():
    for line in sys.stdin:
        prompt = json.loads(line)
        began = time.perf_counter()
        found = await router.async_pre_routing_hook(
            model="smart", request_kwargs={}, messages=[{"role": "user", "content": prompt}])
        print(json.dumps([found.model, time.perf_counter() - began]))

asyncio.run(main())
"""


def environment(cache: Path) -> Path:
    """The interpreter of an environment with LiteLLM, made once."""
    python = cache / "litellm-router" / "bin" / "python"
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-q", LITELLM], check=True)
    return python


def labels(python: Path, classifier: str, prompts: Sequence[str]) -> tuple[list[str], float]:
    """The tier of every prompt, and the median seconds for one."""
    done = subprocess.run(
        [python, "-c", LABEL, classifier],
        input="".join(json.dumps(prompt) + "\n" for prompt in prompts),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PATH": ""},
    )
    rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    if len(rows) != len(prompts):
        sys.exit(f"{classifier}: {len(rows)} labels for {len(prompts)} prompts")
    return [label for label, _ in rows], statistics.median(s for _, s in rows)


def assigned(samples: Samples, tiers: Sequence[str], target: float) -> dict[str, str]:
    """Tier → model: the cheapest assignment that keeps `target` of the best model's quality."""
    names = sorted(set(tiers))
    hull = metrics.upper_hull(baselines.single_models(samples).values())
    singles = baselines.single_models(samples)
    models = [m for m, point in singles.items() if point in hull]
    sums: Mapping[tuple[str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for sample, tier in zip(samples.rows, tiers, strict=True):
        for model in models:
            cell = sample.cells[model]
            sums[tier, model][0] += cell.cost_usd
            sums[tier, model][1] += cell.score
    goal = target * max(point.quality for point in singles.values()) * len(samples.rows)
    best: tuple[float, tuple[str, ...]] | None = None
    for choice in product(models, repeat=len(names)):
        cost, score = (
            sum(sums[t, m][k] for t, m in zip(names, choice, strict=True)) for k in (0, 1)
        )
        if score >= goal and (best is None or cost < best[0]):
            best = cost, choice
    assert best is not None  # always the best model reaches the goal
    return dict(zip(names, best[1], strict=True))


def peer(pool: Pool, tier_of: Mapping[str, str]) -> list[Policy]:
    """What a tier router is fixed to for each target, on the prompts reported on."""
    fit_rows = pool.part("fit") + pool.part("choose")
    catalog = pool.catalog(pool.guess())
    fitted, reported = (make_samples(rows, catalog) for rows in (fit_rows, pool.part("report")))
    best = baselines.best_of(baselines.single_models(fitted))
    base = column([s.cells[best] for s in reported.rows])
    found = []
    for target in TARGETS:
        chosen = assigned(fitted, [tier_of[s.prompt] for s in fitted.rows], target)
        cells = column([s.cells[chosen[tier_of[s.prompt]]] for s in reported.rows])
        found.append(Policy(cells, cells, 1.0, base))
    return found


def main() -> None:
    """Label, assign, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--zeroeval", required=True, help="table of many models")
    parser.add_argument("--cache", type=Path, default=Path(".cache/peers"))
    options = parser.parse_args()
    rows = read_table(options.zeroeval)
    pools = make_pools(rows)
    python = environment(options.cache.absolute())
    prompts = [row.prompt for row in rows]
    found: dict[str, dict[str, list[Policy]]] = {p.name: dict(savings(p, 0)) for p in pools}
    notes = []
    for classifier in CLASSIFIERS:
        tiers, seconds = labels(python, classifier, prompts)
        name = f"LiteLLM {classifier}"
        shares = {t: tiers.count(t) / len(tiers) for t in sorted(set(tiers))}
        mix = ", ".join(f"{t} {share:.0%}" for t, share in shares.items())
        notes.append(f"{name}: {mix}; {1000 * seconds:.2f} ms for a prompt at the median")
        for pool in pools:
            found[pool.name][name] = peer(pool, dict(zip(prompts, tiers, strict=True)))
    count = len(pools[0].part("report"))
    header(
        ["router", *(f"{p.name} {t:.0%}" for t in TARGETS for p in pools), "mean 95%", "mean 98%"]
    )
    for way in (*OURS[:1], *(f"LiteLLM {c}" for c in CLASSIFIERS), *OURS[1:]):
        line(way, [found[p.name][way] for p in pools], count)
    print("\n".join(["", *notes]))


def line(way: str, policies: Sequence[Sequence[Policy]], count: int) -> None:
    """One row: saving and quality kept in each pool, and the means with their intervals."""
    cells, means = [], []
    for k in range(len(TARGETS)):
        fixed = [of[k] for of in policies]
        figures = [p.figures(range(count)) for p in fixed]
        cells += [f"{saving:.2f} ({kept:.3f})" for saving, kept in figures]
        (span,) = metrics.bootstrap(partial(_mean_saving, fixed), count, random.Random(0))
        mean = metrics.mean([saving for saving, _ in figures])
        kept = metrics.mean([kept for _, kept in figures])
        means.append(f"**{mean:.3f}** ({span.low:.3f}–{span.high:.3f}; kept {kept:.3f})")
    print(f"| {' | '.join([way, *cells, *means])} |")


def _mean_saving(policies: Sequence[Policy], indices: Sequence[int]) -> tuple[float]:
    return (metrics.mean([policy.figures(indices)[0] for policy in policies]),)


if __name__ == "__main__":
    main()
