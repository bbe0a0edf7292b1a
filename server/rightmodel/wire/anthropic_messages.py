"""Anthropic's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from rightmodel.wire.answer import Answer, malformed
from rightmodel.wire.codec import Codec
from rightmodel.wire.parts import base64_of, name_of, other_files, system_of, text_of
from rightmodel.wire.schemas import closed
from rightmodel.wire.usage import merge_counts, part, usage_of, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.call import Usage
    from rightmodel.core.task import Attachment, Turn
    from rightmodel.wire.answer import Watch
    from rightmodel.wire.request import ModelRequest

VERSION: Final = "2023-06-01"
DEFAULT_OUTPUT: Final = 8192
"""Where the caller leaves it open: the protocol always wants a limit."""

_FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
}


class AnthropicMessages(Codec):
    """`POST {base_url}/v1/messages`."""

    schema_path = "output_config.format"
    cap_paths = ("max_tokens",)
    needed: ClassVar[frozenset[str]] = frozenset({"max_tokens"})

    def url(self, request: ModelRequest) -> str:
        """Where the request goes."""
        return f"{request.provider.base_url.removesuffix('/v1')}/v1/messages"

    def headers(self, request: ModelRequest) -> dict[str, str]:
        """The key and the API's version."""
        headers = {"anthropic-version": VERSION}
        if request.key:
            headers["x-api-key"] = request.key
        return headers

    def answer(self, request: ModelRequest, watch: Watch | None) -> MessageAnswer:
        """What takes the answer apart."""
        return MessageAnswer(request, watch)

    def body(self, request: ModelRequest) -> dict[str, Any]:
        """The request. How long to think is said by effort; adaptive thinking makes it think."""
        body: dict[str, Any] = {
            "model": request.name,
            "messages": [_message(turn) for turn in request.turns],
            "max_tokens": request.max_output_tokens or DEFAULT_OUTPUT,
            "stream": True,
        }
        if system := system_of(request):
            body["system"] = system
        config: dict[str, Any] = {}
        if request.effort == "none":
            body["thinking"] = {"type": "disabled"}
        elif request.effort:
            body["thinking"] = {"type": "adaptive"}
            config["effort"] = request.effort
        if request.schema is not None and request.native_schema:
            config["format"] = {"type": "json_schema", "schema": closed(request.schema)}
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
    source = {"type": "base64", "media_type": file.media_type, "data": base64_of(file)}
    if file.modality == "pdf":
        return {"type": "document", "source": source, "title": name_of(file)}
    return {"type": "image", "source": source}


class MessageAnswer(Answer):
    """A message, or the events that build one up."""

    __slots__ = ("_reason",)

    def __init__(self, request: ModelRequest, watch: Watch | None) -> None:
        super().__init__(request, watch)
        self._reason = ""

    def event(self, value: Mapping[str, Any]) -> None:
        """One event; unknown ones are passed over, as the API's versioning policy asks."""
        kind = value.get("type")
        if kind == "content_block_delta":
            self._note_piece(value.get("delta") or {})
        elif kind == "content_block_start":
            self._note_piece(value.get("content_block") or {})
        elif kind == "message_start":
            self._note_message(value.get("message") or {})
        elif kind == "message_delta":
            self._note_message({**(value.get("delta") or {}), "usage": value.get("usage")})
        elif kind == "message_stop":
            self.done = True
            self._end()

    def body(self, value: Mapping[str, Any]) -> None:
        """The whole message."""
        content = value.get("content")
        if not isinstance(content, list):
            raise malformed(self.request, f"no content in the answer: {value}")
        for block in content:
            self._note_piece(block)
        self._note_message(value)
        self._end()

    def _note_piece(self, piece: Mapping[str, Any]) -> None:
        kind = piece.get("type")
        if kind in {"text_delta", "text"}:
            self.text(piece.get("text"))
        elif kind in {"thinking_delta", "thinking"}:
            self.reasoning(piece.get("thinking"))
        elif kind in {"tool_use", "input_json_delta"}:
            self.tool_call = True

    def _note_message(self, message: Mapping[str, Any]) -> None:
        self.served = str(message.get("model") or self.served)
        self._reason = str(message.get("stop_reason") or self._reason)
        usage = message.get("usage")
        if isinstance(usage, dict):
            merge_counts(self.counts, usage)

    def _end(self) -> None:
        self.tool_call = self.tool_call or self._reason == "tool_use"
        self.finish = _FINISH.get(self._reason, self._reason or "stop")

    @property
    def usage(self) -> Usage | None:
        """The API counts input without what was read from or written to the cache; ours is with it.

        Writes may be counted by how long they live and nowhere else.
        """
        counts = self.counts
        by_life = part(counts, "cache_creation")
        write_1h = whole(by_life.get("ephemeral_1h_input_tokens"))
        write_5m = whole(by_life.get("ephemeral_5m_input_tokens"))
        read = whole(counts.get("cache_read_input_tokens"))
        write = max(whole(counts.get("cache_creation_input_tokens")), write_1h + write_5m)
        return usage_of(
            input_tokens=whole(counts.get("input_tokens")) + read + write,
            output=whole(counts.get("output_tokens")),
            read=read,
            write=write,
            write_1h=write_1h,
            reasoning=whole(part(counts, "output_tokens_details").get("thinking_tokens")),
        )
