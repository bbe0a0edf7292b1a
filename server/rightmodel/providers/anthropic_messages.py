"""Anthropic's messages."""

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

    from rightmodel.domain import Attachment, Completion, Turn
    from rightmodel.providers.base import ModelRequest, Watch
    from rightmodel.providers.http import Body, HttpClient

VERSION: Final = "2023-06-01"
DEFAULT_OUTPUT: Final = 4096
_FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
}


class AnthropicMessages:
    """`POST {base_url}/v1/messages`."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def complete(self, request: ModelRequest, watch: Watch | None = None) -> Completion:
        """One complete answer."""
        headers = {"anthropic-version": VERSION}
        if request.key:
            headers["x-api-key"] = request.key
        notes = Notebook(request, watch)
        url = f"{request.provider.base_url}/v1/messages"
        async with self._client.post(request, url, headers, _body(request)) as answer:
            await _read(answer, notes)
        return notes.completion()


def _body(request: ModelRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.name,
        "messages": [_message(turn) for turn in request.turns],
        "max_tokens": request.max_output_tokens or DEFAULT_OUTPUT,
        "stream": True,
    }
    if system := system_of(request):
        body["system"] = system
    config: dict[str, Any] = {}
    if request.effort and request.effort != "none":
        config["effort"] = request.effort
    if request.schema is not None and request.native_schema:
        config["format"] = {"type": "json_schema", "schema": dict(request.schema)}
    if config:
        body["output_config"] = config
    return body


def _message(turn: Turn) -> dict[str, Any]:
    files = other_files(turn)
    if not files:
        return {"role": turn.role, "content": text_of(turn)}
    blocks = [*map(_block, files), {"type": "text", "text": text_of(turn)}]
    return {"role": turn.role, "content": blocks}


def _block(file: Attachment) -> dict[str, Any]:
    kind = "document" if file.modality == "pdf" else "image"
    source = {"type": "base64", "media_type": file.media_type, "data": base64_of(file)}
    return {"type": kind, "source": source}


async def _read(answer: Body, notes: Notebook) -> None:
    counts: dict[str, Any] = {}
    if not answer.is_stream:
        body = await answer.json()
        _note_message(body, notes, counts)
        for block in body.get("content") or ():
            _note_piece(block, notes)
        _note_end(body, notes, counts)
        return
    ended = False
    async for event in answer.events():
        kind = event.get("type")
        if kind == "message_start":
            _note_message(event.get("message") or {}, notes, counts)
        elif kind == "content_block_delta":
            _note_piece(event.get("delta") or {}, notes)
        elif kind == "message_delta":
            _note_end({**(event.get("delta") or {}), "usage": event.get("usage")}, notes, counts)
        ended = ended or kind == "message_stop"
    if not ended:
        raise cut(notes.request)


def _note_message(message: Mapping[str, Any], notes: Notebook, counts: dict[str, Any]) -> None:
    notes.served = str(message.get("model") or "")
    counts.update(message.get("usage") or {})


def _note_piece(piece: Mapping[str, Any], notes: Notebook) -> None:
    notes.text(piece.get("text"))
    notes.reasoning(piece.get("thinking"))
    notes.tool_call = notes.tool_call or piece.get("type") in {"tool_use", "input_json_delta"}


def _note_end(end: Mapping[str, Any], notes: Notebook, counts: dict[str, Any]) -> None:
    counts.update({k: v for k, v in (end.get("usage") or {}).items() if v is not None})
    reason = end.get("stop_reason")
    if reason:
        notes.finish = _FINISH.get(reason, str(reason))
    read = whole(counts.get("cache_read_input_tokens"))
    write = whole(counts.get("cache_creation_input_tokens"))
    notes.usage = Usage(
        input=whole(counts.get("input_tokens")) + read + write,
        output=whole(counts.get("output_tokens")),
        cache_read=read,
        cache_write=write,
    )
