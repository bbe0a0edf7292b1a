"""The things that pass through the house: task → assessment → decision → receipt.

Plain frozen data without behaviour of its own beyond arithmetic. Units: money in USD as `Decimal`,
time in seconds, sizes in tokens unless a name says otherwise. `None` means unknown, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from rightmodel.errors import Fault

SKILLS: Final = (
    "general",
    "code",
    "math",
    "reasoning",
    "writing",
    "summarize",
    "extract",
    "classify",
    "translate",
    "research",
    "knowledge",
    "vision",
    "agentic",
)
"""The skills every manifest knows; a manifest may add its own."""

DIFFICULTIES: Final[Mapping[str, float]] = {"easy": 2.0, "medium": 5.0, "hard": 7.0, "expert": 9.0}
"""The caller's words for difficulty, on the 0–10 scale that ratings share."""

TIERS: Final = ("cheap", "balanced", "best")
EFFORTS: Final = ("none", "low", "medium", "high")

Source = Literal["hint", "rule", "learned", "judge", "default"]
"""Who decided what kind of work a task is."""


class Trust(IntEnum):
    """How far a provider may be given data. A higher value may be given more."""

    any = 0
    trusted = 1
    local = 2


class Protocol(StrEnum):
    """The wire protocols."""

    OPENAI_CHAT = "openai-chat"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    GEMINI = "gemini"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file sent along. `path`: as the caller wrote it. `media_type`: MIME. `data`: its bytes."""

    path: str
    media_type: str
    data: bytes = field(repr=False)

    @property
    def modality(self) -> str:
        """Text | image | pdf | audio: what a model must be able to read."""
        if self.media_type == "application/pdf":
            return "pdf"
        kind = self.media_type.partition("/")[0]
        return kind if kind in {"image", "audio"} else "text"


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Literal["user", "assistant"]
    text: str
    files: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """A subtask as the caller hands it over. Empty strings and zeros mean "not said".

    `prefer`: the model that the conversation has been with, tried first.
    """

    prompt: str
    skill: str = ""
    difficulty: str = ""
    tier: str = ""
    model: str = ""
    system: str = ""
    files: tuple[Attachment, ...] = ()
    schema: Mapping[str, Any] | None = None
    effort: str = ""
    max_output_tokens: int = 0
    max_cost_usd: Decimal | None = None
    failure_cost_usd: Decimal | None = None
    history: tuple[Turn, ...] = ()
    prefer: str = ""

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The conversation as it is sent: what went before, then this prompt with its files."""
        return (*self.history, Turn("user", self.prompt, self.files))


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


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input` counts cached ones too; `output` counts reasoning too.

    `cache_read`, `cache_write`, `audio` (neither read nor written) ⊆ `input`, without overlap;
    `cache_write_1h` ⊆ `cache_write`; `reasoning` ⊆ `output`.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    cache_write_1h: int = 0
    audio: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """A complete answer of a provider.

    `served`: the model that the upstream says it used, "" where it does not say. `finish`: "stop",
    "length", "refused" or the upstream's own word. `cost_usd`: as reported by the upstream.
    `usage`: `None` where the upstream reports none. `mended`: parameters left out or renamed
    because the upstream refused them. `first_token_s`: seconds from sending to the first token.
    """

    text: str
    finish: str = "stop"
    served: str = ""
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    reasoning_chars: int = 0
    mended: tuple[str, ...] = ()
    first_token_s: float | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one endpoint. `fault` is `None` where it gave the answer.

    `message`: the upstream's own words, keys masked. `start_s`: seconds since the call began.
    `cost_usd`: billed or computed; `None` unknown. `billed`: whether the upstream named the cost.
    """

    model: str
    provider: str
    name: str
    fault: Fault | None = None
    message: str = ""
    status: int = 0
    start_s: float = 0.0
    time_s: float = 0.0
    first_token_s: float | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    billed: bool = False
    served: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What happened in one call and what it cost.

    `cost_usd` sums every attempt; `None` when one of them has an unknown cost. `baseline_usd`:
    what the baseline would have cost; `saved_usd` is net and may be negative; both `None` where
    no baseline is set. `flags`: short notes worth a caller's attention.
    """

    model: str
    decision: Decision
    attempts: tuple[Attempt, ...]
    time_s: float
    cost_usd: Decimal | None
    baseline_usd: Decimal | None = None
    saved_usd: Decimal | None = None
    served: str = ""
    ref: str = ""
    files: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What `complete` hands over: the text and its receipt."""

    text: str
    receipt: Receipt
