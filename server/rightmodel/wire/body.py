"""Reading the body of a request: what has the wrong type is an error, and null counts as missing.

A wrong type that was read as nothing would be lost where the body is translated.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from rightmodel.core.format import cut
from rightmodel.core.task import Attachment, ChatRequest, Part, Text
from rightmodel.wire.fields import text
from rightmodel.wire.request import RequestError

T = TypeVar("T")

_WITH_TOOLS: Final = ("tools.", "input.", "mcp_servers")
"""What begins so brings tools that the neutral form does not hold."""

_MEANT: Final = frozenset({"seed", "enable_thinking", "think"})
"""Fields with which 0 and false ask for something, too."""

_KINDS: Final = {
    str: "a string",
    list: "an array",
    dict: "an object",
    bool: "true or false",
    int: "a positive integer",
    float: "a number",
}


def wrong(field: str, kind: str, value: object = None) -> RequestError:
    """The error of a field that is missing, or of another kind than it must be."""
    instead = "" if value is None else f", not {cut(repr(value))}"
    return RequestError(f"{field}: {kind} is required{instead}", field)


def optional(body: Mapping[str, Any], name: str, kind: type[T], at: str = "") -> T | None:
    """The field's value, `None` where it is missing. `at`: path of the object that holds it."""
    value = body.get(name)
    if value is None or isinstance(value, kind):
        return value
    raise wrong(at + name, _KINDS[kind], value)


def required(body: Mapping[str, Any], name: str, kind: type[T], at: str = "") -> T:
    """The field's value."""
    value = optional(body, name, kind, at)
    if value is None:
        raise wrong(at + name, _KINDS[kind])
    return value


def number(body: Mapping[str, Any], name: str, at: str = "") -> float | None:
    """A number, `None` where it is missing."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            pass
    raise wrong(at + name, _KINDS[float], value)


def limit(body: Mapping[str, Any], name: str, at: str = "", *, least: int = 1) -> int:
    """A number of tokens, 0 where it is missing."""
    value = body.get(name)
    if value is None:
        return 0
    is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if not is_whole or isinstance(value, bool) or value < least:
        raise wrong(at + name, _KINDS[int], value)
    return int(value)


def strings(body: Mapping[str, Any], name: str, at: str = "") -> tuple[str, ...]:
    """The strings of an array that are not empty; a single one counts as an array."""
    value = body.get(name)
    if value is None:
        return ()
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise wrong(at + name, "an array of strings", value)
    return tuple(filter(None, items))


def entries(value: Any, field: str) -> list[dict[str, Any]]:
    """A value that is an array of objects; none where it is missing."""
    if value is None:
        return []
    if not isinstance(value, list) or [item for item in value if not isinstance(item, dict)]:
        raise wrong(field, "an array of objects", None if isinstance(value, list) else value)
    return value


def content(message: Mapping[str, Any], at: str) -> str | list[dict[str, Any]]:
    """The content of a message: a text, or objects."""
    value = message.get("content")
    if isinstance(value, str):
        return value
    if not isinstance(value, list):
        raise wrong(f"{at}.content", "a string or an array of objects", value)
    return entries(value, f"{at}.content")


def messages(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The conversation: at least one message."""
    found = entries(required(body, name, list), name)
    if not found:
        raise RequestError(f"{name}: at least one message is required; the array is empty", name)
    return found


def schema_of(form: Mapping[str, Any], at: str) -> dict[str, Any] | None:
    """The JSON Schema of an output's form, with what the form says it is for; `None` for none."""
    schema, about = optional(form, "schema", dict, f"{at}."), text(form.get("description"))
    return {"description": about, **schema} if schema and about else schema


def file_of(data: str, media_type: str, name: str, field: str) -> Attachment:
    """A file out of base64, which some encoders break into lines."""
    try:
        return Attachment(name, media_type, base64.b64decode("".join(data.split()), validate=True))
    except (binascii.Error, ValueError) as error:
        raise RequestError(f"{field}: invalid base64", field) from error


def file_of_url(url: str, name: str, field: str, media_type: str = "image/*") -> Attachment:
    """A file out of a `data:` URL, or one that the provider fetches."""
    if url.startswith(("https://", "http://")):
        return Attachment(url, media_type, b"")
    head, comma, data = url.partition(",")
    if not comma or not head.startswith("data:") or not head.endswith(";base64"):
        raise wrong(field, "a data: URL with base64, or an https: URL,")
    return file_of(data, head[5:-7].partition(";")[0], name, field)


def unknown(body: Mapping[str, Any], known: frozenset[str]) -> tuple[str, ...]:
    """The body's fields that are not known and ask for something."""
    others = sorted(body.keys() - known)
    return tuple([key for key in others if body[key] or (key in _MEANT and body[key] is not None)])


class Leftovers:
    """What of a body the neutral form does not hold; see `ChatRequest.native` and `.ignored`."""

    __slots__ = ("_ignored", "_native")

    def __init__(self, body: Mapping[str, Any], known: frozenset[str]) -> None:
        """The fields of the body that are not known can be left out."""
        self._native: dict[str, None] = {}
        self._ignored = dict.fromkeys(unknown(body, known))

    def native(self, what: str) -> None:
        """Only an upstream of the same wire format can take it."""
        self._native[what] = None

    def ignore(self, what: str) -> None:
        """It can be left out."""
        self._ignored[what] = None

    def strict(self, tool: Mapping[str, Any]) -> None:
        """That a tool's arguments are held to its schema can be left out."""
        if tool.get("strict") is True:
            self.ignore("tools.strict")

    def noted(self, request: ChatRequest, conversation: str) -> ChatRequest:
        """The request, with this stated. `conversation`: the field that holds it.

        Raises `RequestError` where nothing is said in it, and where the tool that must be called is
        not among the tools.
        """
        if not self._native and not any(_says(p) for m in request.messages for p in m.parts):
            words = "every message is empty; at least one with content is required"
            raise RequestError(f"{conversation}: {words}", conversation)
        others = (*self._native, *self._ignored)
        wrong_choice = _wrong_choice(request)
        if wrong_choice and any(what.startswith(_WITH_TOOLS) for what in others):
            self.native("tool_choice")  # it may mean one of those
        elif wrong_choice:
            raise RequestError(f"tool_choice: {wrong_choice}", "tool_choice")
        if not self._native and not self._ignored:
            return request
        return replace(request, native=tuple(self._native), ignored=tuple(self._ignored))


def _says(part: Part) -> bool:
    return not isinstance(part, Text) or (bool(part.text) and not part.text.isspace())


def _wrong_choice(request: ChatRequest) -> str:
    choice, names = request.tool_choice, [tool.name for tool in request.tools]
    if choice.name and choice.name not in names:
        return f"there is no tool {cut(choice.name)!r} in tools: {cut(', '.join(names)) or 'none'}"
    if choice.mode == "required" and not names:
        return "a tool must be called, but there are no tools"
    return ""
