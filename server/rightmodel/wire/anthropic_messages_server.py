"""Anthropic's messages as a server speaks them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.format import cut
from rightmodel.core.task import (
    CacheMark,
    ChatRequest,
    Message,
    Reasoning,
    Shown,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
    WireFormat,
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
from rightmodel.wire.body import (
    Leftovers,
    content,
    entries,
    file_of,
    file_of_url,
    limit,
    messages,
    number,
    optional,
    required,
    schema_of,
    strings,
    wrong,
)
from rightmodel.wire.codec import Codec, Envelope, StreamEncoder
from rightmodel.wire.error_body import anthropic_error
from rightmodel.wire.fields import dumps, effort_of, obj, objects, text, whole
from rightmodel.wire.plain import plain_messages
from rightmodel.wire.request import RequestError
from rightmodel.wire.response import CallStart, ChatResponse, ReasoningDelta, StreamEvent
from rightmodel.wire.tools import function_tool, tool_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rightmodel.core.call import Usage
    from rightmodel.core.task import Part

_CHOICES: Final = {"auto": "auto", "none": "none", "any": "required", "tool": "required"}
_PLAIN: Final = {"type", "text"}
"""The fields of a block that is nothing but text."""
_FIELDS: Final = frozenset({
    "model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice", "thinking",
    "output_config", "output_format", "inference_geo", "temperature", "top_p", "stop_sequences",
    "metadata", "service_tier",
})  # fmt: skip
_HOSTED: Final = ("web_search", "web_fetch", "tool_search", "code_execution", "advisor")
"""Types of tools that run at the provider, so that no other model is asked to call them."""

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
    most = limit(body, "max_tokens", least=0)
    if body.get("max_tokens") is None:
        raise wrong("max_tokens", "a positive integer")
    left = Leftovers(body, _FIELDS)
    if not most:  # it asks for nothing but that the prompt be cached
        left.native("max_tokens")
    if body.get("inference_geo") not in (None, "global"):
        left.native("inference_geo")
    system = tuple(_decoded_parts(body.get("system"), "system", left))
    sent = [
        _decoded_message(message, f"messages[{number_}]", left)
        for number_, message in enumerate(messages(body, "messages"))
    ]
    if _is_begun(sent[-1]):
        left.native("prefill (the last message is the assistant's)")
    tools = entries(body.get("tools"), "tools")
    config = optional(body, "output_config", dict) or {}
    request = ChatRequest(
        model=required(body, "model", str),
        messages=tuple([Message("system", system)] * bool(system) + sent),
        tools=tuple(tool for t in tools if (tool := _decoded_tool(t, left))),
        tool_choice=_decoded_choice(optional(body, "tool_choice", dict) or {}),
        schema=schema_of(
            obj(config.get("format") or body.get("output_format")), "output_config.format"
        ),
        effort=_effort_of(optional(body, "thinking", dict) or {}, effort_of(config.get("effort"))),
        max_output_tokens=most,
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        stop=strings(body, "stop_sequences"),
        stream=bool(optional(body, "stream", bool)),
    )
    return left.noted(request, "messages")


def _is_begun(last: Message) -> bool:
    """Whether it begins the answer, which the model goes on with."""
    has_call = any(isinstance(part, ToolCall) for part in last.parts)
    return last.role == "assistant" and not has_call and bool(last.text.strip())


def _decoded_message(message: Mapping[str, Any], field: str, left: Leftovers) -> Message:
    role = message.get("role")
    if role not in ("user", "assistant", "system"):
        raise RequestError(f"{field}.role: {role!r} is not one of user, assistant, system", field)
    return Message(role, tuple(_decoded_parts(content(message, field), field, left)))


def _decoded_parts(given: Any, field: str, left: Leftovers) -> Iterator[Part]:
    if isinstance(given, str):
        yield Text(given)
        return
    for number_, block in enumerate(entries(given, field)):
        if block.keys() == _PLAIN and block["type"] == "text" and isinstance(block["text"], str):
            yield Text(block["text"])
        else:
            yield from _decoded_block(block, f"{field}.content[{number_}]", left)
        if block.get("cache_control"):
            yield CacheMark()


def _decoded_block(block: Mapping[str, Any], field: str, left: Leftovers) -> Iterator[Part]:
    kind = text(block.get("type"))
    if obj(block.get("citations")).get("enabled"):
        left.native("citations")
    if kind == "tool_result":
        inner = _decoded_parts(block.get("content"), field, left)
        parts = [part for part in inner if isinstance(part, Shown)]
        id_ = text(block.get("tool_use_id"))
        yield ToolResult(id_, tuple(parts), block.get("is_error") is True)
    elif kind in {"image", "document"}:
        yield from _decoded_file(block, field, left)
    elif kind == "search_result":
        yield Text(f"{text(block.get('title'))} ({text(block.get('source'))})")
        yield from _decoded_parts(block.get("content"), field, left)
    elif kind == "text":
        yield Text(required(block, "text", str, f"{field}."))
    elif kind in _PARTS:
        yield _PARTS[kind](block)
    elif kind == "container_upload":
        left.native("uploaded_files")
    elif kind:  # what a tool at the provider did
        left.ignore(kind)
    else:
        raise RequestError(f"{field}.type: a block without a type", field)


_PARTS: Final[Mapping[str, Callable[[Mapping[str, Any]], Part]]] = {
    "thinking": lambda block: Reasoning(text(block.get("thinking")), text(block.get("signature"))),
    "redacted_thinking": lambda block: Reasoning("", text(block.get("data")), "redacted"),
    "tool_use": lambda block: ToolCall(
        text(block.get("id")), tool_name(text(block.get("name"))), dumps(block.get("input", {}))
    ),
    "compaction": lambda block: Text(text(block.get("content"))),
    "tool_reference": lambda block: Text(f"Tool found: {text(block.get('tool_name'))}"),
}


def _decoded_file(block: Mapping[str, Any], field: str, left: Leftovers) -> Iterator[Part]:
    source = obj(block.get("source"))
    kind = source.get("type")
    title, about = text(block.get("title")), text(block.get("context"))
    name = title or text(block.get("type"))
    if about:
        yield Text(about)
    if kind in ("text", "content") and title:
        yield Text(title)
    if kind == "text":
        yield Text(text(source.get("data")))
    elif kind == "content":
        yield from _decoded_parts(source.get("content"), field, left)
    elif kind == "url":
        media_type = "image/*" if block["type"] == "image" else "application/pdf"
        yield file_of_url(text(source.get("url")), name, f"{field}.source.url", media_type)
    elif kind == "base64":
        yield file_of(text(source.get("data")), text(source.get("media_type")), name, field)
    else:
        left.native("uploaded_files")


def _decoded_tool(tool: Mapping[str, Any], left: Leftovers) -> ToolSpec | None:
    """Tools with a type of their own have no schema; some of them run at the provider."""
    kind, name = text(tool.get("type")), text(tool.get("name"))
    if kind not in {"", "custom"}:
        note = left.ignore if kind.startswith(_HOSTED) else left.native
        note(f"tools.{kind}")
        return None
    if not name or "input_schema" not in tool:
        raise RequestError("tools: a tool without a name or an input_schema", "tools")
    left.strict(tool)
    described = [text(tool.get("description"))]
    if examples := [*objects(tool.get("input_examples"))]:
        described.append(f"Examples of input: {dumps(examples)}")
    parameters = obj(tool["input_schema"])
    return function_tool(name, "\n\n".join(filter(None, described)), parameters)


def _decoded_choice(choice: Mapping[str, Any]) -> ToolChoice:
    kind = choice.get("type", "auto")
    mode: Any = _CHOICES.get(text(kind))
    if mode is None:
        words = f"{cut(repr(kind))} is not one of {', '.join(_CHOICES)}"
        raise RequestError(f"tool_choice.type: {words}", "tool_choice.type")
    parallel = choice.get("disable_parallel_tool_use") is not True
    name = text(choice.get("name"))
    return ToolChoice(mode, tool_name(name) if name else "", parallel)


def _effort_of(thinking: Mapping[str, Any], stated: str) -> str:
    """The effort as stated, else by the budget; none where thinking is disabled."""
    kind = thinking.get("type")
    if kind != "enabled" or stated:
        return "none" if kind == "disabled" else stated
    budget = whole(thinking.get("budget_tokens"))
    if budget <= _LOW_BUDGET:
        return "low"
    return "medium" if budget <= _MEDIUM_BUDGET else "high"


def encode_response(response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
    """A `message`."""
    return {
        **_head(envelope),
        "content": [_block_out(p, envelope) for p in response.parts],
        "stop_reason": _FINISH_OUT.get(response.finish, response.finish),
        "stop_sequence": None,
        "usage": _usage_out(response.usage),
    }


def _block_out(piece: Text | Reasoning | ToolCall, envelope: Envelope) -> dict[str, Any]:
    if isinstance(piece, Reasoning):
        return thinking_of(piece)
    if isinstance(piece, ToolCall):
        return block_of(replace(piece, name=envelope.origin(piece.name).name))
    return block_of(piece)


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
            name = self._envelope.origin(event.name).name
            called = {"id": event.id, "name": name, "input": {}}
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
        signature = event.signature
        if event.id == "redacted":
            block = {"type": "redacted_thinking", "data": event.signature}
            return self._opened(f"redacted {self._index}", block)
        if not event.text and not signature:
            return []
        events = self._opened("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if event.text:
            events.append(self._delta({"type": "thinking_delta", "thinking": event.text}))
        if signature:
            events.append(self._delta({"type": "signature_delta", "signature": signature}))
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
    name=WireFormat.ANTHROPIC_MESSAGES,
    url=url,
    headers=headers,
    encode_request=encode_request,
    decoder=MessageDecoder,
    is_foreign=is_foreign,
    not_carried=frozenset({"audio"}),
    schema_path="output_config.format",
    cap_paths=("max_tokens",),
    effort_path="output_config.effort",
    optional=(
        "max_tokens",
        "thinking",
        "output_config.effort",
        "output_config.format",
        "temperature",
        "top_p",
        "stream",
    ),
    needed=frozenset({"max_tokens"}),
    decode_request=decode_request,
    encode_response=encode_response,
    stream_encoder=MessageStreamEncoder,
    plain=plain_messages,
    encode_error=anthropic_error,
    error_events=lambda body, _: [body],
    names_events=True,
    count_path="/count_tokens",
    keep_alive=b'event: ping\ndata: {"type":"ping"}\n\n',
)
