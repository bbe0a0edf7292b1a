"""Sessions of agents, simulated at list prices: always the baseline, naive, sticky, and ours.

    python benchmarks/sessions.py [--sessions 200] [--seed 1] [--pool NAME] [--tier balanced]

Everything here is simulated but the prices, the cache lives and the ratings, which are those of the
shipped manifests, and the decisions, which the real router makes. No model is called.

Sessions have 5 to 60 turns: asks of mixed hardness, each followed by turns that return results of
tools, a title call, heartbeats in long pauses, a compaction where the prompt outgrew its bound. What
the router does not know: the true difficulty of an ask (it is given a noisy estimate, correlated
with it by 0.78 as measured on held-out subtasks, and a wrong skill in 8 of 100 asks), how hard the
ask really is beyond that, how good the models really are (their ratings with an error of 0.4), how
long answers get, and whether an automatic cache hits. The draws are the same for every policy.

Policies: `baseline` serves every turn by itself, its cache warm; `naive` decides every turn as a
single task; `sticky` keeps the model of the naive decision for the first turn; `ours` is the
router with the session. A short title or probe goes to the naive choice under every policy but the
first.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from math import exp
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Attempt, Receipt, Usage
from rightmodel.core.decision import Assessment
from rightmodel.core.task import ChatRequest, Message, Task, Turn, WireFormat
from rightmodel.execution.records import Unrecorded
from rightmodel.execution.sessions import Sessions
from rightmodel.manifest.catalog import Catalog, by_id
from rightmodel.manifest.load import load_catalog
from rightmodel.routing.router import Router
from rightmodel.routing.scoring import rating
from rightmodel.routing.session import HOUSEKEEPING, further_turns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rightmodel.core.decision import Decision
    from rightmodel.core.task import TurnKind
    from rightmodel.manifest.catalog import Model

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

SKILLS: Final = {"code": 55, "agentic": 15, "reasoning": 10, "general": 10, "writing": 10}
HARDNESS: Final = ((2.0, 45), (4.5, 33), (7.5, 22))
HARDNESS_SD: Final = 1.0
ESTIMATE_SD: Final = 1.9
"""Of the estimated difficulty: gives a correlation of about 0.78."""
TRUE_SLOPE: Final = 0.5
"""How much the true difficulty of an ask tells. Through the noise of the estimate that makes the
0.3 that the router believes in."""
ASK_SD: Final = 0.7
RATING_SD: Final = 0.4
WRONG_SKILL: Final = 0.08
HIT: Final = 0.92
"""Chance that an automatic cache has what it should have."""
MOST_PROMPT: Final = 160_000
STALL: Final = 3
FILLER: Final = "some of the words in it " * 200_000
WORDS_PER_TOKEN: Final = 4.6
"""Characters of the filler for a token of the router's estimate."""
POLICIES: Final = ("baseline", "naive", "sticky", "ours")


@dataclass(frozen=True)
class Event:
    """A turn as it will come: when, what for, how long, how hard.

    `at`: seconds. `prompt`: tokens. `fresh`: the prompt's beginning was rewritten. `ask`: which.
    `draws`: chance of success, of the cache hit, and factors of the answer's length.
    """

    at: float
    kind: TurnKind
    prompt: int
    ask: int
    fresh: bool
    draws: tuple[float, float, float, float]


@dataclass(frozen=True)
class Ask:
    """`level`: true, on the scale of ratings. `assessed`: what the router is told."""

    skill: str
    difficulty: float
    level: float
    assessed: Assessment


@dataclass
class Script:
    """A session before anything has answered it."""

    events: list[Event] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    turns: int = 0


def drawn(rng: random.Random, catalog: Catalog) -> Script:
    """A session of 5 to 60 turns, housekeeping not counted."""
    script, at, fresh = Script(), 0.0, True
    length = round(min(60.0, max(5.0, rng.lognormvariate(2.9, 0.7))))
    prompt = rng.randint(9_000, 26_000)
    has_heart = rng.random() < 0.25

    def add(kind: TurnKind, size: int, *, rewritten: bool = False) -> None:
        draws = (rng.random(), rng.random(), rng.lognormvariate(0, 0.6), rng.lognormvariate(0, 0.7))
        script.events.append(Event(at, kind, size, len(script.asks) - 1, rewritten, draws))

    while script.turns < length:
        script.asks.append(an_ask(rng, catalog))
        if script.turns == 0 and rng.random() < 0.6:
            add("title", 600)
        for number in range(min(1 + int(rng.expovariate(1 / 5.0)), length - script.turns)):
            add("tool_result" if number else "ask", prompt, rewritten=fresh)
            script.turns += 1
            fresh = False
            prompt += int(rng.lognormvariate(7.0, 0.8))
            at += rng.uniform(4, 40)
            if prompt > MOST_PROMPT:
                add("compaction", prompt)
                prompt, fresh = rng.randint(18_000, 30_000), True
        is_long = rng.random() < 0.2
        pause = rng.uniform(600, 7_200) if is_long else rng.lognormvariate(4.4, 0.8)
        for beat in range(1, int(pause // 1_800) + 1 if has_heart else 0):
            at += 1_800.0 if beat else 0.0
            pause -= 1_800.0
            add("heartbeat", prompt + 150)
        at += pause
        prompt += rng.randint(50, 800)
    return script


def an_ask(rng: random.Random, catalog: Catalog) -> Ask:
    """An ask of mixed hardness, and what the classifier makes of it."""
    skill = rng.choices(list(SKILLS), list(SKILLS.values()))[0]
    mean = rng.choices([d for d, _ in HARDNESS], [w for _, w in HARDNESS])[0]
    difficulty = min(10.0, max(0.0, rng.gauss(mean, HARDNESS_SD)))
    slope = catalog.slopes[skill]
    level = slope.center + TRUE_SLOPE * (difficulty - slope.center) + rng.gauss(0, ASK_SD)
    seen = rng.choice(list(SKILLS)) if rng.random() < WRONG_SKILL else skill
    estimate = min(10.0, max(0.0, rng.gauss(difficulty, ESTIMATE_SD)))
    skills = ((seen, 0.85), ("general" if seen != "general" else "code", 0.15))
    return Ask(skill, difficulty, level, Assessment(skills, estimate, "learned", 0.9, 0.55))


# -- caches and money -----------------------------------------------------------------------------


@dataclass
class Caches:
    """What every model's cache holds of one session: tokens and since when unused."""

    lives: dict[str, float]
    held: dict[str, tuple[int, float]] = field(default_factory=dict)

    def serve(self, model: Model, event: Event, skill_difficulty: float) -> Usage:
        """The usage of the turn, as its provider would report and bill it."""
        cache = model.endpoints[0].provider.cache
        if event.fresh:
            self.held.clear()
        tokens, at = self.held.get(model.id, (0, 0.0))
        is_alive = event.at - at <= self.lives[model.id]
        hits = cache.marked or event.draws[1] < HIT
        own = event.kind == "title"  # a prompt of its own
        read = min(tokens, event.prompt) if is_alive and hits and not own else 0
        cached = event.prompt >= cache.min_tokens
        writes = cached and (cache.marked or model.price.cache_write is not None)
        if cached and not own and event.kind != "compaction":
            self.held[model.id] = (event.prompt, event.at)
        answer = 250 * event.draws[2] * (0.1 if event.kind in {"title", "heartbeat"} else 1.0)
        thought = 0.0
        if "reasoning" in model.features and event.kind not in {"title", "heartbeat"}:
            thought = 60 * skill_difficulty * event.draws[3]
        return Usage(
            input=event.prompt,
            output=int(answer + thought),
            cache_read=read,
            cache_write=event.prompt - read if writes else 0,
            reasoning=int(thought),
        )


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


class World:
    """A pool, its truth and the router. `turns`: expected further turns, `None` as learned."""

    def __init__(self, catalog: Catalog, seed: int, tier: str) -> None:
        rng = random.Random(seed)
        self.catalog = catalog
        self.baseline = next(iter(catalog.models.values()))
        self.tier = tier
        self.errors = {
            (m, s): rng.gauss(0, RATING_SD) for m in catalog.models for s in SKILLS
        }
        self.now = 0.0
        self.assessments: dict[str, Assessment] = {}
        self.router = Router(
            catalog,
            lambda _: "",
            clock=lambda: self.now,
            assess=lambda task, _: self.assessments[task.prompt],
        )

    def chance(self, model: Model, ask: Ask) -> float:
        """The true chance that the model does a turn of the ask well."""
        skill = rating(model.skills, ((ask.skill, 1.0),)) + self.errors[model.id, ask.skill]
        return 1 / (1 + exp(ask.level - skill))

    def task(self, script: Script, event: Event, name: str, *, stalled: bool) -> Task:
        """The turn as the gateway would have read it."""
        said = FILLER[: int(event.prompt * WORDS_PER_TOKEN)]
        turn = Turn(
            ChatRequest("auto", (Message.of("user", said),)),
            WireFormat.OPENAI_CHAT,
            b"",
            {},
            kind=event.kind,
            session=name,
            stall="the same call failed 3 times" if stalled else "",
        )
        prompt = f"{name} {event.ask}"
        self.assessments[prompt] = script.asks[event.ask].assessed
        return Task(prompt, turn=turn, tier=self.tier)

    def lives(self, rng: random.Random) -> dict[str, float]:
        """How long caches really last: as documented where marked, else about that long."""
        found = {}
        for model in self.catalog.models.values():
            cache = model.endpoints[0].provider.cache
            found[model.id] = cache.life_s * (1.0 if cache.marked else rng.uniform(0.8, 3.0))
        return found

    async def play(self, script: Script, name: str, policy: str, seed: int, tally: Tally, n: float) -> None:
        """One session under one policy. `n`: expected further turns."""
        sessions = Sessions(self.catalog.providers, Unrecorded(), lambda: self.now)
        sessions._further = {"mcp": n}  # noqa: SLF001 - as the ledger would have taught
        sessions._upkeep_at = float("inf")  # noqa: SLF001
        caches = Caches(self.lives(random.Random(f"{seed} {name}")))
        stuck, failures, last = "", [], ""
        for event in script.events:
            self.now = event.at
            ask = script.asks[event.ask]
            if event.kind == "ask":
                failures = []
            stalled = sum(failures[-6:]) >= STALL
            task = self.task(script, event, name, stalled=stalled)
            decision: Decision | None = None
            if policy == "baseline":
                model = self.baseline
            elif policy == "sticky" and stuck and event.kind != "title":
                model = self.catalog.models[stuck]
            else:
                if policy == "ours":
                    task = replace(task, session=await sessions.view(task.client, name))
                decision = await self.router.route(task)
                model = self.catalog.models[decision.candidates[0].model]
                if event.kind not in HOUSEKEEPING:
                    stuck = stuck or model.id
            usage = caches.serve(model, event, ask.difficulty)
            cost = model.price.cost(usage, at=event.at)
            tally.usd += float(cost or 0)
            if policy == "ours" and decision is not None:
                provider = model.endpoints[0].provider.name
                attempt = Attempt(model.id, provider, model.id, usage=usage, cost_usd=cost)
                sessions.record(task, Receipt(model.id, decision, (attempt,), 1.0, cost))
            if event.kind in HOUSEKEEPING:
                continue
            chance = self.chance(model, ask)
            failures.append(event.draws[0] >= chance)
            tally.success += chance
            tally.turns += 1
            tally.switches += bool(last) and last != model.id
            last = model.id
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


async def simulated(
    catalog: Catalog, count: int, seed: int, tier: str, factor: float = 1.0, policies: Sequence[str] = POLICIES
) -> dict[str, Tally]:
    """Every policy on the same sessions. `factor`: how wrong the expected turns are."""
    tallies = {policy: Tally() for policy in policies}
    rng = random.Random(seed)
    scripts = [drawn(rng, catalog) for _ in range(count)]
    former = random.Random(seed + 7_777)
    usual = further_turns(Counter(e.kind for _ in range(200) for e in drawn(former, catalog).events))
    for number, script in enumerate(scripts):
        # Every session has a draw of its own of how good the models really are.
        world = World(catalog, seed * 1_000 + number, tier)
        for policy in policies:
            await world.play(script, f"s{number}", policy, seed, tallies[policy], usual * factor)
    return tallies


def show(title: str, tallies: dict[str, Tally]) -> None:
    """One row for each policy."""
    base = tallies["baseline"]
    print(f"\n### {title}\n")
    print("| policy | cost | saved | success | of the baseline's | cached | switches a session |")
    print("|---" * 7 + "|")
    for policy, tally in tallies.items():
        print(
            f"| {policy} | ${tally.usd:.2f} | {1 - tally.usd / base.usd:.1%} | {tally.rate:.4f} "
            f"| {tally.rate / base.rate:.4f} | {tally.read / tally.prompt:.0%} "
            f"| {tally.switches} |"
        )
    mix = sorted(tallies["ours"].models.items(), key=lambda pair: -pair[1])
    print("\nours: " + ", ".join(f"{m} {c / tallies['ours'].turns:.0%}" for m, c in mix))


if __name__ == "__main__":
    import tempfile
    from pathlib import Path as _Path

    parser = argparse.ArgumentParser()
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pool", default="")
    parser.add_argument("--tier", default="balanced")
    parser.add_argument("--factors", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as where:
        for name, models in POOLS.items():
            if args.pool and args.pool != name:
                continue
            pool = shipped(models, _Path(where))
            for factor in (1.0, 1 / 3, 3.0) if args.factors else (1.0,):
                found = asyncio.run(simulated(pool, args.sessions, args.seed, args.tier, factor))
                show(f"{name}, expected turns × {factor:.2g}", found)
