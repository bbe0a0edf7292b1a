"""Decisions per second, reasons included, the assessment given: 10 and 1,000 models.

    python benchmarks/decisions.py

The floor is a bare filter and score over the same models in the same run. Then one decision from
the prompt on, assessment included: prompts of 800 characters, each a new one, 10 models. All times
are processor time, so that a busy machine does not count.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from decimal import Decimal
from functools import partial
from math import exp
from pathlib import Path
from typing import TYPE_CHECKING

from rightmodel.core.decision import Assessment, Requirements
from rightmodel.core.task import Task, WireFormat
from rightmodel.evaluation.metrics import percentile
from rightmodel.execution.engine import make_router
from rightmodel.manifest.catalog import Catalog, Endpoint, Model, Provider, by_id
from rightmodel.manifest.price import Price
from rightmodel.routing.decide import decide
from rightmodel.routing.scoring import Question

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPTS = Path(__file__).parent / "data" / "skills-heldout.jsonl"
LENGTH = 800
PROVIDER = Provider("p", WireFormat.OPENAI_CHAT, "http://127.0.0.1:9/v1")


def catalog_of(count: int) -> Catalog:
    """So many models, a fifth of them with a small window."""
    models = [
        Model(
            id=f"p/m{n}",
            endpoints=(Endpoint(PROVIDER, f"m{n}"),),
            price=Price(Decimal(n % 97 + 1) / 1_000_000, Decimal(n % 89 + 2) / 500_000),
            context=2000 if n % 5 == 0 else 200_000,
            output_limit=1000 if n % 5 == 0 else 32_000,
            skills={"general": 5 + n % 40 / 10, "code": 4 + n % 50 / 10},
        )
        for n in range(count)
    ]
    return Catalog(models=by_id(models), providers={"p": PROVIDER}, baseline="p/m1")


def bare(catalog: Catalog) -> list[tuple[float, str]]:
    """A filter and a score, nothing besides."""
    return sorted(
        (1 / (1 + exp(5 - m.skills["code"])), m.id)
        for m in catalog.models.values()
        if m.context > 4000
    )


def per_second(work: Callable[[], object], seconds: float) -> float:
    """How often the work is done in a second of processor time."""
    count, began = 0, time.process_time()
    while (elapsed := time.process_time() - began) < seconds:
        work()
        count += 1
    return count / elapsed


def whole(catalog: Catalog) -> list[float]:
    """Milliseconds from a prompt to its decision, each prompt new to the process."""
    lines = PROMPTS.read_text(encoding="utf-8").splitlines()
    text = "\n\n".join(json.loads(line)["prompt"] for line in lines)
    prompts = [text[at : at + LENGTH] for at in range(0, len(text) - LENGTH, LENGTH)]
    router = make_router(catalog, None)

    async def timed() -> list[float]:
        times = []
        for prompt in prompts:
            began = time.thread_time()
            await router.route(Task(prompt))
            times.append(1000 * (time.thread_time() - began))
        return times

    return asyncio.run(timed())[1:]  # the first one loads the weights


def main() -> None:
    """Measure and print, medians of five interleaved runs."""
    assessment = Assessment((("code", 0.8), ("reasoning", 0.2)), 5.5, "learned")
    needed = Requirements(input_tokens=3000, output_tokens=700)
    question = Question(assessment, needed, "balanced")
    for count, goal in ((10, 50_000), (1000, 5_000)):
        catalog = catalog_of(count)
        ours, floor = [], []
        for _ in range(5):
            ours.append(per_second(partial(decide, catalog, question), 0.4))
            floor.append(per_second(partial(bare, catalog), 0.4))
        speed, bound = statistics.median(ours), statistics.median(floor)
        print(
            f"{count:5} models: {speed:9,.0f} decisions/s   bare {bound:9,.0f}   "
            f"{bound / speed:.1f} x the floor's time   goal {goal:,}"
        )
    times = whole(catalog_of(10))
    print(
        f"{len(times):5} prompts of {LENGTH} characters, 10 models: "
        f"p50 {percentile(times, 0.5):.2f} ms, p99 {percentile(times, 0.99):.2f} ms   "
        "goal 0.35 and 1.2 ms"
    )


if __name__ == "__main__":
    main()
