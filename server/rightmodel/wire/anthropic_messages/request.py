"""Requests of Anthropic's messages, encoded and decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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
from rightmodel.wire.codec import NO_QUIRKS, Quirks
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
from rightmodel.wire.schemas import closed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rightmodel.core.task import Part
DEFAULT_OUTPUT: Final = 8192
"""Where the caller leaves it open: the API always wants a limit."""
_CHOICES: Final = {"auto": "auto", "none": "none", "any": "required", "tool": "required"}
_MARK: Final = {"cache_control": {"type": "ephemeral"}}
_FIELDS: Final = frozenset({
    "model", "messages", "system", "max_tokens", "stream", "tools", "tool_choice", "thinking",
    "output_config", "temperature", "top_p", "stop_sequences", "metadata",
})  # fmt: skip
_LOW_BUDGET, _MEDIUM_BUDGET = 2048, 12_000
"""Tokens of a thinking budget up to which the effort is low and medium."""


def encode_request(request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
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


def unsupported(request: ChatRequest) -> frozenset[str]:
    """Audio; reasoning without a signature; signatures of tool calls."""
    found = set()
    for message in request.messages:
        for piece in message.parts:
            if isinstance(piece, Attachment) and piece.modality == "audio":
                found.add("audio")
            elif _is_foreign(piece):
                found.add("reasoning")
    return frozenset(found)


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
        return {} if _is_foreign(piece) else thinking_of(piece)
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
