"""Google's Gemini API."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.wire.answer import Answer, malformed
from rightmodel.wire.codec import Codec
from rightmodel.wire.parts import base64_of, other_files, system_of, text_of
from rightmodel.wire.usage import merge_counts, usage_of, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.call import Usage
    from rightmodel.core.task import Turn
    from rightmodel.wire.answer import Watch
    from rightmodel.wire.request import ModelRequest

_REFUSED: Final = frozenset({
    "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR",
})  # fmt: skip
_TOOL_CALL: Final = frozenset(
    {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
)
_FINISH: Final = {"STOP": "stop", "MAX_TOKENS": "length"}
_BY_BUDGET: Final = re.compile(r"gemini-(?:1|2)\b")
"""Models that take a budget of tokens to think; later ones take a level."""

_BUDGETS: Final = {"none": 0, "low": 1024, "medium": 8192, "high": 24_576}
_LEVELS: Final = {"none": "MINIMAL", "low": "LOW", "medium": "MEDIUM", "high": "HIGH"}


class Gemini(Codec):
    """`POST {base_url}/v1beta/models/{name}:streamGenerateContent?alt=sse`."""

    schema_path = "generationConfig.responseJsonSchema"
    cap_paths = ("generationConfig.maxOutputTokens",)

    def url(self, request: ModelRequest) -> str:
        """Where the request goes."""
        base = request.provider.base_url.removesuffix("/v1beta")
        name = request.name.removeprefix("models/")
        return f"{base}/v1beta/models/{name}:streamGenerateContent?alt=sse"

    def headers(self, request: ModelRequest) -> dict[str, str]:
        """The key: in a header, never in the URL."""
        return {"x-goog-api-key": request.key} if request.key else {}

    def answer(self, request: ModelRequest, watch: Watch | None) -> GeminiAnswer:
        """What takes the answer apart."""
        return GeminiAnswer(request, watch)

    def body(self, request: ModelRequest) -> dict[str, Any]:
        """The request, in the REST API's camel case."""
        body: dict[str, Any] = {"contents": [_content(turn) for turn in request.turns]}
        if system := system_of(request):
            body["systemInstruction"] = {"parts": [{"text": system}]}
        config: dict[str, Any] = {}
        if request.max_output_tokens:
            config["maxOutputTokens"] = request.max_output_tokens
        if request.schema is not None and request.native_schema:
            config["responseMimeType"] = "application/json"
            config["responseJsonSchema"] = dict(request.schema)
        if request.effort:
            config["thinkingConfig"] = _thinking(request.name, request.effort)
        if config:
            body["generationConfig"] = config
        return body


def _thinking(name: str, effort: str) -> dict[str, Any]:
    if _BY_BUDGET.search(name):
        return {"thinkingBudget": _BUDGETS[effort]}
    return {"thinkingLevel": _LEVELS[effort]}


def _content(turn: Turn) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"inlineData": {"mimeType": f.media_type, "data": base64_of(f)}} for f in other_files(turn)
    ]
    parts.append({"text": text_of(turn)})
    return {"role": "model" if turn.role == "assistant" else "user", "parts": parts}


class GeminiAnswer(Answer):
    """A `GenerateContentResponse`; a stream is a row of them."""

    __slots__ = ()

    def event(self, value: Mapping[str, Any]) -> None:
        """One response of the stream."""
        self.served = str(value.get("modelVersion") or self.served)
        feedback = value.get("promptFeedback")
        if feedback and feedback.get("blockReason"):
            self.text(feedback.get("blockReasonMessage"))
            self.finish = "refused"
        for candidate in (value.get("candidates") or ())[:1]:
            self._note_candidate(candidate)
        counts = value.get("usageMetadata")
        if isinstance(counts, dict):
            merge_counts(self.counts, counts)

    def body(self, value: Mapping[str, Any]) -> None:
        """The whole response, or one element of the list that a stream without SSE is."""
        self.event(value)
        if not value.get("candidates") and not self.finish and "usageMetadata" not in value:
            raise malformed(self.request, f"no candidates in the answer: {value}")

    def _note_candidate(self, candidate: Mapping[str, Any]) -> None:
        content = candidate.get("content")
        for part in (content.get("parts") if content else None) or ():
            (self.reasoning if part.get("thought") else self.text)(part.get("text"))
            if "functionCall" in part:
                self.tool_call = True
        reason = candidate.get("finishReason")
        if reason:
            word = "refused" if reason in _REFUSED else str(reason)
            self.finish = _FINISH.get(reason, word)
            self.tool_call = self.tool_call or reason in _TOOL_CALL

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
    """Audio tokens among counts by modality."""
    listed = details if isinstance(details, list) else ()
    return sum(whole(d.get("tokenCount")) for d in listed if d.get("modality") == "AUDIO")
