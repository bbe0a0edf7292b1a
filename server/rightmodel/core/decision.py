"""What kind of work a task is, which models can take it, and which one is chosen.

Units: money in USD as `Decimal`, time in seconds, sizes in tokens unless a name says otherwise.
`None` means unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from math import exp
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal


Skills = tuple[tuple[str, float], ...]
"""Skills with their weights, which sum to 1, heaviest first."""

Source = Literal["hint", "rule", "learned", "judge", "default"]
"""Who decided what kind of work a task is."""


class Trust(IntEnum):
    """How far a provider may be given data. A higher value may be given more."""

    any = 0
    trusted = 1
    local = 2


def success(rating: float, level: float) -> float:
    """Chance of a good answer, 0–1: the one-parameter item response (Rasch) model.

    `level`: the task's difficulty on the scale of ratings, 0–10.
    """
    return 1.0 / (1.0 + exp(max(-50.0, min(50.0, level - rating))))


@dataclass(frozen=True, slots=True)
class Assessment:
    """What kind of work a task is, and how hard.

    `skills`: weights summing to 1, heaviest first. `difficulty`: 0–10. `output_tokens`: expected
    length of the answer without reasoning; `None` where nothing is known. `confidence` and
    `difficulty_confidence`: calibrated chance, 0–1, that the top skill is right and that the
    difficulty is within 1.5 points. `note`: half a sentence on how it came about.
    """

    skills: Skills
    difficulty: float
    source: Source
    confidence: float = 1.0
    difficulty_confidence: float = 1.0
    output_tokens: int | None = None
    note: str = ""

    @property
    def skill(self) -> str:
        """The heaviest skill."""
        return self.skills[0][0]


class WarmPrefix(NamedTuple):
    """What a provider's prompt cache holds of a session.

    `tokens`: of the prompt that was sent there last, by the router's own estimate. `share`: how
    much of them, 0–1, is expected to be read from the cache, after `seen` turns that showed it.
    `at`: when it was last used (seconds since 1970). `life_s`: how long it is kept unused.
    `provider`: whose it is.
    """

    tokens: int
    share: float
    at: float
    life_s: float
    provider: str
    seen: int = 0


@dataclass(frozen=True, slots=True)
class SessionView:
    """What is known of an agent's session when one of its turns is routed.

    `model`: of the last turn, "" before the first. `assessment`: of the latest turn that was
    assessed, `None` before. `at`: when the last turn ended (seconds since 1970). `turns`: so far.
    `last_tokens`: the last turn's prompt, `growth`: how much prompts grew per turn, both by the
    router's own estimate. `output_tokens`: mean of an answer, without reasoning. `further_turns`:
    expected after the next one. `warm`: model → what a cache holds for it. `shares`: provider →
    share of former prompts that its cache gave back, in every session so far, where that was seen.
    Housekeeping turns (titles, heartbeats, probes …) count in none of these.
    """

    model: str = ""
    assessment: Assessment | None = None
    at: float = 0.0
    turns: int = 0
    last_tokens: int = 0
    growth: float = 0.0
    output_tokens: float = 0.0
    further_turns: float = 3.0
    warm: Mapping[str, WarmPrefix] = field(default_factory=dict)
    shares: Mapping[str, float] = field(default_factory=dict)

    def provider_of(self, model: str) -> str:
        """Whose cache holds the session for a model, "" for none."""
        prefix = self.warm.get(model)
        return prefix.provider if prefix else ""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a model must have to receive the task, and which models are requested.

    `input_tokens`: estimated. `output_tokens`: reserved for the answer. `pinned`: only these, in
    this order, when not empty. `preferred`: tried first in this order, for `preferred_why`.
    `trust_by`: the rule that requires the trust. `cost_by`: the key or rule that sets the ceiling.
    `unfit`: APIs that cannot carry the request, with what they have no field for.
    """

    input_tokens: int
    output_tokens: int
    modalities: frozenset[str] = frozenset({"text"})
    features: frozenset[str] = frozenset()
    trust: Trust = Trust.any
    max_cost_usd: Decimal | None = None
    pinned: tuple[str, ...] = ()
    preferred: tuple[str, ...] = ()
    preferred_why: str = ""
    trust_by: str = ""
    cost_by: str = ""
    unfit: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Reading(NamedTuple):
    """One plausible reading of an assessment. `share`: its probability; all shares sum to 1.

    `level`: what ratings are compared with: the difficulty, after the skill's slope where it is an
    estimate. A stated difficulty counts in full.
    """

    share: float
    skills: Skills
    difficulty: float
    level: float


class Rejection(NamedTuple):
    """A model that cannot take the task, and why."""

    model: str
    code: str
    reason: str


def models_by_reason(rejections: Iterable[Rejection]) -> dict[str, list[str]]:
    """Each reason once, with the models that it rejects."""
    found: dict[str, list[str]] = {}
    for rejection in rejections:
        found.setdefault(rejection.reason, []).append(rejection.model)
    return found


class Candidate(NamedTuple):
    """A model that can take the task. A tuple: one is made per model per decision.

    `p_success`: chance of a good answer. `cost_usd`: expected, `None` where a price is unknown.
    `time_s`: expected, `None` where nothing is known. `total_usd`: the expected total cost by which
    candidates of a `group` are ranked; infinite where a price is unknown. `group`: 0; 1 where the
    rating is a guess from the price; 2 where such a model costs more than the baseline; 3 where the
    price is unknown.
    """

    model: str
    p_success: float
    cost_usd: Decimal | None
    time_s: float | None
    total_usd: float
    group: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """Which model, the fallback chain, what was rejected, and the two figures that decided.

    `level`: the difficulty that ratings were compared with, 0–10, mean over the plausible readings.
    `rule`: the names of the rules that applied. `judge`: the model that assessed the task, "" for
    none; `judge_usd`: its cost, `None` where unknown. `explored`: the first candidate is not the
    best one; it is tried so that its rating is learned. `winners`: every plausible reading with the
    model that would be chosen if it were true.
    """

    candidates: Sequence[Candidate]
    rejections: Sequence[Rejection]
    assessment: Assessment
    requirements: Requirements
    tier: str
    loss_usd: float
    reason: str
    rule: str = ""
    judge: str = ""
    judge_usd: Decimal | None = None
    explored: bool = False
    level: float = 5.0
    winners: Sequence[tuple[Reading, str]] = ()
