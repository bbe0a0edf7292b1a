"""How well rules, the local model and the hybrid tell kinds of work, the judge being simulated.

    python benchmarks/skills_hybrid.py FILE.jsonl [--accuracy 0.9] [--tier balanced] [--seed 0]

FILE as in `skills.py`. Routing is the real one over every shipped model of three providers; only
the judge's model is a stand-in: it names the labelled kind in a stated share of cases, else another
at random, and the labelled difficulty with a normal error of one point. Printed: how often the
assessment that decided was right, how often the judge was asked, and what it cost for a task.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from skills import Item, read

from rightmodel.core.task import SKILLS, Task
from rightmodel.execution.engine import make_router
from rightmodel.manifest.load import load_catalog
from rightmodel.routing.signals.judge import Judge, JudgeAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rightmodel.core.decision import Decision
    from rightmodel.manifest.catalog import Catalog, Model

MANIFEST: Final = """
version = 1
include = ["anthropic", "openai", "google"]
baseline = "anthropic/claude-opus-4-8"
[routing]
assess = "{mode}"
tier = "{tier}"
"""


class SimulatedJudge:
    """Knows the labels, and is right in a stated share of cases."""

    def __init__(self, accuracy: float, seed: int) -> None:
        self.accuracy = accuracy
        self.chance = random.Random(seed)
        self.item: Item | None = None

    async def ask(self, model: Model, **asked: Any) -> JudgeAnswer:
        """A verdict on the item at hand, at the model's price for what was shown to it."""
        assert self.item
        skill = self.item.top
        if self.chance.random() >= self.accuracy:
            skill = self.chance.choice([s for s in SKILLS if s not in self.item.right])
        label = 5.0 if self.item.difficulty is None else self.item.difficulty
        hard = min(10, max(0, round(label + self.chance.gauss(0.0, 1.0))))
        tokens = len(asked["system"] + asked["prompt"]) // 4
        cost = tokens * (model.price.input or Decimal(0)) + 20 * (model.price.output or Decimal(0))
        return JudgeAnswer(json.dumps({"skill": skill, "difficulty": hard}), cost)


def catalog_of(mode: str, tier: str) -> Catalog:
    """The shipped models, assessed in one way."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rightmodel.toml"
        path.write_text(MANIFEST.format(mode=mode, tier=tier))
        return load_catalog(path, has_key=lambda _: True)


async def decide_all(
    items: Sequence[Item], mode: str, tier: str, judge: SimulatedJudge
) -> list[Decision]:
    """One decision for each item."""
    catalog = catalog_of(mode, tier)
    router = make_router(catalog, None, Judge(catalog, judge, {}))
    decisions = []
    for item in items:
        judge.item = item
        decisions.append(await router.route(Task(item.prompt)))
    return decisions


def main() -> None:
    """Parse the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--accuracy", type=float, default=0.9)
    parser.add_argument("--tier", default="balanced")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    items = read(options.file.read_text(encoding="utf-8").splitlines())
    print(f"{len(items)} tasks, a judge right in {options.accuracy:.0%}, tier {options.tier}")
    print(f"{'':<9} {'right':>7} {'asked':>7} {'USD a task':>11}")
    for mode in ("rules", "learned", "hybrid", "judge"):
        judge = SimulatedJudge(options.accuracy, options.seed)
        decisions = asyncio.run(decide_all(items, mode, options.tier, judge))
        right = statistics.fmean(
            d.assessment.skill in item.right for d, item in zip(decisions, items, strict=True)
        )
        asked = statistics.fmean(bool(d.judge) for d in decisions)
        cost = statistics.fmean(float(d.judge_usd or 0) for d in decisions)
        print(f"{mode:<9} {right:>7.3f} {asked:>7.1%} {cost:>11.7f}")


if __name__ == "__main__":
    main()
