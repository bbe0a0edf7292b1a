"""What kind of work a task is, which models can take it, and which one is chosen.

Units: money in USD as `Decimal`, time in seconds, sizes in tokens unless a name says otherwise.
`None` means unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from rightmodel.core.task import Trust

if TYPE_CHECKING:
    from decimal import Decimal


Source = Literal["hint", "rule", "learned", "judge", "default"]
"""Who decided what kind of work a task is."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """What kind of work a task is, and how hard.

    `skills`: weights summing to 1, heaviest first. `difficulty`: 0–10. `output_tokens`: expected
    length of the answer without reasoning; `None` where nothing is known. `confidence` and
    `difficulty_confidence`: calibrated chance, 0–1, that the top skill is right and that the
    difficulty is within 1.5 points. `note`: half a sentence on how it came about.
    """

    skills: tuple[tuple[str, float], ...]
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


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a model must have to be given the task, and which models are asked for.

    `input_tokens`: estimated. `output_tokens`: reserved for the answer. `pinned`: only these, in
    this order, when not empty. `preferred`: tried first in this order, for `preferred_why`.
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


class Rejection(NamedTuple):
    """A model that cannot take the task, and why. A tuple: made for every model of every call."""

    model: str
    code: str
    reason: str


class Candidate(NamedTuple):
    """A model that can take the task. A tuple, because one is made per model per decision.

    `p_success`: chance of a good answer. `cost_usd`: expected, `None` where a price is unknown.
    `time_s`: expected, `None` where nothing is known. `total_usd`: the expected total cost by which
    candidates are ranked; infinite where a price is unknown.
    """

    model: str
    p_success: float
    cost_usd: Decimal | None
    time_s: float | None
    total_usd: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Which model, who is next in line, who is out, and the two figures that settled it.

    `judge`: the model that was asked what kind of work this is, "" for none; `judge_usd`: its cost.
    `explored`: the first candidate is not the best one, but one to be learned about.
    """

    candidates: tuple[Candidate, ...]
    rejections: tuple[Rejection, ...]
    assessment: Assessment
    requirements: Requirements
    tier: str
    loss_usd: float
    reason: str
    rule: str = ""
    judge: str = ""
    judge_usd: Decimal | None = None
    explored: bool = False
