"""Signatures of reasoning on their way through a client that speaks another API.

Agents keep reasoning as it came and send it back with the next turn. So a signature, or encrypted
reasoning, travels sealed: with the name of the API that made it. Back at that API it is opened
again; every other one gets the conversation without it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import ChatRequest, Message, Part, Reasoning, WireFormat
from rightmodel.wire.response import ReasoningDelta

if TYPE_CHECKING:
    from collections.abc import Iterator


_MARK: Final = "rightmodel-seal"
_SEALED: Final = f'"{_MARK}:'.encode()
_FIELDS: Final = 4
_FOREIGN: Final = (
    b':"rightmodel-seal:', b': "rightmodel-seal:', b'"signature":""', b'"signature": ""',
)  # fmt: skip


def sealed(piece: Any, made_by: WireFormat) -> Any:
    """A part or an event as a client of another API may keep it."""
    if not isinstance(piece, ReasoningDelta | Reasoning):
        return piece
    signature = piece.signature
    if signature:
        signature = f"{_MARK}:{made_by.value}:{piece.id}:{signature}"
    return type(piece)(piece.text, signature)


def is_sealed(signature: str) -> bool:
    """Whether another API made it."""
    return signature.startswith(f"{_MARK}:")


def holds_foreign(body: bytes) -> bool:
    """Whether a body holds reasoning that another API made: sealed, or without a signature."""
    if b'"signature"' not in body and _SEALED not in body:  # two searches instead of four
        return False
    return any(mark in body for mark in _FOREIGN)


def opened(request: ChatRequest, by: WireFormat) -> ChatRequest:
    """The request with the seals that this API made opened, and without the reasoning of others."""
    parts = [part for message in request.messages for part in message.parts]
    if not any(isinstance(part, Reasoning) and is_sealed(part.signature) for part in parts):
        return request
    messages = (Message(m.role, tuple(_opened(m.parts, by))) for m in request.messages)
    return replace(request, messages=tuple(messages))


def _opened(parts: tuple[Part, ...], by: WireFormat) -> Iterator[Part]:
    for part in parts:
        if not isinstance(part, Reasoning) or not is_sealed(part.signature):
            yield part
            continue
        found = part.signature.split(":", 3)
        if len(found) == _FIELDS and found[1] == by.value:
            yield Reasoning(part.text, found[3], found[2])
