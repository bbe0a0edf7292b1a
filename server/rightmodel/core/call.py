"""What happened in a call: usage, attempts, completion, receipt.

Units: money in USD as `Decimal`, time in seconds, sizes in tokens unless a name says otherwise.
`None` means unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

    from rightmodel.core.decision import Decision
    from rightmodel.core.fault import Fault
    from rightmodel.core.task import Reasoning, Text, ToolCall


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
    `usage`: `None` where the upstream reports none. `repaired`: parameters left out or renamed
    because the upstream refused them. `first_token_s`: seconds from sending to the first token.
    Of an agent's turn: `parts` of the answer, in order; the upstream's `id` of it; `body`: the
    bytes of a response in one piece, in the client's own API; `has_other`: what is on its way to
    the client holds something that only its API has.
    """

    text: str
    finish: str = "stop"
    served: str = ""
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    reasoning_chars: int = 0
    repaired: tuple[str, ...] = ()
    first_token_s: float | None = None
    parts: tuple[Text | Reasoning | ToolCall, ...] = ()
    id: str = ""
    body: bytes = b""
    has_other: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one endpoint. `fault` is `None` where it gave the answer.

    `message`: the upstream's own words, keys masked. `start_s`: seconds since the call began.
    `cost_usd`: billed or computed; `None` unknown. `billed`: whether the upstream named the cost.
    `bounded`: whether it reported tokens or a cost beyond what was possible, which were replaced.
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
    bounded: bool = False
    served: str = ""


def same_model(served: str, asked: str) -> bool:
    """Whether the upstream's name for what it used means the model asked for.

    A dated or versioned suffix is the same model (`gpt-5.4-mini` → `gpt-5.4-mini-2026-03-17`), and
    so is a path in front of it (`models/gemini-…`).
    """
    a = served.lower().rpartition("/")[2].removesuffix(":free")
    b = asked.lower().rpartition("/")[2].removesuffix(":free")
    shorter, longer = sorted((a, b), key=len)
    rest = longer[len(shorter) :] if longer.startswith(shorter) else "?"
    return not rest or (rest[0] in "-@:" and rest[1:].replace("-", "").replace(".", "").isdigit())


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
    """What a call hands over: the text and its receipt. `completion`: of an agent's turn."""

    text: str
    receipt: Receipt
    completion: Completion | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """The call waits until fewer calls run than the server allows at once."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The next attempt begins in `wait_s` seconds: a backoff, or the rest of a cooldown."""

    model: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """An attempt begins. `number`: within its call, from 1."""

    number: int
    model: str
    provider: str


@dataclass(frozen=True, slots=True)
class Token:
    """Answer text arrived from the upstream: not validated yet, and void if the attempt fails."""

    text: str


@dataclass(frozen=True, slots=True)
class AttemptFailed:
    """An attempt ended without an answer. `number`: as in `AttemptStarted`.

    `message`: what the upstream said, as in `Attempt`.
    """

    number: int
    model: str
    provider: str
    fault: Fault
    message: str = ""


CallEvent = Queued | Waiting | AttemptStarted | Token | AttemptFailed
Listener = Callable[[CallEvent], object]
