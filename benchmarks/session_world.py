"""Simulated sessions of agents: turns to come, the providers' caches, and how good models are.

See `sessions.py`.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from math import exp
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Usage
from rightmodel.core.decision import Assessment
from rightmodel.core.task import ChatRequest, Message, Task, Turn, WireFormat
from rightmodel.routing.router import Router
from rightmodel.routing.scoring import rating

if TYPE_CHECKING:
    from rightmodel.core.task import TurnKind
    from rightmodel.manifest.catalog import Catalog, Model

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


class World:
    """A pool, its truth and the router. `turns`: expected further turns, `None` as learned."""

    def __init__(self, catalog: Catalog, seed: int, tier: str) -> None:
        rng = random.Random(seed)
        self.catalog = catalog
        self.baseline = next(iter(catalog.models.values()))
        self.tier = tier
        self.errors = {(m, s): rng.gauss(0, RATING_SD) for m in catalog.models for s in SKILLS}
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
