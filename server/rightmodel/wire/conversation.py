"""A conversation as every API takes it, whatever agent sent it.

Agents keep a model's reasoning as it came and send it back with the next turn. So a signature, or
encrypted reasoning, travels sealed through a client of another API: with the name of the API that
made it. Back at that API it is opened again; every other one gets the conversation without it.
"""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, TypeVar
from xml.sax.saxutils import quoteattr

from rightmodel.core.task import (
    Attachment,
    CacheMark,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from rightmodel.wire.response import ReasoningDelta

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rightmodel.core.task import ChatRequest, Part, Role, WireFormat

P = TypeVar("P")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""Ids that all APIs take: Anthropic allows these characters, OpenAI this length."""

GO_ON: Final = Text("Continue.")
"""Asks for more where the conversation ends with an answer."""
_NO_RESULT: Final = Text("No result: the call was interrupted.")
_MARK: Final = "rightmodel-seal"
_SEALED: Final = f'"{_MARK}:'.encode()
_FIELDS: Final = 4
_FOREIGN: Final = (
    b':"rightmodel-seal:', b': "rightmodel-seal:', b'"signature":""', b'"signature": ""',
)  # fmt: skip


def settled(request: ChatRequest, by: WireFormat) -> ChatRequest:
    """The same request in a form that no API refuses, `by` this one.

    System text behind the first other message becomes a user's text between `<system-reminder>`
    tags: few APIs and chat templates take a system message there, and agents mark such text so
    themselves. Messages of one role in a row are one. Results of tools follow their calls at once,
    in front of what the user says. A result without its call is told as text; a call without its
    result gets one that says so. Ids of calls are unique. Blank texts are left
    out, also of results. Where nothing else is said, the last system text is the user's. Where an
    answer is the last, the user asks to go on: Claude since 4.6 and Mistral refuse it.
    """
    if _is_settled(request.messages):
        return request
    given = _opened(request.messages, by)
    leading = leading_system(given)
    merged = _merged(_inlined(_reminder(message)) for message in given[leading:])
    if leading and not merged:  # nothing but system text: few APIs take that
        leading -= 1
        merged = _merged([_inlined(_reminder(given[leading]))])
    role, parts = merged[-1] if merged else ("", [])
    if role == "assistant" and not any(isinstance(part, ToolCall) for part in parts):
        merged.append(("user", [GO_ON]))
    return replace(request, messages=(*given[:leading], *_matched(merged)))


def _is_settled(messages: Sequence[Message]) -> bool:
    """Whether there is nothing to do: text alone, of user and assistant in turn."""
    before: str = "system"
    for message in messages[leading_system(messages) :]:
        texts = (isinstance(part, Text) and part.text.strip() for part in message.parts)
        if message.role in {"system", before} or not message.parts or not all(texts):
            return False
        before = message.role
    return before == "user"


def leading_system(messages: Sequence[Message]) -> int:
    """How many system messages the conversation begins with."""
    return next((n for n, m in enumerate(messages) if m.role != "system"), len(messages))


def reminder(content: str) -> str:
    """System text as a user's."""
    return f"<system-reminder>\n{content}\n</system-reminder>"


def _reminder(message: Message) -> Message:
    if message.role != "system":
        return message
    return Message(
        "user",
        (Text(reminder(message.text)), *(p for p in message.parts if isinstance(p, CacheMark))),
    )


def _inlined(message: Message) -> Message:
    """Text files become text in front of the message's own, each fenced and under its name."""
    files = [f for f in message.parts if isinstance(f, Attachment) and f.modality == "text"]
    if not files:
        return message
    fenced = [
        f"<file name={quoteattr(f.path)}>\n{f.data.decode('utf-8-sig', 'replace')}\n</file>"
        for f in files
    ]
    others = [part for part in message.parts if part not in files and not isinstance(part, Text)]
    return Message(message.role, (*others, Text("\n\n".join([*fenced, message.text]))))


def _merged(messages: Iterable[Message]) -> list[tuple[Role, list[Part]]]:
    found: list[tuple[Role, list[Part]]] = []
    for message in messages:
        parts = _without_blanks(message.parts)
        if found and found[-1][0] == message.role:
            found[-1][1].extend(parts)
        elif parts:
            found.append((message.role, parts))
    return found


def _without_blanks(parts: Iterable[P]) -> list[P]:
    return [part for part in parts if not isinstance(part, Text) or part.text.strip()]


def _matched(messages: Sequence[tuple[Role, list[Part]]]) -> Iterator[Message]:
    """Every call with one result behind it, in front of the rest of the user's message."""
    used: set[str] = set()
    waiting: dict[str, str] = {}
    for role, parts in messages:
        if role == "assistant":
            waiting = {}
            yield Message(role, tuple(_renamed(part, waiting, used) for part in parts))
            continue
        results, rest = _answered(parts, waiting)
        waiting = {}
        yield Message(role, (*results, *rest))
    if waiting:
        yield Message("user", tuple(ToolResult(name, (_NO_RESULT,)) for name in waiting))


def _renamed(part: Part, waiting: dict[str, str], used: set[str]) -> Part:
    """The part with an id that all APIs take; `waiting`: new id → as sent, by calls in order."""
    if not isinstance(part, ToolCall):
        return part
    name = part.id if _ID.fullmatch(part.id) else _hashed(part.id)
    while name in used:
        name = _hashed(f"{part.id} {len(used)}")
    used.add(name)
    waiting[name] = part.id
    return part if name == part.id else replace(part, id=name)


def _hashed(name: str) -> str:
    """The same for the same id in every turn, so that prompts stay in the provider's cache."""
    return f"call_{sha256(name.encode('utf-8', 'replace')).hexdigest()[:24]}"


def _answered(
    parts: Iterable[Part], waiting: dict[str, str]
) -> tuple[Iterable[ToolResult], list[Part]]:
    results = {name: ToolResult(name, (_NO_RESULT,)) for name in waiting}
    missing = dict(waiting)
    rest: list[Part] = []
    for part in parts:
        if not isinstance(part, ToolResult):
            rest.append(part)
            continue
        name = next((new for new, sent in missing.items() if sent == part.id), None)
        if name is None:
            words = f"[Result of a tool call that is no longer in the conversation: {part.id}]"
            rest += [Text(words), *_without_blanks(part.parts)]
        else:
            del missing[name]
            results[name] = ToolResult(name, tuple(_without_blanks(part.parts)), part.is_error)
    return results.values(), rest


# -- seals -----------------------------------------------------------------------------------------


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


def _opened(messages: tuple[Message, ...], by: WireFormat) -> tuple[Message, ...]:
    """The messages with the seals that this API made opened, without the reasoning of others."""
    parts = [part for message in messages for part in message.parts]
    if not any(isinstance(part, Reasoning) and is_sealed(part.signature) for part in parts):
        return messages
    return tuple(Message(m.role, tuple(_parts_opened(m.parts, by))) for m in messages)


def _parts_opened(parts: tuple[Part, ...], by: WireFormat) -> Iterator[Part]:
    for part in parts:
        if not isinstance(part, Reasoning) or not is_sealed(part.signature):
            yield part
            continue
        found = part.signature.split(":", 3)
        if len(found) == _FIELDS and found[1] == by.value:
            yield Reasoning(part.text, found[3], found[2])
