"""Responses of Anthropic's messages, whole and streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import Reasoning
from rightmodel.wire.anthropic_messages.request import block_of, thinking_of
from rightmodel.wire.codec import Envelope, StreamEncoder
from rightmodel.wire.decoder import NoResponseError, ResponseDecoder
from rightmodel.wire.fields import dumps, text
from rightmodel.wire.response import CallStart, ReasoningDelta
from rightmodel.wire.usage import merge_counts, part, usage_of, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.call import Usage
    from rightmodel.wire.response import ChatResponse, StreamEvent

_FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
    "tool_use": "tool_calls",
}
_FINISH_OUT: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "refused": "refusal",
    "tool_calls": "tool_use",
}


def encode_response(response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
    """A `message`."""
    return {
        **_head(envelope),
        "content": [
            thinking_of(p) if isinstance(p, Reasoning) else block_of(p) for p in response.parts
        ],
        "stop_reason": _FINISH_OUT.get(response.finish, response.finish),
        "stop_sequence": None,
        "usage": _usage_out(response.usage),
    }


class MessageDecoder(ResponseDecoder):
    """A message, or the events that build one up."""

    __slots__ = ("_calls", "_reason")

    def __init__(self) -> None:
        super().__init__()
        self._reason = ""
        self._calls: dict[Any, int] = {}

    def event(self, value: Mapping[str, Any]) -> None:
        """One event; unknown ones are skipped, as the API's versioning policy asks."""
        kind = value.get("type")
        if kind == "content_block_delta":
            self._note_piece(value.get("delta") or {}, value.get("index"))
        elif kind == "content_block_start":
            self._note_piece(value.get("content_block") or {}, value.get("index"))
        elif kind == "message_start":
            self._note_message(value.get("message") or {})
        elif kind == "message_delta":
            self._note_message({**(value.get("delta") or {}), "usage": value.get("usage")})
        elif kind == "message_stop":
            self.done = True
            self.end(_FINISH.get(self._reason, self._reason or "stop"))

    def body(self, value: Mapping[str, Any]) -> None:
        """The whole message."""
        content = value.get("content")
        if not isinstance(content, list):
            raise NoResponseError(f"no content in the answer: {value}")
        for position, block in enumerate(content):
            self._note_piece(block, position)
            if block.get("type") == "tool_use":
                self.arguments(self._calls[position], dumps(block.get("input", {})))
        self._note_message(value)
        self.end(_FINISH.get(self._reason, self._reason or "stop"))

    def _note_piece(self, piece: Mapping[str, Any], index: Any) -> None:
        kind = piece.get("type")
        self.started = True
        if kind in {"text_delta", "text"}:
            self.text(piece.get("text"))
        elif kind in {"thinking_delta", "thinking", "signature_delta"}:
            self.reasoning(piece.get("thinking"), piece.get("signature"))
        elif kind == "redacted_thinking":
            self.reasoning("", piece.get("data"), "redacted")
        elif kind == "tool_use":
            self._calls[index] = len(self._calls)
            self.call(self._calls[index], text(piece.get("name")), text(piece.get("id")))
        elif kind == "input_json_delta":
            if index not in self._calls:
                self._note_piece({"type": "tool_use"}, index)
            self.arguments(self._calls[index], piece.get("partial_json"))

    def _note_message(self, message: Mapping[str, Any]) -> None:
        self.served = str(message.get("model") or self.served)
        self.id = str(message.get("id") or self.id)
        self._reason = str(message.get("stop_reason") or self._reason)
        usage = message.get("usage")
        if isinstance(usage, dict):
            merge_counts(self.counts, usage)

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


class MessageStreamEncoder(StreamEncoder):
    """Blocks, each opened and closed in turn; usage at the end, the prompt's included."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._index = -1
        self._open = ""

    def start(self) -> list[dict[str, Any]]:
        """A message without content."""
        message = {
            **_head(self._envelope),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }
        return [{"type": "message_start", "message": message}]

    def event(self, event: StreamEvent) -> list[dict[str, Any]]:
        """The opening of a block where one is needed, and a piece of it."""
        if isinstance(event, str):
            opened = self._opened("text", {"type": "text", "text": ""})
            return [*opened, self._delta({"type": "text_delta", "text": event})]
        if isinstance(event, ReasoningDelta):
            return self._reasoning(event)
        if isinstance(event, CallStart):
            called = {"id": event.id, "name": event.name, "input": {}}
            return self._opened(f"call {event.number}", {"type": "tool_use", **called})
        return [self._delta({"type": "input_json_delta", "partial_json": event.arguments})]

    def end(self, response: ChatResponse) -> list[dict[str, Any]]:
        """The last block's end, the stop reason with the usage, the message's end."""
        reason = _FINISH_OUT.get(response.finish, response.finish)
        delta = {"stop_reason": reason, "stop_sequence": None}
        usage = _usage_out(response.usage)
        return [
            *self._closed(),
            {"type": "message_delta", "delta": delta, "usage": usage},
            {"type": "message_stop"},
        ]

    def _reasoning(self, event: ReasoningDelta) -> list[dict[str, Any]]:
        if event.id == "redacted":
            block = {"type": "redacted_thinking", "data": event.signature}
            return self._opened(f"redacted {self._index}", block)
        events = self._opened("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if event.text:
            events.append(self._delta({"type": "thinking_delta", "thinking": event.text}))
        if event.signature:
            events.append(self._delta({"type": "signature_delta", "signature": event.signature}))
            events += self._closed()
        return events

    def _opened(self, name: str, block: dict[str, Any]) -> list[dict[str, Any]]:
        if self._open == name:
            return []
        events = self._closed()
        self._open = name
        self._index += 1
        return [
            *events,
            {"type": "content_block_start", "index": self._index, "content_block": block},
        ]

    def _closed(self) -> list[dict[str, Any]]:
        if not self._open:
            return []
        self._open = ""
        return [{"type": "content_block_stop", "index": self._index}]

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": self._index, "delta": delta}


def _head(envelope: Envelope) -> dict[str, Any]:
    return {"id": envelope.id, "type": "message", "role": "assistant", "model": envelope.model}


def _usage_out(used: Usage | None) -> dict[str, Any]:
    if used is None:
        return {"input_tokens": 0, "output_tokens": 0}
    by_life = {
        "ephemeral_5m_input_tokens": used.cache_write - used.cache_write_1h,
        "ephemeral_1h_input_tokens": used.cache_write_1h,
    }
    return {
        "input_tokens": used.input - used.cache_read - used.cache_write,
        "cache_creation_input_tokens": used.cache_write,
        "cache_read_input_tokens": used.cache_read,
        "cache_creation": by_life,
        "output_tokens": used.output,
        "output_tokens_details": {"thinking_tokens": used.reasoning},
    }
