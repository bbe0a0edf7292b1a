"""Requests of OpenAI's responses API, encoded and decoded."""

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
    count,
    file_of_url,
    given,
    ignored,
    number,
    obj,
    objects,
    required,
    text,
)
from rightmodel.wire.request import ChatRequest, RequestError, data_url, name_of
from rightmodel.wire.schemas import is_strict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.task import Part
_FIELDS: Final = frozenset({
    "model", "input", "instructions", "stream", "tools", "tool_choice", "parallel_tool_calls",
    "text", "reasoning", "max_output_tokens", "temperature", "top_p", "store", "include",
    "metadata",
    "prompt_cache_key", "safety_identifier", "user", "service_tier", "truncation",
})  # fmt: skip
_ITEMS: Final = frozenset({"function_call", "function_call_output", "reasoning"})


def encode_request(request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
    """The body; leading system messages are the instructions."""
    del quirks
    leading = 0
    while leading < len(request.messages) and request.messages[leading].role == "system":
        leading += 1
    body: dict[str, Any] = {
        "model": request.model,
        "input": [item for m in request.messages[leading:] for item in _encoded(m)],
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    if leading:
        body["instructions"] = "\n\n".join(m.text for m in request.messages[:leading])
    if request.stream:
        body["stream"] = True
    if request.max_output_tokens:
        body["max_output_tokens"] = request.max_output_tokens
    if request.tools:
        body["tools"] = [_encoded_tool(tool) for tool in request.tools]
        body |= _encoded_choice(request.tool_choice)
    if request.schema is not None:
        schema = dict(request.schema)
        named = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
        body["text"] = {"format": {"type": "json_schema", **named}}
    if request.effort:
        body["reasoning"] = {"effort": request.effort}
    body |= given(temperature=request.temperature, top_p=request.top_p)
    return body


def decode_request(body: Mapping[str, Any]) -> ChatRequest:
    """The neutral form of a body. Raises `RequestError`."""
    if body.get("previous_response_id") or body.get("conversation"):
        raise RequestError(
            "previous_response_id: responses are not stored; send the whole conversation as input",
            "previous_response_id",
        )
    given = body.get("input")
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    elif not isinstance(given, list):
        raise RequestError("input: a string or an array is required", "input")
    instructions = text(body.get("instructions"))
    system = (Message("system", (Text(instructions),)),) if instructions else ()
    form = obj(obj(body.get("text")).get("format"))
    return ChatRequest(
        model=required(body, "model", str),
        messages=(*system, *_decoded_items(given)),
        tools=tuple(_decoded_tool(t) for t in objects(body.get("tools"))),
        tool_choice=_decoded_choice(body),
        schema=form.get("schema")
        or ({"type": "object"} if form.get("type") == "json_object" else None),
        effort=text(obj(body.get("reasoning")).get("effort")),
        max_output_tokens=count(body.get("max_output_tokens")),
        temperature=number(body.get("temperature")),
        top_p=number(body.get("top_p")),
        stream=body.get("stream") is True,
        ignored=ignored(body, _FIELDS),
    )


def unsupported(request: ChatRequest) -> frozenset[str]:
    """Stop sequences, audio, failed tools, cache marks, reasoning of other providers."""
    found = {"stop"} if request.stop else set()
    for message in request.messages:
        for piece in message.parts:
            found |= _unsupported(piece)
    return frozenset(found)


def _unsupported(piece: Part) -> set[str]:
    if isinstance(piece, CacheMark):
        return {"cache_marks"}
    if isinstance(piece, Attachment) and piece.modality == "audio":
        return {"audio"}
    if isinstance(piece, ToolResult) and piece.is_error:
        return {"tool_errors"}
    if isinstance(piece, Reasoning) and not (piece.signature and piece.id):
        return {"reasoning"}
    return {"reasoning"} if isinstance(piece, ToolCall) and piece.signature else set()


def _encoded(message: Message) -> Iterator[dict[str, Any]]:
    """Calls, results and reasoning are items of their own, between the contents of messages."""
    contents: list[dict[str, Any]] = []
    for piece in message.parts:
        if isinstance(piece, Text) and message.role == "assistant":
            yield {"type": "message", "role": "assistant", "content": piece.text}
            continue
        if isinstance(piece, Text | Attachment):
            contents.append(_content(piece))
            continue
        if contents:
            yield {"type": "message", "role": message.role, "content": contents}
            contents = []
        yield from item_of(piece)
    if contents:
        yield {"type": "message", "role": message.role, "content": contents}


def item_of(piece: Part) -> Iterator[dict[str, Any]]:
    """The item of a part that is none of a message."""
    if isinstance(piece, ToolCall):
        called = {"call_id": piece.id, "name": piece.name, "arguments": piece.arguments}
        yield {"type": "function_call", **called}
    elif isinstance(piece, ToolResult):
        contents = [_content(p) for p in piece.parts]
        is_plain = len(contents) == 1 and "text" in contents[0]
        output = contents[0]["text"] if is_plain else contents
        yield {"type": "function_call_output", "call_id": piece.id, "output": output}
    elif isinstance(piece, Reasoning) and piece.signature and piece.id:
        yield reasoning_item(piece, piece.id)


def reasoning_item(piece: Reasoning, name: str) -> dict[str, Any]:
    """The item of reasoning."""
    summary = [{"type": "summary_text", "text": piece.text}] if piece.text else []
    item = {"type": "reasoning", "id": name, "summary": summary}
    return {**item, "encrypted_content": piece.signature} if piece.signature else item


def _content(piece: Text | Attachment) -> dict[str, Any]:
    if isinstance(piece, Text):
        return {"type": "input_text", "text": piece.text}
    if piece.modality == "image":
        return {"type": "input_image", "image_url": data_url(piece), "detail": "auto"}
    return {"type": "input_file", "filename": name_of(piece), "file_data": data_url(piece)}


def _encoded_tool(tool: ToolSpec) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    parameters = dict(tool.parameters)
    strict = {"parameters": parameters, "strict": False}
    return {"type": "function", "name": tool.name, **described, **strict}


def _encoded_choice(choice: ToolChoice) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if choice.name:
        found["tool_choice"] = {"type": "function", "name": choice.name}
    elif choice.mode != "auto":
        found["tool_choice"] = choice.mode
    return found if choice.parallel else {**found, "parallel_tool_calls": False}


def _decoded_items(items: list[Any]) -> tuple[Message, ...]:
    """Items in a row that one side sent are one message."""
    found: list[tuple[Any, list[Part]]] = []
    for number_, item in enumerate(objects(items)):
        role, parts = _decoded_item(item, f"input[{number_}]")
        if found and found[-1][0] == role and _continues(item, found[-1][1], role):
            found[-1][1].extend(parts)
        else:
            found.append((role, parts))
    return tuple(Message(role, tuple(parts)) for role, parts in found)


def _continues(item: Mapping[str, Any], before: list[Part], role: str) -> bool:
    return item.get("type") in _ITEMS or role == "assistant" or _only_results(before)


def _only_results(parts: list[Part]) -> bool:
    return all(isinstance(piece, ToolResult) for piece in parts)


def _decoded_item(item: Mapping[str, Any], field: str) -> tuple[str, list[Part]]:
    kind = item.get("type", "message")
    if kind == "function_call":
        arguments = text(item.get("arguments"))
        return "assistant", [ToolCall(text(item.get("call_id")), text(item.get("name")), arguments)]
    if kind == "function_call_output":
        parts = _decoded_content(item.get("output"), field)
        return "user", [ToolResult(text(item.get("call_id")), tuple(parts))]
    if kind == "reasoning":
        summary = "\n\n".join(text(s.get("text")) for s in objects(item.get("summary")))
        signature = text(item.get("encrypted_content"))
        return "assistant", [Reasoning(summary, signature, text(item.get("id")))]
    role = item.get("role")
    if kind != "message" or role not in {"user", "assistant", "system", "developer"}:
        raise RequestError(f"{field}.type: {kind!r} with role {role!r} is not supported", field)
    contents = _decoded_content(item.get("content"), field)
    return ("system" if role == "developer" else role), [*contents]


def _decoded_content(content: Any, field: str) -> Iterator[Text | Attachment]:
    if isinstance(content, str):
        yield Text(content)
    for number_, piece in enumerate(objects(content)):
        where = f"{field}.content[{number_}]"
        kind = piece.get("type")
        if kind in {"input_text", "output_text", "text"}:
            yield Text(text(piece.get("text")))
        elif kind == "refusal":
            yield Text(text(piece.get("refusal")))
        elif kind == "input_image":
            yield file_of_url(text(piece.get("image_url")), "image", where)
        elif kind == "input_file":
            yield file_of_url(text(piece.get("file_data")), text(piece.get("filename")), where)
        else:
            raise RequestError(f"{where}.type: {kind!r} is not supported", where)


def _decoded_tool(tool: Mapping[str, Any]) -> ToolSpec:
    if tool.get("type") != "function" or not text(tool.get("name")):
        raise RequestError(
            f"tools: only tools of type function are accepted, not {tool.get('type')!r}", "tools"
        )
    return ToolSpec(tool["name"], text(tool.get("description")), obj(tool.get("parameters")))


def _decoded_choice(body: Mapping[str, Any]) -> ToolChoice:
    choice = body.get("tool_choice")
    parallel = body.get("parallel_tool_calls") is not False
    if name := text(obj(choice).get("name")):
        return ToolChoice("required", name, parallel)
    mode: Any = choice if choice in {"none", "required"} else "auto"
    return ToolChoice(mode, parallel=parallel)
