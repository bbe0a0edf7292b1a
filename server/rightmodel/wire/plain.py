"""Bodies that pass through to a model of the same API, changed no further than they must be.

For another model than the client's: reasoning that is signed or encrypted for the model that wrote
it is left out, and for a model that takes no system messages they become the user's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from rightmodel.wire.conversation import reminder
from rightmodel.wire.fields import obj, objects, text

_SYSTEM: Final = frozenset({"system", "developer"})
_THINKING: Final = frozenset({"thinking", "redacted_thinking"})
_SIGNED: Final = frozenset({"reasoning_details", "extra_content"})
"""Where OpenRouter and Google put signatures into messages of chat completions."""


def plain_chat(document: Mapping[str, Any], *, with_system: bool) -> dict[str, Any]:
    """Of chat completions."""
    messages = [_unsigned(message) for message in objects(document.get("messages"))]
    if not with_system:
        messages = _joined([_as_user(m) for m in messages])
    return {**document, "messages": messages}


def plain_responses(document: Mapping[str, Any], *, with_system: bool) -> dict[str, Any]:
    """Of responses."""
    items = document.get("input")
    if not isinstance(items, list):
        return {**document}
    kept = [item for item in objects(items) if item.get("type") != "reasoning"]
    return {**document, "input": kept if with_system else [_as_user(item) for item in kept]}


def plain_messages(document: Mapping[str, Any], *, with_system: bool) -> dict[str, Any]:
    """Of messages."""
    messages = [m for message in objects(document.get("messages")) for m in _thoughtless(message)]
    if not with_system:
        messages = [_as_user(message) for message in messages]
    return {**document, "messages": messages}


def _unsigned(message: dict[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in message.items() if key not in _SIGNED}
    if isinstance(content := found.get("content"), list):  # Mistral's has thinking among its parts
        found["content"] = [part for part in content if obj(part).get("type") != "thinking"] or ""
    calls = [
        {key: value for key, value in call.items() if key not in _SIGNED}
        for call in objects(message.get("tool_calls"))
    ]
    return {**found, "tool_calls": calls} if calls else found


def _thoughtless(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    content = message.get("content")
    if not isinstance(content, list):
        yield message
        return
    blocks = [block for block in content if obj(block).get("type") not in _THINKING]
    if blocks or not content:
        yield {**message, "content": blocks}


def _as_user(message: dict[str, Any]) -> dict[str, Any]:
    if message.get("role") not in _SYSTEM:
        return message
    content = message.get("content")
    joined = content if isinstance(content, str) else ""
    joined += "\n\n".join(text(piece.get("text")) for piece in objects(content))
    kind = {"type": message["type"]} if "type" in message else {}
    return {**kind, "role": "user", "content": reminder(joined)}


def _joined(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Texts of the user's in a row as one: the same servers want the roles to alternate."""
    found: list[dict[str, Any]] = []
    for message in messages:
        last = found[-1] if found else {}
        both = (last.get("content"), message.get("content"))
        is_user = last.get("role") == message.get("role") == "user"
        if is_user and all(isinstance(content, str) for content in both):
            found[-1] = {**last, "content": "\n\n".join(map(str, both))}
        else:
            found.append(message)
    return found


_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_MODEL: Final = re.compile(
    rb'"(?:m|\\u006[dD])(?:o|\\u006[fF])(?:d|\\u0064)(?:e|\\u0065)(?:l|\\u006[cC])"'
    rb'\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")'
)
"""`model` with a text, each letter as it is or as an escape."""
_ESCAPE: Final = b"\\"


def with_model(body: bytes, name: str) -> bytes:
    """The body with another `model` at its top level and every other byte as it was.

    The key may be there more than once and spelt with escapes: readers differ in which one counts.
    """
    # Within a string, its first quote would be escaped.
    found = [m for m in _MODEL.finditer(body) if not body.startswith(_ESCAPE, m.start() - 1)]
    pieces, end, read, depth = [], 0, 0, 0
    for match in found:
        if len(found) > 1:  # one alone is at the top level
            depth += _opened(body[read : match.start()])
            read = match.end()
        if depth <= 1:
            pieces += [body[end : match.start(1)], json.dumps(name).encode()]
            end = match.end(1)
    if not pieces:
        return json.dumps({**json.loads(body), "model": name}).encode()
    return b"".join((*pieces, body[end:]))


def _opened(piece: bytes) -> int:
    """How many more objects and arrays it opens than it closes; it is cut between tokens."""
    bare = _STRING.sub(b"", piece)
    return bare.count(b"{") + bare.count(b"[") - bare.count(b"}") - bare.count(b"]")
