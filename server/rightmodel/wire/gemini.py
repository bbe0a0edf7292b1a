"""Google's Gemini API as a client speaks it."""

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
)
from rightmodel.wire.fields import (
    arguments_object,
    dumps,
    given,
    merge_counts,
    obj,
    objects,
    text,
    usage_of,
    whole,
)
from rightmodel.wire.request import ModelRequest, base64_of
from rightmodel.wire.response import NoResponseError, ResponseDecoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.call import Usage
    from rightmodel.core.task import ChatRequest, Part
    from rightmodel.manifest.quirks import Quirks

_BY_BUDGET: Final = re.compile(r"gemini-(?:1|2)\b")
"""Models that take a budget of tokens to think; later ones take a level."""

UNSIGNED: Final = "skip_thought_signature_validator"
"""For a call that another model made: Gemini 3 refuses calls without a signature or this.
https://ai.google.dev/gemini-api/docs/thought-signatures"""

BUDGETS: Final = {"none": 0, "low": 1024, "medium": 8192, "high": 24_576}
LEVELS: Final = {"none": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}
_MODES: Final = {"auto": "AUTO", "none": "NONE", "required": "ANY"}
_REFUSED: Final = frozenset({
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
})  # fmt: skip
_FINISH: Final = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(_REFUSED, "refused"),
    **dict.fromkeys(
        ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"), "tool_calls"
    ),
}


def is_foreign(piece: Part) -> bool:
    """Whether it is reasoning: its signature comes back with calls alone."""
    return isinstance(piece, Reasoning)


def url(request: ModelRequest) -> str:
    """Where the request goes: the model is in the path."""
    base = request.provider.base_url.removesuffix("/v1beta")
    name = request.name.removeprefix("models/")
    return f"{base}/v1beta/models/{name}:streamGenerateContent?alt=sse"


def headers(request: ModelRequest) -> dict[str, str]:
    """The key: in a header, never in the URL."""
    return {"x-goog-api-key": request.key} if request.key else {}


def encode_request(request: ChatRequest, quirks: Quirks) -> dict[str, Any]:
    """The body, in the REST API's camel case."""
    del quirks
    names = {
        piece.id: piece.name
        for message in request.messages
        for piece in message.parts
        if isinstance(piece, ToolCall)
    }
    system = [m.text for m in request.messages if m.role == "system"]
    is_signed = not _BY_BUDGET.search(request.model)
    contents = [
        encoded
        for message in request.messages
        if message.role != "system" and (encoded := _encoded(message, names, is_signed=is_signed))
    ]
    body: dict[str, Any] = {"contents": contents}
    if system:
        body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_encoded_tool(t) for t in request.tools]}]
        body |= _encoded_choice(request.tool_choice)
    config = _encoded_config(request)
    return {**body, "generationConfig": config} if config else body


def _encoded(message: Message, names: Mapping[str, str], *, is_signed: bool) -> dict[str, Any]:
    shared = [piece for piece in message.parts if not isinstance(piece, Reasoning)]
    parts = [encoded for piece in shared for encoded in encoded_part(piece, names)]
    calls = [encoded for encoded in parts if "functionCall" in encoded]
    if is_signed and calls and not any("thoughtSignature" in call for call in calls):
        calls[0]["thoughtSignature"] = UNSIGNED
    if not parts:
        return {}
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
        output = "".join(p.text for p in piece.parts if isinstance(p, Text))
        files = [f for p in piece.parts if isinstance(p, Attachment) for f in encoded_part(p, {})]
        yield {
            "functionResponse": {
                "id": piece.id,
                "name": names.get(piece.id, piece.id),
                "response": {"error" if piece.is_error else "output": output},
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
            {"thinkingBudget": BUDGETS[request.effort]}
            if by_budget
            else {"thinkingLevel": LEVELS[request.effort]}
        )
    config |= given(temperature=request.temperature, topP=request.top_p)
    if request.stop:
        config["stopSequences"] = list(request.stop)
    return config


class GeminiDecoder(ResponseDecoder):
    """A `GenerateContentResponse`; a stream is a row of them."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        super().__init__()
        self._calls = 0

    def event(self, value: Mapping[str, Any]) -> None:
        """One response of the stream."""
        self.served = str(value.get("modelVersion") or self.served)
        self.id = str(value.get("responseId") or self.id)
        feedback = value.get("promptFeedback")
        if feedback and feedback.get("blockReason"):
            self.text(feedback.get("blockReasonMessage"))
            self.end("refused")
        for candidate in (value.get("candidates") or ())[:1]:
            self.started = True
            self._note_candidate(candidate)
        counts = value.get("usageMetadata")
        if isinstance(counts, dict):
            merge_counts(self.counts, counts)

    def body(self, value: Mapping[str, Any]) -> None:
        """The whole response, or one element of the list that a stream without SSE is."""
        self.event(value)
        if not value.get("candidates") and not self.finish and "usageMetadata" not in value:
            raise NoResponseError(f"no candidates in the answer: {value}")

    def _note_candidate(self, candidate: Mapping[str, Any]) -> None:
        content = candidate.get("content")
        for piece in (content.get("parts") if content else None) or ():
            signature = text(piece.get("thoughtSignature"))
            if "functionCall" in piece:
                call = obj(piece["functionCall"])
                called = text(call.get("name")), text(call.get("id"))
                self.call(self._calls, *called, signature)
                self.arguments(self._calls, dumps(call.get("args") or {}))
                self._calls += 1
            elif piece.get("thought"):
                self.reasoning(piece.get("text"), signature)
            else:
                self.text(piece.get("text"))
        reason = candidate.get("finishReason")
        if reason:
            self.end(_FINISH.get(reason, str(reason)))

    @property
    def usage(self) -> Usage | None:
        """Thoughts are counted beside the candidates; both are output.

        Audio counts as not read from the cache as long as the upstream does not say that it was.
        """
        counts = self.counts
        thoughts = whole(counts.get("thoughtsTokenCount"))
        prompt = whole(counts.get("promptTokenCount"))
        return usage_of(
            input_tokens=prompt + whole(counts.get("toolUsePromptTokenCount")),
            output=whole(counts.get("candidatesTokenCount")) + thoughts,
            read=whole(counts.get("cachedContentTokenCount")),
            audio=_audio(counts.get("promptTokensDetails"))
            - _audio(counts.get("cacheTokensDetails")),
            reasoning=thoughts,
        )


def _audio(details: Any) -> int:
    return sum(whole(d.get("tokenCount")) for d in objects(details) if d.get("modality") == "AUDIO")
