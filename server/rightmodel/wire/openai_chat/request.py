"""Requests of OpenAI's chat completions, encoded and decoded."""

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
    file_of,
    file_of_url,
    given,
    ignored,
    number,
    obj,
    objects,
    required,
    text,
)
from rightmodel.wire.request import ChatRequest, RequestError, base64_of, data_url, name_of
from rightmodel.wire.schemas import is_strict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.task import Part

_FIELDS: Final = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "tools",
    "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "reasoning",
    "temperature", "top_p", "stop", "user", "store", "metadata", "usage",
})  # fmt: skip
_AUDIO: Final = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


def encode_request(request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
    """The body in the dialect of its host."""
    messages = [out for message in request.messages for out in _encoded(message)]
    body: dict[str, Any] = {"model": request.model, "messages": messages}
    if request.stream:
        body["stream"] = True
        if quirks.stream_usage:
            body["stream_options"] = {"include_usage": True}
    if request.max_output_tokens:
        body[quirks.output_cap] = request.max_output_tokens
    if request.tools:
        body["tools"] = [{"type": "function", "function": _tool(t)} for t in request.tools]
        body |= _encoded_choice(request.tool_choice)
    if request.schema is not None:
        schema = dict(request.schema)
        named = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    if request.effort:
        as_object = quirks.effort_field == "reasoning"
        body[quirks.effort_field] = {"effort": request.effort} if as_object else request.effort
    body |= given(temperature=request.temperature, top_p=request.top_p)
    if request.stop:
        body["stop"] = list(request.stop)
    return body


def decode_request(body: Mapping[str, Any]) -> ChatRequest:
    """The neutral form of a body. Raises `RequestError`."""
    form = obj(body.get("response_format"))
    stop = body.get("stop")
    effort = body.get("reasoning_effort") or obj(body.get("reasoning")).get("effort")
    return ChatRequest(
        model=required(body, "model", str),
        messages=_decoded_messages(required(body, "messages", list)),
        tools=tuple(_decoded_tool(t) for t in objects(body.get("tools"))),
        tool_choice=_decoded_choice(body),
        schema=obj(form.get("json_schema")).get("schema") or _any_object(form),
        effort=text(effort),
        max_output_tokens=count(body.get("max_completion_tokens")) or count(body.get("max_tokens")),
        temperature=number(body.get("temperature")),
        top_p=number(body.get("top_p")),
        stop=(stop,) if isinstance(stop, str) else tuple(filter(text, stop or ())),
        stream=body.get("stream") is True,
        ignored=ignored(body, _FIELDS),
    )


def unsupported(request: ChatRequest) -> frozenset[str]:
    """Images in results of tools; reasoning and cache marks have no field."""
    found = set()
    for message in request.messages:
        for piece in message.parts:
            if isinstance(piece, CacheMark):
                found.add("cache_marks")
            elif isinstance(piece, Reasoning | ToolCall) and _is_reasoning(piece):
                found.add("reasoning")
            elif isinstance(piece, ToolResult):
                if any(isinstance(p, Attachment) for p in piece.parts):
                    found.add("tool_result_files")
                if piece.is_error:
                    found.add("tool_errors")
    return frozenset(found)


def _is_reasoning(piece: Reasoning | ToolCall) -> bool:
    return isinstance(piece, Reasoning) or bool(piece.signature)


def _encoded(message: Message) -> Iterator[dict[str, Any]]:
    """Results of tools are messages of their own, in front of the rest."""
    if message.role == "assistant":
        yield _encoded_assistant(message)
        return
    rest: list[Part] = []
    for piece in message.parts:
        if isinstance(piece, ToolResult):
            said = "".join(p.text for p in piece.parts if isinstance(p, Text))
            yield {"role": "tool", "tool_call_id": piece.id, "content": said}
            rest += [p for p in piece.parts if isinstance(p, Attachment)]
        else:
            rest.append(piece)
    contents = [_content(p) for p in rest if isinstance(p, Text | Attachment)]
    if len(contents) == 1 and "text" in contents[0]:
        yield {"role": message.role, "content": contents[0]["text"]}
    elif contents:
        yield {"role": message.role, "content": contents}


def _encoded_assistant(message: Message) -> dict[str, Any]:
    calls = [p for p in message.parts if isinstance(p, ToolCall)]
    said: dict[str, Any] = {"role": "assistant", "content": message.text}
    if calls:
        said["content"] = message.text or None
        said["tool_calls"] = [{**call_head(c), "function": function_of(c)} for c in calls]
    return said


def _content(piece: Text | Attachment) -> dict[str, Any]:
    if isinstance(piece, Text):
        return {"type": "text", "text": piece.text}
    if piece.modality == "image":
        return {"type": "image_url", "image_url": {"url": data_url(piece)}}
    if piece.modality == "audio":
        kind = _AUDIO.get(piece.media_type, "mp3")
        return {"type": "input_audio", "input_audio": {"data": base64_of(piece), "format": kind}}
    return {"type": "file", "file": {"filename": name_of(piece), "file_data": data_url(piece)}}


def _tool(tool: ToolSpec) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    return {"name": tool.name, **described, "parameters": dict(tool.parameters)}


def _encoded_choice(choice: ToolChoice) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if choice.name:
        found["tool_choice"] = {"type": "function", "function": {"name": choice.name}}
    elif choice.mode != "auto":
        found["tool_choice"] = choice.mode
    return found if choice.parallel else {**found, "parallel_tool_calls": False}


def call_head(call: ToolCall) -> dict[str, Any]:
    """The fields of a tool call beside its function."""
    return {"id": call.id, "type": "function"}


def function_of(call: ToolCall) -> dict[str, Any]:
    """A tool call's function."""
    return {"name": call.name, "arguments": call.arguments}


def _decoded_messages(messages: list[Any]) -> tuple[Message, ...]:
    """Results of tools join the user's message that follows them."""
    found: list[Message] = []
    results: list[ToolResult] = []
    for number_, message in enumerate(objects(messages)):
        field = f"messages[{number_}]"
        role = message.get("role")
        parts = tuple(_decoded_content(message.get("content"), field))
        if role == "tool":
            result = tuple(p for p in parts if isinstance(p, Text | Attachment))
            results.append(ToolResult(text(message.get("tool_call_id")), result))
            continue
        if results:
            pending, results = tuple(results), []
            if role == "user":
                parts = (*pending, *parts)
            else:
                found.append(Message("user", pending))
        found.append(_decoded_message(role, parts, message, field))
    if results:
        found.append(Message("user", tuple(results)))
    return tuple(found)


def _decoded_message(
    role: Any, parts: tuple[Part, ...], message: Mapping[str, Any], field: str
) -> Message:
    if role in {"system", "developer"}:
        return Message("system", parts)
    if role == "user":
        return Message("user", parts)
    if role != "assistant":
        raise RequestError(
            f"{field}.role: {role!r} is not one of system, developer, user, assistant, tool", field
        )
    calls = tuple(
        ToolCall(text(c.get("id")), text(f.get("name")), text(f.get("arguments")))
        for c in objects(message.get("tool_calls"))
        for f in (obj(c.get("function")),)
    )
    return Message("assistant", (*(p for p in parts if p != Text("")), *calls))


def _decoded_content(content: Any, field: str) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(content)
    for number_, piece in enumerate(objects(content)):
        yield _decoded_part(piece, f"{field}.content[{number_}]")


def _decoded_part(piece: Mapping[str, Any], field: str) -> Part:
    kind = piece.get("type")
    if kind in {"text", "refusal"}:
        return Text(text(piece.get(kind)))
    if kind == "image_url":
        return file_of_url(text(obj(piece.get("image_url")).get("url")), "image", field)
    if kind == "input_audio":
        audio = obj(piece.get("input_audio"))
        media_type = "audio/wav" if audio.get("format") == "wav" else "audio/mpeg"
        return file_of(text(audio.get("data")), media_type, "audio", field)
    if kind == "file":
        file = obj(piece.get("file"))
        return file_of_url(text(file.get("file_data")), text(file.get("filename")), field)
    raise RequestError(
        f"{field}.type: {kind!r} is not one of text, image_url, input_audio, file", field
    )


def _decoded_tool(tool: Mapping[str, Any]) -> ToolSpec:
    function = obj(tool.get("function"))
    if not text(function.get("name")):
        raise RequestError("tools: only tools of type function with a name are accepted", "tools")
    parameters = obj(function.get("parameters"))
    return ToolSpec(function["name"], text(function.get("description")), parameters)


def _decoded_choice(body: Mapping[str, Any]) -> ToolChoice:
    choice = body.get("tool_choice")
    parallel = body.get("parallel_tool_calls") is not False
    name = text(obj(obj(choice).get("function")).get("name"))
    if name:
        return ToolChoice("required", name, parallel)
    modes: dict[Any, ToolChoice] = {
        "none": ToolChoice("none", parallel=parallel),
        "required": ToolChoice("required", parallel=parallel),
    }
    return modes.get(text(choice), ToolChoice(parallel=parallel))


def _any_object(form: Mapping[str, Any]) -> dict[str, Any] | None:
    return {"type": "object"} if form.get("type") == "json_object" else None
