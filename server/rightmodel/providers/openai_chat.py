"""OpenAI's chat completions, and the many that speak a dialect of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from rightmodel.domain import Usage
from rightmodel.errors import Fault, ProviderError
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

    from rightmodel.domain import Attachment, Completion, Turn
    from rightmodel.providers.base import ModelRequest, Watch
    from rightmodel.providers.http import Body, HttpClient

_FINISH: Final = {"stop": "stop", "length": "length", "content_filter": "refused"}
_RENAMED: Final = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}


class OpenAIChat:
    """`POST {base_url}/chat/completions`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._mended: dict[tuple[str, str], dict[str, str]] = {}

    async def complete(self, request: ModelRequest, watch: Watch | None = None) -> Completion:
        """One complete answer; a parameter that the model refuses is mended once, remembered."""
        memory = self._mended.setdefault((request.provider.name, request.name), {})
        try:
            return await self._attempt(request, watch, memory)
        except ProviderError as error:
            parameter = error.parameter.partition(".")[0]
            if error.fault is not Fault.PARAMETER or not parameter or parameter in memory:
                raise
            memory[parameter] = _RENAMED.get(parameter, "")
            return await self._attempt(request, watch, memory)

    async def _attempt(
        self, request: ModelRequest, watch: Watch | None, memory: Mapping[str, str]
    ) -> Completion:
        url = f"{request.provider.base_url}/chat/completions"
        headers = {"authorization": f"Bearer {request.key}"} if request.key else {}
        body = _mend(_body(request), memory)
        notes = Notebook(request, watch)
        async with self._client.post(request, url, headers, body) as answer:
            await _read(answer, notes)
        return notes.completion(tuple(memory))


def _mend(body: dict[str, Any], memory: Mapping[str, str]) -> dict[str, Any]:
    for refused, instead in memory.items():
        if refused in body:
            value = body.pop(refused)
            if instead and instead not in memory:
                body[instead] = value
    return body


def _body(request: ModelRequest) -> dict[str, Any]:
    messages: list[dict[str, Any]] = [_message(turn) for turn in request.turns]
    if system := system_of(request):
        messages.insert(0, {"role": "system", "content": system})
    body: dict[str, Any] = {
        "model": request.name,
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    official = "api.openai.com" in request.provider.base_url
    if request.max_output_tokens:
        cap = "max_completion_tokens" if official else "max_tokens"
        body[cap] = request.max_output_tokens
    if request.effort:
        body["reasoning_effort"] = request.effort
    if request.schema is not None and request.native_schema:
        schema = {"name": "answer", "schema": dict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if "openrouter.ai" in request.provider.base_url:
        body["usage"] = {"include": True}
    return body


def _message(turn: Turn) -> dict[str, Any]:
    files = other_files(turn)
    if not files:
        return {"role": turn.role, "content": text_of(turn)}
    parts = [*map(_part, files), {"type": "text", "text": text_of(turn)}]
    return {"role": turn.role, "content": parts}


def _part(file: Attachment) -> dict[str, Any]:
    data = base64_of(file)
    url = f"data:{file.media_type};base64,{data}"
    if file.modality == "image":
        return {"type": "image_url", "image_url": {"url": url}}
    if file.modality == "audio":
        kind = "wav" if "wav" in file.media_type else "mp3"
        return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}
    name = file.path.rpartition("/")[2]
    return {"type": "file", "file": {"filename": name, "file_data": url}}


async def _read(answer: Body, notes: Notebook) -> None:
    if not answer.is_stream:
        body = await answer.json()
        _note(body, notes, "message")
        if not notes.finish:
            name = notes.request.provider.name
            raise ProviderError(Fault.MALFORMED, f"{name}: no choices in the answer", provider=name)
        return
    async for event in answer.events():
        _note(event, notes, "delta")
    if not notes.finish:
        raise cut(notes.request)


def _note(event: Mapping[str, Any], notes: Notebook, key: str) -> None:
    """One chunk of a stream, or the whole body: they differ in the name of one field."""
    if isinstance(event.get("model"), str):
        notes.served = event["model"]
    usage = event.get("usage") or (event.get("x_groq") or {}).get("usage")
    if isinstance(usage, dict):
        notes.usage = _usage(usage)
        if isinstance(usage.get("cost"), int | float | Decimal):
            notes.cost_usd = Decimal(str(usage["cost"]))
    for choice in event.get("choices") or ():
        said = choice.get(key) or {}
        notes.text(said.get("content"))
        notes.reasoning(said.get("reasoning_content") or said.get("reasoning"))
        notes.tool_call = notes.tool_call or bool(said.get("tool_calls"))
        if said.get("refusal"):
            notes.text(said["refusal"])
            notes.finish = "refused"
        elif choice.get("finish_reason") and notes.finish != "refused":
            notes.finish = _FINISH.get(choice["finish_reason"], str(choice["finish_reason"]))


def _usage(usage: Mapping[str, Any]) -> Usage:
    """Input includes what was cached; output includes reasoning.

    Some dialects (xAI) count reasoning beside `completion_tokens`; `total_tokens` tells.
    """
    prompt, output = whole(usage.get("prompt_tokens")), whole(usage.get("completion_tokens"))
    inside = usage.get("prompt_tokens_details") or {}
    cached = inside.get("cached_tokens") or usage.get("prompt_cache_hit_tokens")
    reasoning = whole((usage.get("completion_tokens_details") or {}).get("reasoning_tokens"))
    if reasoning and whole(usage.get("total_tokens")) == prompt + output + reasoning:
        output += reasoning
    return Usage(
        input=prompt,
        output=output,
        cache_read=whole(cached or usage.get("cached_tokens")),
        reasoning=reasoning,
    )
