"""Calls of tools that a server left in the text of an answer, read.

A server that runs an open model without the parser made for it hands the model's own notation on.
Its forms are those of the models' chat templates: JSON between tags (Qwen, Hermes), `[TOOL_CALLS]`
(Mistral), `<function=…>` with JSON (Llama) or parameters (Qwen coder), `<arg_key>` (GLM),
`<invoke>` (MiniMax), DeepSeek's, Kimi's and gpt-oss's special tokens, `<|START_ACTION|>` (Cohere).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rightmodel.wire.fields import dumps, obj, objects, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rightmodel.core.task import ToolSpec

_NAMED: Final = re.compile(
    r"(?:<function=|\[TOOL_CALLS\]\s*|<\|tool_call_begin\|>\s*|<\uff5ctool\u2581call\u2581begin\uff5c>"
    r"(?:function<\uff5ctool\u2581sep\uff5c>)?|\bto=)(?:functions\.)?([\w.-]+?)"
    r"(?::\d+)?(?:>|\[CALL_ID\]\w+\[ARGS\]|\[ARGS\]|<\|tool_call_argument_begin\|>"
    r"|<\uff5ctool\u2581sep\uff5c>|\s[^{}]*?<\|message\|>|<\|message\|>|\s*)\s*(?:```json)?\s*(?=\{)"
)
"""A name in front of JSON arguments."""

_OBJECTS: Final = re.compile(
    r"(?:<tool_call>|\[TOOL_CALLS\]|<\|python_tag\|>|<\|START_ACTION\|>)\s*(?=[\[{])"
)
"""What stands in front of JSON that holds name and arguments, or a list of it."""

_XML: Final = re.compile(
    r"<(?:function=|(?:antml:)?invoke name=\")([\w.-]+)\"?>(.*?)</(?:function|(?:antml:)?invoke)>",
    re.DOTALL,
)
_XML_PARAMETER: Final = re.compile(
    r"<(?:antml:)?parameter(?:=| name=\")([\w.-]+)\"?[^<>]*>\n?(.*?)\n?</(?:antml:)?parameter>",
    re.DOTALL,
)
_GLM: Final = re.compile(r"<tool_call>\s*([\w.-]+)\s*((?:<arg_key>.*?)?)</tool_call>", re.DOTALL)
_GLM_PARAMETER: Final = re.compile(
    r"<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", re.DOTALL
)
_decode: Final = json.JSONDecoder(strict=False).raw_decode


class InlineCall(NamedTuple):
    """A call. `arguments`: JSON. `start`: where it begins in the text."""

    name: str
    arguments: str
    start: int


def inline_calls(content: str, tools: Sequence[ToolSpec]) -> list[InlineCall]:
    """The calls of these tools in a text; none where one of them cannot be read."""
    known = {tool.name: tool.parameters for tool in tools}
    for read in (_named, _objects, _parameters):
        found = list(read(content, known))
        if found and all(call.name in known for call in found):
            return found
    return []


def _named(content: str, known: Mapping[str, Any]) -> Iterator[InlineCall]:
    del known
    for match in _NAMED.finditer(content):
        value = _value(content, match.end())
        if isinstance(value, dict):
            yield InlineCall(match[1], dumps(value), match.start())


def _objects(content: str, known: Mapping[str, Any]) -> Iterator[InlineCall]:
    del known
    for match in _OBJECTS.finditer(content):
        value = _value(content, match.end())
        for call in objects(value if isinstance(value, list) else [value]):
            function = obj(call.get("function")) or call
            name = text(function.get("name")) or text(call.get("tool_name"))
            given = function.get("arguments", function.get("parameters", {}))
            arguments = given if isinstance(given, str) else dumps(given)
            yield InlineCall(name, arguments, match.start())


def _parameters(content: str, known: Mapping[str, Any]) -> Iterator[InlineCall]:
    for calls, parameters in ((_XML, _XML_PARAMETER), (_GLM, _GLM_PARAMETER)):
        for match in calls.finditer(content):
            types = obj(obj(known.get(match[1])).get("properties"))
            given = {
                found[1].strip(): _typed(found[2], obj(types.get(found[1].strip())))
                for found in parameters.finditer(match[2])
            }
            if given or not match[2].strip():
                yield InlineCall(match[1], dumps(given), match.start())


def _typed(written: str, schema: Mapping[str, Any]) -> Any:
    """A parameter's value: JSON but where the tool wants a string."""
    if schema.get("type") == "string":
        return written
    try:
        return json.loads(written)
    except ValueError:
        return written


def _value(content: str, start: int) -> Any:
    try:
        value, _ = _decode(content, start)
    except (ValueError, RecursionError):
        return None
    return value
