"""Anthropic's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from rightmodel.core.task import (
    Attachment,
    CacheMark,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from rightmodel.wire.codec import NO_QUIRKS, Codec, Envelope, Quirks, StreamEncoder
from rightmodel.wire.decoder import NoResponseError, ResponseDecoder
from rightmodel.wire.fields import (
    arguments_object,
    count,
    dumps,
    file_of,
    given,
    ignored,
    number,
    obj,
    objects,
    required,
    text,
)
from rightmodel.wire.request import ChatRequest, RequestError, base64_of, name_of
from rightmodel.wire.response import CallStart, ReasoningDelta
from rightmodel.wire.schemas import closed
from rightmodel.wire.usage import merge_counts, part, usage_of, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rightmodel.core.call import Usage
    from rightmodel.core.task import Part
    from rightmodel.wire.request import ModelRequest
    from rightmodel.wire.response import ChatResponse, StreamEvent

VERSION: Final = "2023-06-01"
DEFAULT_OUTPUT: Final = 8192
"""Where the caller leaves it open: the API always wants a limit."""

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
_CHOICES: Final = {"auto": "auto", "none": "none", "any": "required", "tool": "required"}
_MARK: Final = {"cache_control": {"type": "ephemeral"}}
_FIELDS: Final = frozenset({
    "model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice", "thinking",
    "output_config", "temperature", "top_p", "stop_sequences", "metadata",
})  # fmt: skip
_LOW_BUDGET, _MEDIUM_BUDGET = 2048, 12_000
"""Tokens of a thinking budget up to which the effort is low and medium."""


class AnthropicMessages(Codec):
    """`POST {base_url}/v1/messages`."""

    schema_path = "output_config.format"
    cap_paths = ("max_tokens",)
    effort_path = "output_config.effort"
    optional = ("max_tokens", "thinking", "output_config.effort", "output_config.format", "stream")
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

    def encode_request(self, request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
        """The body. Effort sets how long to think; adaptive thinking makes the model think."""
        del quirks
        system, messages = _split_system(request.messages)
        body: dict[str, Any] = {
            "model": request.model,
            "messages": [_encoded(message) for message in messages],
            "max_tokens": request.max_output_tokens or DEFAULT_OUTPUT,
        }
        if request.stream:
            body["stream"] = True
        if system:
            blocks = _blocks(system)
            is_plain = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
            body["system"] = blocks[0]["text"] if is_plain else blocks
        if request.tools:
            body["tools"] = [_encoded_tool(tool) for tool in request.tools]
            body |= _encoded_choice(request.tool_choice)
        body |= _encoded_config(request)
        body |= given(temperature=request.temperature, top_p=request.top_p)
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        return body

    def decode_request(self, body: Mapping[str, Any]) -> ChatRequest:
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

    def unsupported(self, request: ChatRequest) -> frozenset[str]:
        """Audio; reasoning without a signature; signatures of tool calls."""
        found = set()
        for message in request.messages:
            for piece in message.parts:
                if isinstance(piece, Attachment) and piece.modality == "audio":
                    found.add("audio")
                elif _is_foreign(piece):
                    found.add("reasoning")
        return frozenset(found)

    def decoder(self) -> MessageDecoder:
        """A new decoder for one response."""
        return MessageDecoder()

    def encode_response(self, response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
        """A `message`."""
        return {
            **_head(envelope),
            "content": [
                _thinking(p) if isinstance(p, Reasoning) else _block(p) for p in response.parts
            ],
            "stop_reason": _FINISH_OUT.get(response.finish, response.finish),
            "stop_sequence": None,
            "usage": _usage_out(response.usage),
        }

    def stream_encoder(self, envelope: Envelope) -> MessageStreamEncoder:
        """A new encoder for one streamed response."""
        return MessageStreamEncoder(envelope)


def _is_foreign(piece: Part) -> bool:
    """Whether it is reasoning that this API did not sign."""
    if isinstance(piece, ToolCall):
        return bool(piece.signature)
    if not isinstance(piece, Reasoning):
        return False
    return not piece.signature or piece.id not in {"", "redacted"}


def _split_system(messages: Sequence[Message]) -> tuple[tuple[Part, ...], Sequence[Message]]:
    """The leading system messages are a parameter of their own; later ones stay where they are."""
    leading = 0
    while leading < len(messages) and messages[leading].role == "system":
        leading += 1
    return tuple(p for m in messages[:leading] for p in m.parts), messages[leading:]


def _encoded(message: Message) -> dict[str, Any]:
    blocks = _blocks(message.parts)
    is_plain = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
    return {"role": message.role, "content": blocks[0]["text"] if is_plain else blocks}


def _blocks(parts: Sequence[Part]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for piece in parts:
        if isinstance(piece, CacheMark):
            if blocks:
                blocks[-1] |= _MARK
        elif block := _block(piece):
            blocks.append(block)
    return blocks


def _block(piece: Part) -> dict[str, Any]:
    """Reasoning that is not signed cannot be sent back."""
    if isinstance(piece, Text):
        return {"type": "text", "text": piece.text}
    if isinstance(piece, Attachment):
        return _file(piece)
    if isinstance(piece, Reasoning):
        return {} if _is_foreign(piece) else _thinking(piece)
    if isinstance(piece, ToolCall):
        called = {"id": piece.id, "name": piece.name, "input": arguments_object(piece.arguments)}
        return {"type": "tool_use", **called}
    if isinstance(piece, ToolResult):
        result = {"tool_use_id": piece.id, "content": _blocks(piece.parts)}
        return {"type": "tool_result", **result, **({"is_error": True} if piece.is_error else {})}
    return {}


def _thinking(piece: Reasoning) -> dict[str, Any]:
    """Redacted thinking has no text; its data are opaque as a signature is."""
    if not piece.text and piece.id == "redacted":
        return {"type": "redacted_thinking", "data": piece.signature}
    return {"type": "thinking", "thinking": piece.text, "signature": piece.signature}


def _file(file: Attachment) -> dict[str, Any]:
    source = {"type": "base64", "media_type": file.media_type, "data": base64_of(file)}
    if file.modality == "pdf":
        return {"type": "document", "source": source, "title": name_of(file)}
    return {"type": "image", "source": source}


def _encoded_tool(tool: ToolSpec) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    schema = {"type": "object", **tool.parameters}
    return {"name": tool.name, **described, "input_schema": schema}


def _encoded_choice(choice: ToolChoice) -> dict[str, Any]:
    kind = "tool" if choice.name else {"required": "any"}.get(choice.mode, choice.mode)
    if kind == "auto" and choice.parallel:
        return {}
    found: dict[str, Any] = {"type": kind}
    if choice.name:
        found["name"] = choice.name
    if not choice.parallel and kind != "none":
        found["disable_parallel_tool_use"] = True
    return {"tool_choice": found}


def _encoded_config(request: ChatRequest) -> dict[str, Any]:
    found: dict[str, Any] = {}
    config: dict[str, Any] = {}
    if request.effort == "none":
        found["thinking"] = {"type": "disabled"}
    elif request.effort:
        found["thinking"] = {"type": "adaptive"}
        config["effort"] = request.effort
    if request.schema is not None:
        config["format"] = {"type": "json_schema", "schema": closed(request.schema)}
    return {**found, "output_config": config} if config else found


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
