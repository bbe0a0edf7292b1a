"""Anthropic's messages as a client speaks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

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
from rightmodel.wire.conversation import is_sealed, leading_system
from rightmodel.wire.fields import (
    arguments_object,
    dumps,
    given,
    merge_counts,
    part,
    text,
    tokens_in,
    usage_of,
    whole,
)
from rightmodel.wire.request import ModelRequest, base64_of, name_of
from rightmodel.wire.response import PAUSED, NoResponseError, ResponseDecoder
from rightmodel.wire.schemas import closed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rightmodel.core.call import Usage
    from rightmodel.core.task import ChatRequest, Part
    from rightmodel.manifest.quirks import Quirks

VERSION: Final = "2023-06-01"
DEFAULT_OUTPUT: Final = 8192
"""Where the caller leaves it open: the API always wants a limit."""

MOST_TEMPERATURE: Final = 1.0
"""OpenAI's APIs and Gemini's go up to 2, this one up to 1."""

_MARK: Final = {"cache_control": {"type": "ephemeral"}}
_THINKING: Final = {"type": "adaptive"}
_FINISH: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
    "tool_use": "tool_calls",
}

_OWN_TOKENS: Final = ("anthropic.com", "azure.com", "amazonaws.com", "googleapis.com")
"""Hosts that take the key in `x-api-key`, and may take a bearer token for something else."""


def url(request: ModelRequest) -> str:
    """Where the request goes."""
    return f"{request.provider.base_url.removesuffix('/v1')}/v1/messages"


def headers(request: ModelRequest) -> dict[str, str]:
    """The key and the API's version. Some servers take the key as a bearer token alone (vLLM)."""
    key = {"x-api-key": request.key} if request.key else {}
    if key and not (urlsplit(request.provider.base_url).hostname or "").endswith(_OWN_TOKENS):
        key["authorization"] = f"Bearer {request.key}"
    return {"anthropic-version": VERSION, **key}


def encode_request(request: ChatRequest, quirks: Quirks) -> dict[str, Any]:
    """The body. Effort sets how long to think; adaptive thinking makes the model think."""
    del quirks
    leading = leading_system(request.messages)  # a parameter of their own; later ones stay
    system = tuple(part for m in request.messages[:leading] for part in m.parts)
    messages = request.messages[leading:]
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [out for message in messages if (out := _encoded(message))["content"]],
        "max_tokens": request.max_output_tokens or DEFAULT_OUTPUT,
    }
    if request.stream:
        body["stream"] = True
    if system:
        body["system"] = _content(system)
    if request.tools:
        body["tools"] = [_encoded_tool(tool) for tool in request.tools]
        body |= _encoded_choice(request.tool_choice)
    body |= _encoded_config(request)
    if body.get("thinking") != _THINKING:  # beside which no sampling parameter is accepted
        temperature = request.temperature and min(request.temperature, MOST_TEMPERATURE)
        body |= given(temperature=temperature, top_p=request.top_p)
    if request.stop:
        body["stop_sequences"] = list(request.stop)
    if request.tools and body["messages"] and not _is_marked(request):
        _mark_ends(body)
    return body


def _is_marked(request: ChatRequest) -> bool:
    return any(isinstance(part, CacheMark) for m in request.messages for part in m.parts)


def _mark_ends(body: dict[str, Any]) -> None:
    """Have an agent's prompt cached whose own API has no marks: its next turn repeats it.

    The ends of the system text, with the tools before it, and of the conversation are marked.
    """
    for holder, key in ((body, "system"), (body["messages"][-1], "content")):
        if isinstance(holder.get(key), str):
            holder[key] = [{"type": "text", "text": holder[key]}]
        if holder.get(key) and holder[key][-1]["type"] not in {"thinking", "redacted_thinking"}:
            holder[key][-1] |= _MARK


def is_foreign(piece: Part) -> bool:
    """Whether it is reasoning that this API did not sign, or a call that another API signed."""
    if isinstance(piece, ToolCall):
        return bool(piece.signature)
    if not isinstance(piece, Reasoning):
        return False
    return not piece.signature or piece.id not in {"", "redacted"} or is_sealed(piece.signature)


def _encoded(message: Message) -> dict[str, Any]:
    return {"role": message.role, "content": _content(message.parts)}


def _content(parts: Sequence[Part]) -> str | list[dict[str, Any]]:
    blocks = _blocks(parts)
    is_plain = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
    return blocks[0]["text"] if is_plain else blocks


def _blocks(parts: Sequence[Part]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for piece in parts:
        if isinstance(piece, CacheMark):
            if blocks:
                blocks[-1] |= _MARK
        elif block := block_of(piece):
            blocks.append(block)
    return blocks


def block_of(piece: Part) -> dict[str, Any]:
    """Reasoning that is not signed cannot be sent back."""
    if isinstance(piece, Text):
        return {"type": "text", "text": piece.text}
    if isinstance(piece, Attachment):
        return _file(piece)
    if isinstance(piece, Reasoning):
        return {} if is_foreign(piece) else thinking_of(piece)
    if isinstance(piece, ToolCall):
        called = {"id": piece.id, "name": piece.name, "input": arguments_object(piece.arguments)}
        return {"type": "tool_use", **called}
    if isinstance(piece, ToolResult):
        result = {"tool_use_id": piece.id, "content": _blocks(piece.parts)}
        return {"type": "tool_result", **result, **({"is_error": True} if piece.is_error else {})}
    return {}


def thinking_of(piece: Reasoning) -> dict[str, Any]:
    """Redacted thinking has no text; its data are opaque as a signature is."""
    if not piece.text and piece.id == "redacted":
        return {"type": "redacted_thinking", "data": piece.signature}
    return {"type": "thinking", "thinking": piece.text, "signature": piece.signature}


def _file(file: Attachment) -> dict[str, Any]:
    source = {"type": "base64", "media_type": file.media_type, "data": base64_of(file)}
    if file.url:
        source = {"type": "url", "url": file.url}
    if file.modality == "pdf":
        title = {} if file.url else {"title": name_of(file)}
        return {"type": "document", "source": source, **title}
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
        config["effort"] = request.effort
        if request.tool_choice.mode != "required":  # "Thinking may not be enabled when …"
            found["thinking"] = {**_THINKING}
    if request.schema is not None:
        config["format"] = {"type": "json_schema", "schema": closed(request.schema)}
    return {**found, "output_config": config} if config else found


class MessageDecoder(ResponseDecoder):
    """A message, or the events that build one up."""

    __slots__ = ("_calls", "_inputs", "_reason")

    def __init__(self) -> None:
        super().__init__()
        self._reason = ""
        self._calls: dict[Any, int] = {}
        self._inputs: dict[Any, Any] = {}

    def event(self, value: Mapping[str, Any]) -> None:
        """One event; unknown ones are skipped, as the API's versioning policy asks."""
        kind = value.get("type")
        if kind == "content_block_delta":
            self._note_piece(value.get("delta") or {}, value.get("index"))
        elif kind == "content_block_start":
            self._note_piece(value.get("content_block") or {}, value.get("index"))
        elif kind == "content_block_stop":
            self._note_stop(value.get("index"))
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
            self._note_stop(position)
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
            self._inputs[index] = piece.get("input")
        elif kind == "input_json_delta" and index in self._calls:  # else of a tool of the provider
            self.arguments(self._calls[index], piece.get("partial_json"))

    def _note_stop(self, index: Any) -> None:
        """The input of a call comes in pieces, else whole at its start, else it is empty."""
        if index in self._calls and self._calls[index] == self._open:
            self._complete(dumps(self._inputs[index] or {}))

    def _note_message(self, message: Mapping[str, Any]) -> None:
        self.served = str(message.get("model") or self.served)
        self.id = str(message.get("id") or self.id)
        self._reason = str(message.get("stop_reason") or self._reason)
        self.has_other = self._reason == PAUSED
        usage = message.get("usage")
        if isinstance(usage, dict):
            merge_counts(self.counts, usage)

    @property
    def usage(self) -> Usage | None:
        """The API counts input without what was read from or written to the cache; ours is with it.

        Writes may be counted by how long they live and nowhere else.
        """
        counts = tokens_in(self.counts)
        by_life = tokens_in(part(self.counts, "cache_creation"))
        write_1h = by_life.get("ephemeral_1h_input_tokens", 0)
        write_5m = by_life.get("ephemeral_5m_input_tokens", 0)
        read = counts.get("cache_read_input_tokens", 0)
        write = max(counts.get("cache_creation_input_tokens", 0), write_1h + write_5m)
        return usage_of(
            input_tokens=counts.get("input_tokens", 0) + read + write,
            output=counts.get("output_tokens", 0),
            read=read,
            write=write,
            write_1h=write_1h,
            reasoning=whole(part(self.counts, "output_tokens_details").get("thinking_tokens")),
        )
