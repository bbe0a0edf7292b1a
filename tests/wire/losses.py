"""What each wire format changes of a request that it carries: one table."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

from rightmodel.core.task import (
    Attachment,
    CacheMark,
    Message,
    Text,
    ToolCall,
    ToolResult,
    WireFormat,
)
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.conversation import settled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rightmodel.core.task import ChatRequest, Part

    Loss = Callable[[ChatRequest], ChatRequest]


def with_losses(wire_format: WireFormat, request: ChatRequest) -> ChatRequest:
    """The request as it comes out of its body in this format."""
    codec = CODECS[wire_format]
    request = settled(request, wire_format)

    def readable(message: Message) -> Iterator[Part]:
        for part in message.parts:
            if not codec.is_foreign(part):
                yield part
            elif isinstance(part, ToolCall):
                yield replace(part, signature="")

    request = _each(request, readable)
    for loss in LOSSES[wire_format]:
        request = loss(request)
    return request


def _each(request: ChatRequest, change: Callable[[Message], Iterable[Part]]) -> ChatRequest:
    messages = (Message(m.role, tuple(change(m))) for m in request.messages)
    return replace(request, messages=tuple(m for m in messages if m.parts))


def no_marks(request: ChatRequest) -> ChatRequest:
    """No field for cache marks."""
    return _each(request, lambda m: [p for p in m.parts if not isinstance(p, CacheMark)])


def errors_in_words(request: ChatRequest) -> ChatRequest:
    """A failed tool's result says so in its text."""

    def told(part: Part) -> Part:
        if not isinstance(part, ToolResult) or not part.is_error:
            return part
        first, *rest = part.parts
        assert isinstance(first, Text)
        said = first.text if first.text.lower().startswith("error") else f"Error: {first.text}"
        return ToolResult(part.id, (Text(said), *rest))

    return _each(request, lambda m: map(told, m.parts))


def files_behind_results(request: ChatRequest) -> ChatRequest:
    """Files that a tool returned follow the results, in the user's message."""

    def moved(message: Message) -> list[Part]:
        results = [p for p in message.parts if isinstance(p, ToolResult)]
        files = [f for r in results for f in r.parts if isinstance(f, Attachment)]
        texts = [
            ToolResult(r.id, tuple(p for p in r.parts if isinstance(p, Text))) for r in results
        ]
        rest = [p for p in message.parts if not isinstance(p, ToolResult)]
        return [*texts, *files, *rest]

    return _each(request, moved)


def texts_joined(request: ChatRequest) -> ChatRequest:
    """Texts of a message without files are one string."""

    def joined(message: Message) -> list[Part]:
        texts = [p.text for p in message.parts if isinstance(p, Text)]
        others = [p for p in message.parts if not isinstance(p, Text)]
        if message.files or not texts:
            return [*message.parts]
        if message.role == "assistant":
            return [Text("".join(texts)), *others]
        return [*others, Text("\n\n".join(texts))]

    return _each(request, joined)


def marked_ends(request: ChatRequest) -> ChatRequest:
    """The prompt of an agent that set no cache mark is marked at its ends."""
    parts = [part for message in request.messages for part in message.parts]
    if not request.tools or any(isinstance(part, CacheMark) for part in parts):
        return request
    leading = len([*takewhile(lambda m: m.role == "system", request.messages)])
    marked = {leading - 1, len(request.messages) - 1}
    messages = (
        Message(m.role, (*m.parts, CacheMark())) if i in marked else m
        for i, m in enumerate(request.messages)
    )
    return replace(request, messages=tuple(messages))


def thinking_unsampled(request: ChatRequest) -> ChatRequest:
    """No sampling while the model thinks, which it does not where it must call a tool."""
    thinks = request.effort not in {"", "none"} and request.tool_choice.mode != "required"
    return replace(request, temperature=None, top_p=None) if thinks else request


LOSSES: dict[WireFormat, tuple[Loss, ...]] = {
    WireFormat.OPENAI_CHAT: (no_marks, errors_in_words, files_behind_results, texts_joined),
    WireFormat.OPENAI_RESPONSES: (no_marks, errors_in_words),
    WireFormat.ANTHROPIC_MESSAGES: (marked_ends, thinking_unsampled),
    WireFormat.GEMINI: (no_marks,),
}
