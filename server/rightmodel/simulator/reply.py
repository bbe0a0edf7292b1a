"""One answer of a simulated model, before any wire format has encoded it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from decimal import Decimal

    from rightmodel.core.call import Usage

Finish = Literal["stop", "length", "content_filter", "refused", "tool_calls"]

DEFAULT_TEXT: Final = "This is a simulated answer."


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool. `arguments`: JSON as text, as it goes over the wire: it may be cut off."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, before it is encoded.

    `text`: `None` is sent as null. `reasoning`: text of the thinking, where the dialect shows it.
    `reasoning_tokens`: `None` counts those of `reasoning`. `served`: the model that claims to have
    answered, "" for the one asked for. `usage`: `None` is computed from the request and the answer.
    `refusal`: text of OpenAI's refusal field. `block_reason`: of Gemini's prompt feedback.
    `cost_usd`: what OpenRouter reports.
    """

    text: str | None = DEFAULT_TEXT
    finish: Finish = "stop"
    reasoning: str = ""
    reasoning_tokens: int | None = None
    served: str = ""
    usage: Usage | None = None
    refusal: str = ""
    block_reason: str = ""
    tool_call: ToolCall | None = None
    cost_usd: Decimal | None = None


def answer(text: str | None = DEFAULT_TEXT, **details: Any) -> Reply:
    """An answer for a script; `details` are the other fields of `Reply`."""
    return Reply(text, **details)
