"""Anthropic's messages as a server speaks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import (
    Attachment,
    CacheMark,
    ChatRequest,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from rightmodel.wire.anthropic_messages import (
    MessageDecoder,
    block_of,
    encode_request,
    headers,
    is_foreign,
    thinking_of,
    url,
)
from rightmodel.wire.codec import Codec, Envelope, StreamEncoder
from rightmodel.wire.error_body import anthropic_error
from rightmodel.wire.fields import (
    count,
    dumps,
    file_of,
    ignored,
    number,
    obj,
    objects,
    required,
    text,
)
from rightmodel.wire.request import RequestError
from rightmodel.wire.response import CallStart, ReasoningDelta

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.call import Usage
    from rightmodel.core.task import Part
    from rightmodel.wire.response import ChatResponse, StreamEvent

_CHOICES: Final = {"auto": "auto", "none": "none", "any": "required", "tool": "required"}
_FIELDS: Final = frozenset({
    "model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice", "thinking",
    "output_config", "temperature", "top_p", "stop_sequences", "metadata",
})  # fmt: skip
_LOW_BUDGET, _MEDIUM_BUDGET = 2048, 12_000
"""Tokens of a thinking budget up to which the effort is low and medium."""

_FINISH_OUT: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "refused": "refusal",
    "tool_calls": "tool_use",
}


def decode_request(body: Mapping[str, Any]) -> ChatRequest:
    """The neutral form of a body. Raises `RequestError`."""
    system = tuple(_decoded_parts(body.get("system"), "system"))
    messages = [
        _decoded_message(message, f"messages[{number_}]")
        for number_, message in enumerate(objects(required(body, "messages", list)))
    ]
    config = obj(body.get("output_config"))
    return ChatRequest(
        model=required(body, "model", str),
        messages=tuple([Message("system", system)] * bool(system) + messages),
        tools=tuple(_decoded_tool(tool) for tool in objects(body.get("tools"))),
        tool_choice=_decoded_choice(obj(body.get("tool_choice"))),
        schema=obj(config.get("format")).get("schema"),
        effort=text(config.get("effort")) or _effort_of(obj(body.get("thinking"))),
        max_output_tokens=count(required(body, "max_tokens", int)),
        temperature=number(body.get("temperature")),
        top_p=number(body.get("top_p")),
        stop=tuple(filter(text, body.get("stop_sequences") or ())),
        stream=body.get("stream") is True,
        ignored=ignored(body, _FIELDS),
    )


def _decoded_message(message: Mapping[str, Any], field: str) -> Message:
    role = message.get("role")
    if role not in {"user", "assistant", "system"}:
        raise RequestError(f"{field}.role: {role!r} is not one of user, assistant, system", field)
    return Message(role, tuple(_decoded_parts(message.get("content"), field)))


def _decoded_parts(content: Any, field: str) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(content)
    for number_, block in enumerate(objects(content)):
        yield _decoded_block(block, f"{field}.content[{number_}]")
        if block.get("cache_control"):
            yield CacheMark()


def _decoded_block(block: Mapping[str, Any], field: str) -> Part:
    kind = block.get("type")
    if kind == "text":
        return Text(text(block.get("text")))
    if kind in {"image", "document"}:
        return _decoded_file(block, field)
    if kind == "thinking":
        return Reasoning(text(block.get("thinking")), text(block.get("signature")))
    if kind == "redacted_thinking":
        return Reasoning("", text(block.get("data")), "redacted")
    if kind == "tool_use":
        return ToolCall(
            text(block.get("id")), text(block.get("name")), dumps(block.get("input", {}))
        )
    if kind == "tool_result":
        inner = _decoded_parts(block.get("content"), field)
        parts = tuple(p for p in inner if isinstance(p, Text | Attachment))
        return ToolResult(text(block.get("tool_use_id")), parts, block.get("is_error") is True)
    raise RequestError(f"{field}.type: {kind!r} is not supported", field)


def _decoded_file(block: Mapping[str, Any], field: str) -> Part:
    source = obj(block.get("source"))
    if source.get("type") == "text":
        return Text(text(source.get("data")))
    if source.get("type") != "base64":
        raise RequestError(f"{field}.source: only base64 is accepted: nothing is fetched", field)
    name = text(block.get("title")) or text(block.get("type"))
    return file_of(text(source.get("data")), text(source.get("media_type")), name, field)


def _decoded_tool(tool: Mapping[str, Any]) -> ToolSpec:
    if not text(tool.get("name")) or "input_schema" not in tool:
        raise RequestError(
            "tools: only tools with a name and an input_schema are accepted", "tools"
        )
    return ToolSpec(tool["name"], text(tool.get("description")), obj(tool["input_schema"]))


def _decoded_choice(choice: Mapping[str, Any]) -> ToolChoice:
    mode: Any = _CHOICES.get(text(choice.get("type")), "auto")
    parallel = choice.get("disable_parallel_tool_use") is not True
    return ToolChoice(mode, text(choice.get("name")), parallel)


def _effort_of(thinking: Mapping[str, Any]) -> str:
    kind = thinking.get("type")
    if kind != "enabled":
        return "none" if kind == "disabled" else ""
    budget = count(thinking.get("budget_tokens"))
    if budget <= _LOW_BUDGET:
        return "low"
    return "medium" if budget <= _MEDIUM_BUDGET else "high"


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


CODEC: Final = Codec(
    url=url,
    headers=headers,
    encode_request=encode_request,
    decoder=MessageDecoder,
    is_foreign=is_foreign,
    not_carried=frozenset({"audio"}),
    schema_path="output_config.format",
    cap_paths=("max_tokens",),
    effort_path="output_config.effort",
    optional=("max_tokens", "thinking", "output_config.effort", "output_config.format", "stream"),
    needed=frozenset({"max_tokens"}),
    decode_request=decode_request,
    encode_response=encode_response,
    stream_encoder=MessageStreamEncoder,
    encode_error=anthropic_error,
    error_events=lambda body, _: [body],
    names_events=True,
    keep_alive=b'event: ping\ndata: {"type":"ping"}\n\n',
)
