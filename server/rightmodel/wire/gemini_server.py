"""Google's Gemini API as a server speaks it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import (
    Attachment,
    ChatRequest,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    WireFormat,
)
from rightmodel.wire.body import file_of, messages, number, required, unknown
from rightmodel.wire.codec import Codec, Envelope, StreamEncoder
from rightmodel.wire.error_body import gemini_error
from rightmodel.wire.fields import dumps, obj, objects, text, whole
from rightmodel.wire.gemini import (
    BUDGETS,
    LEVELS,
    UNSIGNED,
    GeminiDecoder,
    encode_request,
    encoded_part,
    headers,
    is_foreign,
    url,
)
from rightmodel.wire.request import RequestError
from rightmodel.wire.response import CallStart, ChatResponse, ReasoningDelta, StreamEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.task import Part

_SNAKE: Final = re.compile(r"_([a-z])")
_FREE: Final = frozenset({
    "args", "response", "parameters", "parametersJsonSchema", "responseSchema",
    "responseJsonSchema",
})  # fmt: skip
_FIELDS: Final = frozenset({
    "model", "contents", "systemInstruction", "tools", "toolConfig", "generationConfig",
    "safetySettings",
})  # fmt: skip
_FINISH_OUT: Final = {"length": "MAX_TOKENS", "refused": "SAFETY", "stop": "STOP"}


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
        for number_, content in enumerate(messages(body, "contents"))
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
        max_output_tokens=whole(config.get("maxOutputTokens")),
        temperature=number(config, "temperature", "generationConfig."),
        top_p=number(config, "topP", "generationConfig."),
        stop=tuple(filter(text, config.get("stopSequences") or ())),
        stream=body.get("stream") is True,
        ignored=unknown(body, _FIELDS | {"stream"}),
    )


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
    signature = "" if signature == UNSIGNED else signature
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
    content = obj(result.get("response"))
    is_error = "error" in content
    value = content.get("error" if is_error else "output", content.get("result", content))
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
    found = next((effort for effort, name in LEVELS.items() if name == level), "")
    budget = thinking.get("thinkingBudget")
    if found or not isinstance(budget, int) or budget < 0:
        return found
    return next((effort for effort, most in BUDGETS.items() if budget <= most), "high")


def encode_response(response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
    """A `GenerateContentResponse`."""
    parts = [encoded for piece in response.parts for encoded in encoded_part(piece, {})]
    return _response(envelope, parts, response)


class GeminiStreamEncoder(StreamEncoder):
    """Responses that bring a part each. Calls of tools go out whole."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._call: CallStart | None = None
        self._arguments: list[str] = []

    def start(self) -> list[dict[str, Any]]:
        """Nothing."""
        return []

    def event(self, event: StreamEvent) -> list[dict[str, Any]]:
        """A response, where the event completes a part."""
        if isinstance(event, str):
            return [*self._called(), self._chunk({"text": event})]
        if isinstance(event, ReasoningDelta):
            (piece,) = encoded_part(Reasoning(event.text, event.signature), {})
            return [*self._called(), self._chunk(piece)]
        if isinstance(event, CallStart):
            before = self._called()
            self._call = event
            return before
        self._arguments.append(event.arguments)
        return []

    def end(self, response: ChatResponse) -> list[dict[str, Any]]:
        """The finish reason and the usage."""
        return [*self._called(), _response(self._envelope, [{"text": ""}], response)]

    def _called(self) -> list[dict[str, Any]]:
        if self._call is None:
            return []
        call, arguments = self._call, "".join(self._arguments)
        self._call, self._arguments = None, []
        piece = ToolCall(call.id, call.name, arguments, call.signature)
        return [self._chunk(encoded) for encoded in encoded_part(piece, {})]

    def _chunk(self, piece: dict[str, Any]) -> dict[str, Any]:
        content = {"parts": [piece], "role": "model"}
        return {"candidates": [{"content": content, "index": 0}], **_head(self._envelope)}


def _head(envelope: Envelope) -> dict[str, Any]:
    return {"modelVersion": envelope.model, "responseId": envelope.id}


def _response(
    envelope: Envelope, parts: list[dict[str, Any]], response: ChatResponse
) -> dict[str, Any]:
    finish = "STOP" if response.finish == "tool_calls" else response.finish
    candidate = {
        "content": {"parts": parts, "role": "model"},
        "finishReason": _FINISH_OUT.get(finish, finish),
        "index": 0,
    }
    body = {"candidates": [candidate], **_head(envelope)}
    used = response.usage
    if used is None:
        return body
    counts: dict[str, Any] = {
        "promptTokenCount": used.input,
        "candidatesTokenCount": used.output - used.reasoning,
        "totalTokenCount": used.input + used.output,
    }
    if used.reasoning:
        counts["thoughtsTokenCount"] = used.reasoning
    if used.cache_read:
        counts["cachedContentTokenCount"] = used.cache_read
    return {**body, "usageMetadata": counts}


CODEC: Final = Codec(
    name=WireFormat.GEMINI,
    url=url,
    headers=headers,
    encode_request=encode_request,
    decoder=GeminiDecoder,
    is_foreign=is_foreign,
    not_carried=frozenset({"serial_tool_calls", "cache_marks", "image_url", "pdf_url"}),
    schema_path="generationConfig.responseJsonSchema",
    cap_paths=("generationConfig.maxOutputTokens",),
    effort_path="generationConfig.thinkingConfig",
    optional=(
        "generationConfig.maxOutputTokens",
        "generationConfig.thinkingConfig",
        "generationConfig.responseJsonSchema",
        "generationConfig.temperature",
        "generationConfig.topP",
    ),
    decode_request=decode_request,
    encode_response=encode_response,
    stream_encoder=GeminiStreamEncoder,
    plain=lambda document, **_: {**document},  # no client speaks it
    encode_error=gemini_error,
    error_events=lambda body, _: [body],
)
