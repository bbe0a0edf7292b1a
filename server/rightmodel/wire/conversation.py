"""A conversation as every API takes it, whatever agent sent it."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeVar
from xml.sax.saxutils import quoteattr

from rightmodel.core.task import Attachment, CacheMark, Message, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rightmodel.core.task import ChatRequest, Part, Role

P = TypeVar("P")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""Ids that all APIs take: Anthropic allows these characters, OpenAI this length."""

_NO_RESULT: Final = Text("No result: the call was interrupted.")


def settled(request: ChatRequest) -> ChatRequest:
    """The same request in a form that no API refuses.

    System text behind the first other message becomes a user's text between `<system-reminder>`
    tags: few APIs and chat templates take a system message there, and agents mark such text so
    themselves. Messages of one role in a row are one. Results of tools follow their calls at once,
    in front of what the user says. A result without its call is told as text; a call without its
    result gets one that says so. Ids of calls are unique. Blank texts are left
    out, also of results. Where nothing else is said, the last system text is the user's.
    """
    leading = leading_system(request.messages)
    merged = _merged(_inlined(_reminder(message)) for message in request.messages[leading:])
    if leading and not merged:  # nothing but system text: few APIs take that
        leading -= 1
        merged = _merged([_inlined(_reminder(request.messages[leading]))])
    messages = (*request.messages[:leading], *_matched(merged))
    return replace(request, messages=messages)


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
