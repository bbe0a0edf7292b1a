"""Answers that were cut because the context window is smaller than the manifest says.

Local servers say nothing: they cut the prompt (Ollama), lower the output limit (vLLM) or stop where
the window is full (llama.cpp), and report `length` or even `stop` as if all were well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.manifest.base_url import is_loopback

if TYPE_CHECKING:
    from rightmodel.core.call import Completion, Usage
    from rightmodel.wire.request import ModelRequest

PROMPT_SHARE: Final = 0.6
"""Share of the estimated prompt tokens below which the prompt was cut."""

PROMPT_SHARE_ELSEWHERE: Final = 0.35
"""The same where the estimate is that of another family's tokenizer: a local model behind an
Anthropic endpoint counts half of what Claude would."""

LEAST_PROMPT: Final = 1000
"""Estimates of shorter prompts are off by too much to prove anything."""

FAR_BELOW: Final = 0.8
"""Share of the output limit below which an answer that ended by `length` met another limit."""

_STEP: Final = 256
"""Windows and output limits are multiples of this; servers stop up to `_OFF` tokens before."""
_OFF: Final = 2


def refuse_cuts(request: ModelRequest, completion: Completion, cap: int) -> None:
    """Raise `ProviderError` with the window where it cut the prompt, or the answer before `cap`."""
    usage = completion.usage
    if usage is None or not usage.input:
        return
    if is_loopback(request.provider.base_url):
        _refuse_cut_prompt(request, usage)
    if completion.finish == "length":
        _refuse_cut_answer(request, usage, cap)


def _refuse_cut_prompt(request: ModelRequest, usage: Usage) -> None:
    """The reported prompt tokens are far fewer than were sent."""
    expected = request.expect_input_tokens
    is_own = request.provider.protocol is WireFormat.OPENAI_CHAT
    share = PROMPT_SHARE if is_own else PROMPT_SHARE_ELSEWHERE
    if expected <= LEAST_PROMPT or usage.input >= expected * share:
        return
    raise _overflow(
        request,
        f"read only {usage.input} of about {expected} prompt tokens: its window is smaller than "
        "the manifest says (Ollama: set num_ctx or OLLAMA_CONTEXT_LENGTH)",
        usage.input,
    )


def _refuse_cut_answer(request: ModelRequest, usage: Usage, cap: int) -> None:
    """The answer ended by `length` far below the limit on output tokens that was sent.

    A provider with a lower output limit of its own ends all long answers at the same round number
    of output tokens, whatever the prompt: that is no window.
    """
    window = usage.input + usage.output
    is_output_limit = _is_round(usage.output) and not _is_round(window)
    if not usage.output or usage.output >= cap * FAR_BELOW or is_output_limit:
        return
    raise _overflow(
        request,
        f"ended the answer after {usage.output} of {cap} tokens: its context window is full at "
        f"{window} tokens, less than the manifest says",
        window,
    )


def _overflow(request: ModelRequest, what: str, window: int) -> ProviderError:
    name = request.provider.name
    return ProviderError(
        Fault.CONTEXT_OVERFLOW, f"{name} {what}", provider=name, status=200, window=window
    )


def _is_round(tokens: int) -> bool:
    return (tokens + _OFF) % _STEP <= _OFF + 1
