"""Requests of Google's Gemini API, encoded and decoded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import (
    Attachment,
    CacheMark,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from rightmodel.wire.codec import NO_QUIRKS, Quirks
from rightmodel.wire.fields import (
    arguments_object,
    count,
    dumps,
    file_of,
    given,
    ignored,
    number,
    obj,
    objects,
    required,
    text,
)
from rightmodel.wire.request import ChatRequest, RequestError, base64_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.task import Part
_BY_BUDGET: Final = re.compile(r"gemini-(?:1|2)\b")
"""Models that take a budget of tokens to think; later ones take a level."""

_BUDGETS: Final = {"none": 0, "low": 1024, "medium": 8192, "high": 24_576}
_LEVELS: Final = {"none": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_SNAKE: Final = re.compile(r"_([a-z])")
_FREE: Final = frozenset({
    "args", "response", "parameters", "parametersJsonSchema", "responseSchema",
    "responseJsonSchema",
})  # fmt: skip
_FIELDS: Final = frozenset({
    "model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig",
    "safetySettings",
})  # fmt: skip


def encode_request(request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
    """The body, in the REST API's camel case."""
    del quirks
    names = {
        piece.id: piece.name
        for message in request.messages
        for piece in message.parts
        if isinstance(piece, ToolCall)
    }
    system = [m.text for m in request.messages if m.role == "system"]
    contents = [_encoded(m, names) for m in request.messages if m.role != "system"]
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": [{"text": said} for said in system]}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_encoded_tool(t) for t in request.tools]}]
        body |= _encoded_choice(request.tool_choice)
    config = _encoded_config(request)
    return {**body, "generationConfig": config} if config else body


def decode_request(body: Mapping[str, Any]) -> ChatRequest:
    """The neutral form of a body. Raises `RequestError`."""
    body = _camel(body)
    config = obj(body.get("generationConfig"))
    system = [
        Message("system", (Text(text(p.get("text"))),))
        for p in objects(obj(body.get("systemInstruction")).get("parts"))
    ]
    calls = _CallIds()
    contents = [
        _decoded_message(content, f"contents[{number_}]", calls)
        for number_, content in enumerate(objects(required(body, "contents", list)))
    ]
    return ChatRequest(
        model=required(body, "model", str).removeprefix("models/"),
        messages=(*system, *contents),
        tools=tuple(
            _decoded_tool(declared)
            for tool in objects(body.get("tools"))
            for declared in objects(tool.get("functionDeclarations"))
        ),
        tool_choice=_decoded_choice(body),
        schema=config.get("responseJsonSchema") or config.get("responseSchema"),
        effort=_effort_of(obj(config.get("thinkingConfig"))),
        max_output_tokens=count(config.get("maxOutputTokens")),
        temperature=number(config.get("temperature")),
        top_p=number(config.get("topP")),
        stop=tuple(filter(text, config.get("stopSequences") or ())),
        stream=body.get("stream") is True,
        ignored=ignored(body, _FIELDS | {"stream"}),
    )


def unsupported(request: ChatRequest) -> frozenset[str]:
    """Serial tool calls, cache marks, unsigned reasoning, system messages in the middle."""
    found = set()
    if request.tools and not request.tool_choice.parallel:
        found.add("serial_tool_calls")
    began = False
    for message in request.messages:
        began = began or message.role != "system"
        if began and message.role == "system":
            found.add("system_in_the_middle")
        if any(isinstance(piece, CacheMark) for piece in message.parts):
            found.add("cache_marks")
        if any(isinstance(piece, Reasoning) for piece in message.parts):
            found.add("reasoning")
    return frozenset(found)


def _camel(value: Any) -> Any:
    """The API takes snake case, too. What the caller may name freely is left as it is."""
    if isinstance(value, list):
        return [_camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        (name := _SNAKE.sub(lambda found: found[1].upper(), key)): (
            item if name in _FREE else _camel(item)
        )
        for key, item in value.items()
    }


def _encoded(message: Message, names: Mapping[str, str]) -> dict[str, Any]:
    parts = [encoded for piece in message.parts for encoded in encoded_part(piece, names)]
    return {"role": "model" if message.role == "assistant" else "user", "parts": parts}


def encoded_part(piece: Part, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The part as the API has it; none for what it cannot carry."""
    if isinstance(piece, Text):
        yield {"text": piece.text}
    elif isinstance(piece, Attachment):
        yield {"inlineData": {"mimeType": piece.media_type, "data": base64_of(piece)}}
    elif isinstance(piece, Reasoning):
        signed = {"thoughtSignature": piece.signature} if piece.signature else {}
        yield {"text": piece.text, "thought": True, **signed}
    elif isinstance(piece, ToolCall):
        called = {"id": piece.id, "name": piece.name, "args": arguments_object(piece.arguments)}
        signed = {"thoughtSignature": piece.signature} if piece.signature else {}
        yield {"functionCall": called, **signed}
    elif isinstance(piece, ToolResult):
        said = "".join(p.text for p in piece.parts if isinstance(p, Text))
        files = [f for p in piece.parts if isinstance(p, Attachment) for f in encoded_part(p, {})]
        yield {
            "functionResponse": {
                "id": piece.id,
                "name": names.get(piece.id, piece.id),
                "response": {"error" if piece.is_error else "output": said},
                **({"parts": files} if files else {}),
            }
        }


def _encoded_tool(tool: ToolSpec) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described, "parametersJsonSchema": dict(tool.parameters)}


def _encoded_choice(choice: ToolChoice) -> dict[str, Any]:
    if choice.mode == "auto" and not choice.name:
        return {}
    config: dict[str, Any] = {"mode": "ANY" if choice.name else _MODES[choice.mode]}
    if choice.name:
        config["allowedFunctionNames"] = [choice.name]
    return {"toolConfig": {"functionCallingConfig": config}}


def _encoded_config(request: ChatRequest) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if request.max_output_tokens:
        config["maxOutputTokens"] = request.max_output_tokens
    if request.schema is not None:
        config["responseMimeType"] = "application/json"
        config["responseJsonSchema"] = dict(request.schema)
    if request.effort:
        by_budget = _BY_BUDGET.search(request.model)
        config["thinkingConfig"] = (
            {"thinkingBudget": _BUDGETS[request.effort]}
            if by_budget
            else {"thinkingLevel": _LEVELS[request.effort]}
        )
    config |= given(temperature=request.temperature, topP=request.top_p)
    if request.stop:
        config["stopSequences"] = list(request.stop)
    return config


class _CallIds:
    """Ids of calls: those of the body, else numbers in order; results find theirs by name."""

    def __init__(self) -> None:
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def called(self, call: Mapping[str, Any]) -> str:
        self._count += 1
        name = text(call.get("id")) or f"call_{self._count}"
        self._open.append((text(call.get("name")), name))
        return name

    def returned(self, result: Mapping[str, Any]) -> str:
        if result.get("id"):
            return text(result["id"])
        for pair in self._open:
            if pair[0] == result.get("name"):
                self._open.remove(pair)
                return pair[1]
        return text(result.get("name"))


def _decoded_message(content: Mapping[str, Any], field: str, calls: _CallIds) -> Message:
    parts = tuple(
        _decoded_part(piece, f"{field}.parts[{number_}]", calls)
        for number_, piece in enumerate(objects(content.get("parts")))
    )
    return Message("assistant" if content.get("role") == "model" else "user", parts)


def _decoded_part(piece: Mapping[str, Any], field: str, calls: _CallIds) -> Part:
    signature = text(piece.get("thoughtSignature"))
    if "functionCall" in piece:
        call = obj(piece["functionCall"])
        arguments = dumps(call.get("args") or {})
        return ToolCall(calls.called(call), text(call.get("name")), arguments, signature)
    if "functionResponse" in piece:
        return _decoded_result(obj(piece["functionResponse"]), field, calls)
    if "inlineData" in piece:
        return _decoded_file(obj(piece["inlineData"]), field)
    if piece.get("thought"):
        return Reasoning(text(piece.get("text")), signature)
    if "text" in piece:
        return Text(text(piece["text"]))
    raise RequestError(f"{field}: no text, inlineData, functionCall or functionResponse", field)


def _decoded_file(data: Mapping[str, Any], field: str) -> Attachment:
    return file_of(text(data.get("data")), text(data.get("mimeType")), "file", field)


def _decoded_result(result: Mapping[str, Any], field: str, calls: _CallIds) -> ToolResult:
    said = obj(result.get("response"))
    is_error = "error" in said
    value = said.get("error" if is_error else "output", said.get("result", said))
    shown = value if isinstance(value, str) else dumps(value)
    files = [
        _decoded_file(obj(p["inlineData"]), field)
        for p in objects(result.get("parts"))
        if "inlineData" in p
    ]
    return ToolResult(calls.returned(result), (*([Text(shown)] if shown else ()), *files), is_error)


def _decoded_tool(declared: Mapping[str, Any]) -> ToolSpec:
    schema = obj(declared.get("parametersJsonSchema") or declared.get("parameters"))
    return ToolSpec(required(declared, "name", str), text(declared.get("description")), schema)


def _decoded_choice(body: Mapping[str, Any]) -> ToolChoice:
    config = obj(obj(body.get("toolConfig")).get("functionCallingConfig"))
    mode: Any = {"NONE": "none", "ANY": "required"}.get(text(config.get("mode")), "auto")
    names = config.get("allowedFunctionNames")
    return ToolChoice(mode, names[0] if isinstance(names, list) and len(names) == 1 else "")


def _effort_of(thinking: Mapping[str, Any]) -> str:
    level = text(thinking.get("thinkingLevel")).upper()
    found = next((effort for effort, name in _LEVELS.items() if name == level), "")
    budget = thinking.get("thinkingBudget")
    if found or not isinstance(budget, int) or budget < 0:
        return found
    return next((effort for effort, most in _BUDGETS.items() if budget <= most), "high")
