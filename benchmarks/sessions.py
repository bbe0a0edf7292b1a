"""Sessions of agents, simulated at list prices: always the baseline, naive, sticky, and ours.

    python benchmarks/sessions.py [--sessions 60] [--seed 1] [--pool NAME] [--tier balanced]

Simulated: the sessions, the caches, the answers and how good they are. Real: the prices, ratings
and cache data of the shipped manifests, and the decisions, which the router makes. No model is
called.

A session has 5 to 60 turns: asks of mixed hardness, each followed by turns that return results of
tools; a title call; heartbeats in long pauses; a compaction where the prompt outgrew its bound.
What the router is not told: the true difficulty of an ask (it gets an estimate that correlates with
it by 0.78, as measured on held-out subtasks, and a wrong skill in 8 of 100 asks), how hard the ask
is beyond its difficulty, how good the models are (their ratings with an error of 0.4, drawn anew
for each session), the length of answers, and whether an automatic cache hits. Every policy meets
the same draws. Success is the mean true chance over the turns, housekeeping not counted.

`baseline` serves every turn, its cache warm. `naive` decides every turn as a single task. `sticky`
keeps the model that `naive` chose for the first turn. `ours` is the router with the session. All
but the first send title calls where the router sends them. The last two columns compare at equal
success: what `naive` and `sticky` cost when their loss per wrong answer is set so that they succeed
as often as `ours`, by interpolation between the runs of `MULTIPLES`.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from session_world import STALL, Caches, World, drawn

from rightmodel.core.call import Attempt, Receipt
from rightmodel.execution.records import Unrecorded
from rightmodel.execution.sessions import Sessions
from rightmodel.manifest.catalog import by_id
from rightmodel.manifest.load import load_catalog
from rightmodel.routing import decide
from rightmodel.routing.session import HOUSEKEEPING, further_turns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from session_world import Event, Script

    from rightmodel.core.call import Usage
    from rightmodel.core.decision import Decision
    from rightmodel.core.task import Task
    from rightmodel.manifest.catalog import Catalog, Model

POOLS: Final = {
    "frontier and small": ("anthropic/claude-opus-5-5", "anthropic/claude-haiku-5-5"),
    "older frontier and small": ("anthropic/claude-opus-5", "anthropic/claude-haiku-4-5"),
    "two mid models": ("anthropic/claude-sonnet-5-5", "openai/gpt-6.1-terra"),
    "remote and local": ("openai/gpt-6.1-sol", "ollama/qwen3.6:27b"),
    "three of one maker": (
        "anthropic/claude-opus-5-5",
        "anthropic/claude-sonnet-5-5",
        "anthropic/claude-haiku-5-5",
    ),
    "eight of four makers": (
        "anthropic/claude-opus-5-5",
        "anthropic/claude-sonnet-5-5",
        "anthropic/claude-haiku-5-5",
        "openai/gpt-6.1-sol",
        "openai/gpt-6.1-terra",
        "openai/gpt-6-luna",
        "google/gemini-3.8-flash",
        "deepseek/deepseek-v4-pro",
    ),
}
"""The first one of each is the baseline."""

MULTIPLES: Final = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0)
"""Losses per wrong answer, in costs of the baseline on the task, for the curves."""


@dataclass
class Tally:
    """Of one policy."""

    usd: float = 0.0
    success: float = 0.0
    turns: int = 0
    switches: int = 0
    read: int = 0
    prompt: int = 0
    models: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        """Mean chance of success of a turn."""
        return self.success / self.turns


class Player:
    """One session under one policy. `n`: expected further turns."""

    def __init__(self, world: World, script: Script, name: str, policy: str, n: float) -> None:
        self.world, self.script, self.name, self.policy = world, script, name, policy
        self.sessions = Sessions(world.catalog.providers, Unrecorded(), lambda: world.now)
        self.sessions._further = {"mcp": n}  # noqa: SLF001 - as the ledger would have taught
        self.sessions._upkeep_at = float("inf")  # noqa: SLF001
        self.caches = Caches(world.lives(random.Random(name)))
        self.stuck = self.last = ""
        self.failures: list[bool] = []

    async def play(self, tally: Tally) -> None:
        """Add the session to the tally."""
        for event in self.script.events:
            self.world.now = event.at
            if event.kind == "ask":
                self.failures = []
            ask = self.script.asks[event.ask]
            model, decision, task = await self.choice(event)
            usage = self.caches.serve(model, event, ask.difficulty)
            cost = model.price.cost(usage, at=event.at)
            tally.usd += float(cost or 0)
            if self.policy == "ours" and decision is not None:
                attempt = Attempt(model.id, model.endpoints[0].provider.name, model.id, usage=usage)
                self.sessions.record(task, Receipt(model.id, decision, (attempt,), 1.0, cost))
            if event.kind not in HOUSEKEEPING:
                self.count(tally, model, usage, event.draws[0], self.world.chance(model, ask))

    async def choice(self, event: Event) -> tuple[Model, Decision | None, Task]:
        """Which model serves the turn, and the decision where one was made."""
        world = self.world
        stalled = sum(self.failures[-6:]) >= STALL
        task = world.task(self.script, event, self.name, stalled=stalled)
        if self.policy == "baseline":
            return world.baseline, None, task
        if self.policy == "sticky" and self.stuck and event.kind != "title":
            return world.catalog.models[self.stuck], None, task
        if self.policy == "ours":
            task = replace(task, session=await self.sessions.view(task.client, self.name))
        decision = await world.router.route(task)
        model = world.catalog.models[decision.candidates[0].model]
        if event.kind not in HOUSEKEEPING:
            self.stuck = self.stuck or model.id
        return model, decision, task

    def count(self, tally: Tally, model: Model, usage: Usage, draw: float, chance: float) -> None:
        """Count a turn of the session."""
        self.failures.append(draw >= chance)
        tally.success += chance
        tally.turns += 1
        tally.switches += bool(self.last) and self.last != model.id
        self.last = model.id
        tally.read += usage.cache_read
        tally.prompt += usage.input
        tally.models[model.id] = tally.models.get(model.id, 0) + 1


def shipped(names: Sequence[str], folder: Path) -> Catalog:
    """A catalog of these shipped models, the first one its baseline."""
    entries = "".join(f'[[models]]\nid = "{name}"\n' for name in names)
    file = folder / "pool.toml"
    file.write_text(f'version = 1\nbaseline = "{names[0]}"\n{entries}')
    catalog = load_catalog(file, has_key=lambda _: True)
    return replace(catalog, models=by_id([catalog.models[name] for name in names]))


class Simulation:
    """A pool on the same sessions again and again. `factor`: how wrong the expected turns are."""

    def __init__(self, catalog: Catalog, count: int, seed: int, tier: str) -> None:
        rng, former = random.Random(seed), random.Random(seed + 7_777)
        self.catalog, self.seed, self.tier = catalog, seed, tier
        self.scripts = [drawn(rng, catalog) for _ in range(count)]
        kinds = Counter[str](e.kind for _ in range(200) for e in drawn(former, catalog).events)
        self.usual = further_turns(kinds)

    def run(self, policy: str, factor: float = 1.0) -> Tally:
        """The tally of one policy."""

        async def every() -> Tally:
            tally = Tally()
            for number, script in enumerate(self.scripts):
                world = World(self.catalog, self.seed * 1_000 + number, self.tier)
                n = self.usual * factor
                await Player(world, script, f"s{self.seed}-{number}", policy, n).play(tally)
            return tally

        return asyncio.run(every())

    def curve(self, policy: str) -> list[tuple[float, float]]:
        """Success and cost for each loss per wrong answer, by rising success."""
        shipped_loss, found = decide.LOSS_MULTIPLES, []
        for multiple in MULTIPLES:
            decide.LOSS_MULTIPLES = {self.tier: multiple}  # type: ignore[misc]
            tally = self.run(policy)
            found.append((tally.rate, tally.usd))
        decide.LOSS_MULTIPLES = shipped_loss  # type: ignore[misc]
        return sorted(found)


def at_success(curve: Sequence[tuple[float, float]], success: float) -> float | None:
    """The cost at that success by interpolation; `None` where it is never reached."""
    best: float | None = None
    for rate, usd in curve:  # a point that succeeds as often or more for less
        if rate >= success:
            best = usd if best is None else min(best, usd)
    for (low, low_usd), (high, high_usd) in pairwise(curve):
        if low < success <= high:
            usd = low_usd + (high_usd - low_usd) * (success - low) / (high - low)
            best = usd if best is None else min(best, usd)
    return best


HEAD: Final = (
    "| pool, expected turns | policy | cost | saved | success | of the baseline's | cached "
    "| switches | naive at equal success | sticky at equal success |\n" + "|---" * 10 + "|"
)


def rows(title: str, sim: Simulation, factors: Sequence[float], *, curves: bool) -> None:
    """A row for each policy, and for each error of the expected turns."""
    base = sim.run("baseline")
    found = {policy: sim.run(policy) for policy in ("naive", "sticky")}
    found |= {f"ours × {factor:.2g}": sim.run("ours", factor) for factor in factors}
    rivals = [sim.curve(policy) for policy in ("naive", "sticky")] if curves else []
    for policy, tally in {"baseline": base, **found}.items():
        cells = ["", ""]
        if policy.startswith("ours"):
            costs = [at_success(curve, tally.rate) for curve in rivals]
            cells = ["not reached" if usd is None else f"${usd:.2f}" for usd in costs]
        print(
            f"| {title} | {policy} | ${tally.usd:.2f} | {1 - tally.usd / base.usd:.1%} "
            f"| {tally.rate:.4f} | {tally.rate / base.rate:.4f} | {tally.read / tally.prompt:.0%} "
            f"| {tally.switches} | {' | '.join(cells)} |",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pool", default="")
    parser.add_argument("--tier", default="balanced")
    parser.add_argument("--no-curves", action="store_true")
    parser.add_argument("--factors", default="1,0.3333,3")
    args = parser.parse_args()
    print(HEAD)
    with tempfile.TemporaryDirectory() as folder:
        for name, models in POOLS.items():
            if args.pool in {"", name}:
                sim = Simulation(shipped(models, Path(folder)), args.sessions, args.seed, args.tier)
                factors = [float(factor) for factor in args.factors.split(",")]
                rows(name, sim, factors, curves=not args.no_curves)


if __name__ == "__main__":
    main()
