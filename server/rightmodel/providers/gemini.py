"""Google's Gemini API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rightmodel.domain import Usage
from rightmodel.providers.http import cut
from rightmodel.providers.parts import (
    Notebook,
    base64_of,
    other_files,
    system_of,
    text_of,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.domain import Completion, Turn
    from rightmodel.providers.base import ModelRequest, Watch
    from rightmodel.providers.http import HttpClient

_REFUSED: Final = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE", "IMAGE_SAFETY"}
)
_FINISH: Final = {"STOP": "stop", "MAX_TOKENS": "length"}


class Gemini:
    """`POST {base_url}/v1beta/models/{name}:streamGenerateContent?alt=sse`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def complete(self, request: ModelRequest, watch: Watch | None = None) -> Completion:
        """One complete answer."""
        base = request.provider.base_url.removesuffix("/v1beta")
        url = f"{base}/v1beta/models/{request.name}:streamGenerateContent?alt=sse"
        headers = {"x-goog-api-key": request.key} if request.key else {}
        notes = Notebook(request, watch)
        async with self._client.post(request, url, headers, _body(request)) as answer:
            if answer.is_stream:
                async for event in answer.events():
                    _note(event, notes)
            else:
                _note(await answer.json(), notes)
        if not notes.finish:
            raise cut(request)
        return notes.completion()


def _body(request: ModelRequest) -> dict[str, Any]:
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
        level = "minimal" if request.effort == "none" else request.effort
        config["thinkingConfig"] = {"thinkingLevel": level.upper()}
    if config:
        body["generationConfig"] = config
    return body


def _content(turn: Turn) -> dict[str, Any]:
    parts: list[dict[str, Any]] = [
        {"inlineData": {"mimeType": f.media_type, "data": base64_of(f)}} for f in other_files(turn)
    ]
    parts.append({"text": text_of(turn)})
    return {"role": "model" if turn.role == "assistant" else "user", "parts": parts}


def _note(event: Mapping[str, Any], notes: Notebook) -> None:
    notes.served = str(event.get("modelVersion") or notes.served)
    if (event.get("promptFeedback") or {}).get("blockReason"):
        notes.finish = "refused"
    for candidate in event.get("candidates") or ():
        for part in (candidate.get("content") or {}).get("parts") or ():
            (notes.reasoning if part.get("thought") else notes.text)(part.get("text"))
            notes.tool_call = notes.tool_call or "functionCall" in part
        reason = candidate.get("finishReason")
        if reason:
            word = "refused" if reason in _REFUSED else str(reason).lower()
            notes.finish = _FINISH.get(reason, word)
    counts = event.get("usageMetadata")
    if isinstance(counts, dict):
        thoughts = whole(counts.get("thoughtsTokenCount"))
        notes.usage = Usage(
            input=whole(counts.get("promptTokenCount")),
            output=whole(counts.get("candidatesTokenCount")) + thoughts,
            cache_read=whole(counts.get("cachedContentTokenCount")),
            reasoning=thoughts,
        )
