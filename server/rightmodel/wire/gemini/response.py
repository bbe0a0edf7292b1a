"""Responses of Google's Gemini API, whole and streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import Reasoning, ToolCall
from rightmodel.wire.codec import Envelope, StreamEncoder
from rightmodel.wire.decoder import NoResponseError, ResponseDecoder
from rightmodel.wire.fields import dumps, obj, objects, text
from rightmodel.wire.gemini.request import encoded_part
from rightmodel.wire.response import CallStart, ReasoningDelta
from rightmodel.wire.usage import merge_counts, usage_of, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.call import Usage
    from rightmodel.wire.response import ChatResponse, StreamEvent

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
_FINISH_OUT: Final = {"length": "MAX_TOKENS", "refused": "SAFETY", "stop": "STOP"}


def encode_response(response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
    """A `GenerateContentResponse`."""
    parts = [encoded for piece in response.parts for encoded in encoded_part(piece, {})]
    return _response(envelope, parts, response)


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
                name = text(call.get("id")) or f"call_{self._calls + 1}"
                self.call(self._calls, text(call.get("name")), name, signature)
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
    """Audio tokens among counts by modality."""
    return sum(whole(d.get("tokenCount")) for d in objects(details) if d.get("modality") == "AUDIO")


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
