"""Answers that were cut because the context window is smaller than the manifest says.

Local servers say nothing: they cut the prompt (Ollama), lower the output limit (vLLM) or stop where
the window is full (llama.cpp), and report `length` or even `stop` as if all were well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault

if TYPE_CHECKING:
    from rightmodel.core.call import Completion
    from rightmodel.wire.request import ModelRequest

FAR_BELOW: Final = 0.8
"""Share of the output limit below which an answer that ended by `length` met another limit."""

_STEP: Final = 256
"""Windows and output limits are multiples of this; servers stop up to `_OFF` tokens before."""
_OFF: Final = 2


def refuse_cut_answer(request: ModelRequest, completion: Completion, cap: int) -> None:
    """Raise `ProviderError` with the window, where the window ended the answer before `cap` did.

    A provider with a lower output limit of its own ends all long answers at the same round number
    of output tokens, whatever the prompt: that is no window.
    """
    usage = completion.usage
    if completion.finish != "length" or usage is None or not usage.output or not usage.input:
        return
    if usage.output >= cap * FAR_BELOW:
        return
    window = usage.input + usage.output
    if _is_round(usage.output) and not _is_round(window):
        return
    name = request.provider.name
    raise ProviderError(
        Fault.CONTEXT_OVERFLOW,
        f"{name} ended the answer of {request.name} after {usage.output} of {cap} tokens: its "
        f"context window is full at {window} tokens, less than the manifest says",
        provider=name,
        status=200,
        window=window,
    )


def _is_round(tokens: int) -> bool:
    return (tokens + _OFF) % _STEP <= _OFF + 1
