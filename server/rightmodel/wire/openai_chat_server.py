"""OpenAI's chat completions as a server speaks them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import (
    ChatRequest,
    Message,
    Reasoning,
    Shown,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    WireFormat,
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
    strings,
)
from rightmodel.wire.codec import Codec, Envelope, StreamEncoder, any_reasoning
from rightmodel.wire.error_body import openai_error
from rightmodel.wire.fields import arguments_text, effort_of, obj, objects, text
from rightmodel.wire.openai_chat import (
    ChatDecoder,
    call_head,
    encode_request,
    fitted,
    function_of,
    headers,
    url,
)
from rightmodel.wire.openai_fields import allowed_tools, decoded_choice, decoded_schema
from rightmodel.wire.plain import plain_chat
from rightmodel.wire.request import RequestError
from rightmodel.wire.response import CallStart, ChatResponse, ReasoningDelta, StreamEvent
from rightmodel.wire.tools import function_tool, tool_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.task import Part

_FIELDS: Final = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "tools",
    "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "reasoning",
    "temperature", "top_p", "stop", "user", "store", "metadata", "usage", "prompt_cache_key",
    "safety_identifier", "service_tier", "n", "functions", "audio", "logprobs",
    "web_search_options", "modalities", "continue_final_message",
})  # fmt: skip
_ROLES: Final = ("system", "developer", "user", "assistant", "tool", "function")
_NATIVE: Final = frozenset({
    "n", "functions", "audio", "logprobs", "web_search_options", "continue_final_message",
})  # fmt: skip
_HARMLESS: Final[tuple[Any, ...]] = (None, False, [])
"""Fields that only the same API serves, and values with which they ask for nothing; `n` is 1."""

_FINISH_OUT: Final = {"refused": "content_filter"}
_NOTHING: Final = Text("")


def decode_request(body: Mapping[str, Any]) -> ChatRequest:
    """The neutral form of a body. Raises `RequestError`."""
    form = optional(body, "response_format", dict) or {}
    schema_at = "response_format.json_schema"
    effort = body.get("reasoning_effort") or obj(body.get("reasoning")).get("effort")
    left = Leftovers(body, _FIELDS)
    for name in _NATIVE & body.keys():
        if body[name] not in _HARMLESS and (name, body[name]) != ("n", 1):
            left.native(name)
    if "audio" in strings(body, "modalities"):
        left.native("audio")
    given = entries(body.get("tools"), "tools")
    tools = tuple(tool for t in given if (tool := _decoded_tool(t, left)))
    chosen = obj(obj(body.get("tool_choice")).get("function"))
    request = ChatRequest(
        model=required(body, "model", str),
        messages=_decoded_messages(messages(body, "messages"), left),
        tools=allowed_tools(body, tools),
        tool_choice=decoded_choice(body, text(chosen.get("name")), left),
        schema=decoded_schema(form, obj(form.get("json_schema")), schema_at, left),
        effort=effort_of(effort),
        max_output_tokens=_cap(body, "max_completion_tokens") or _cap(body, "max_tokens"),
        temperature=number(body, "temperature"),
        top_p=number(body, "top_p"),
        stop=strings(body, "stop"),
        stream=bool(optional(body, "stream", bool)),
        cache_key=text(body.get("prompt_cache_key")),
    )
    return left.noted(request, "messages")


def _cap(body: Mapping[str, Any], name: str) -> int:
    """llama.cpp, LM Studio and their clients say -1 for no limit."""
    return 0 if body.get(name) == -1 else limit(body, name)


def _decoded_messages(sent: list[dict[str, Any]], left: Leftovers) -> tuple[Message, ...]:
    """Results of tools join the user's message that follows them."""
    found: list[Message] = []
    results: list[ToolResult] = []
    for number_, message in enumerate(sent):
        field = f"messages[{number_}]"
        role = message.get("role")
        if role not in _ROLES:
            words = f"{role!r} is not one of {', '.join(_ROLES)}"
            raise RequestError(f"{field}.role: {words}", field)
        parts = _decoded_content(message, field, left)
        if role == "function":  # the result of a call of `functions`
            left.native("functions")
        elif role == "tool":
            result = [part for part in parts if isinstance(part, Shown)]
            results.append(ToolResult(text(message.get("tool_call_id")), tuple(result)))
            continue
        if results:
            pending, results = tuple(results), []
            if role == "user":
                parts = (*pending, *parts)
            else:
                found.append(Message("user", pending))
        found.append(_decoded_message(role, parts, message, left))
    if results:
        found.append(Message("user", tuple(results)))
    return tuple(found)


def _decoded_message(
    role: Any, parts: tuple[Part, ...], message: Mapping[str, Any], left: Leftovers
) -> Message:
    if role != "assistant":
        named = _spoken(text(message.get("name")), parts)
        return Message("system" if role in ("system", "developer") else "user", named)
    if message.get("prefix"):
        left.native("messages.prefix")
    if message.get("function_call"):
        left.native("functions")
    if message.get("audio"):
        left.native("audio")
    calls: list[ToolCall] = []
    for call in objects(message.get("tool_calls")):
        if call.get("custom"):
            left.native("tools.custom")
        function = obj(call.get("function"))
        name = tool_name(text(function.get("name")))
        arguments = arguments_text(function.get("arguments"))
        calls.append(ToolCall(text(call.get("id")), name, arguments))
    thought, refusal = text(message.get("reasoning_content")), text(message.get("refusal"))
    reasoning = (Reasoning(thought),) if thought else ()
    contents = [part for part in parts if part != _NOTHING]
    if refusal:
        contents.append(Text(refusal))
    return Message("assistant", (*reasoning, *contents, *calls))


def _spoken(name: str, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """What a participant says who has a name: no other API has a field for it."""
    if not name:
        return parts
    first = next((part for part in parts if isinstance(part, Text)), None)
    if first is None:
        return (Text(f"{name}:"), *parts)
    return tuple(Text(f"{name}: {part.text}") if part is first else part for part in parts)


def _decoded_content(message: Mapping[str, Any], field: str, left: Leftovers) -> tuple[Part, ...]:
    given = message.get("content")
    if isinstance(given, str):
        return (Text(given),)
    if given is None and message.get("role") in ("assistant", "tool"):
        return ()
    parts: list[Part] = []
    for number_, piece in enumerate(objects(content(message, field))):
        if "file_id" in obj(piece.get("file")):
            left.native("uploaded_files")
        else:
            parts += _decoded_part(piece, f"{field}.content[{number_}]", left)
    return tuple(parts)


def _decoded_part(piece: Mapping[str, Any], field: str, left: Leftovers) -> Iterator[Part]:
    kind = required(piece, "type", str, f"{field}.")
    if kind in ("text", "refusal"):
        yield Text(required(piece, kind, str, f"{field}."))
    elif kind == "image_url":
        image = piece.get("image_url")  # Mistral's may be the URL itself
        yield file_of_url(text(image) or text(obj(image).get("url")), "image", field)
    elif kind == "input_audio":
        audio = obj(piece.get("input_audio"))
        media_type = "audio/wav" if audio.get("format") == "wav" else "audio/mpeg"
        yield file_of(text(audio.get("data")), media_type, "audio", field)
    elif kind == "file":
        file = obj(piece.get("file"))
        yield file_of_url(text(file.get("file_data")), text(file.get("filename")), field)
    elif kind == "thinking":  # Mistral's
        thought = "".join(text(part.get("text")) for part in objects(piece.get("thinking")))
        yield Reasoning(thought)
    else:  # what hosts have of their own: `video_url`, `document_url`
        left.native(f"messages.content.{kind}")


def _decoded_tool(tool: Mapping[str, Any], left: Leftovers) -> ToolSpec | None:
    function = obj(tool.get("function"))
    if tool.get("type", "function") != "function":
        left.native(f"tools.{tool['type']}")
        return None
    if not text(function.get("name")):
        raise RequestError("tools: a function without a name", "tools")
    left.strict(function)
    parameters = obj(function.get("parameters"))
    return function_tool(function["name"], text(function.get("description")), parameters)


def encode_response(response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
    """A `chat.completion`."""
    calls = [_call(c, envelope) for c in response.calls]
    is_refusal = response.finish == "refused" and bool(response.text)
    message: dict[str, Any] = {
        "role": "assistant",
        "content": None if is_refusal or (calls and not response.text) else response.text,
        "refusal": response.text if is_refusal else None,
    }
    thought = "".join(p.text for p in response.parts if isinstance(p, Reasoning))
    if thought:
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": "stop"
        if is_refusal
        else _FINISH_OUT.get(response.finish, response.finish),
    }
    body = {**_head(envelope, "chat.completion"), "choices": [choice]}
    return body if response.usage is None else {**body, "usage": _usage_out(response)}


class ChatStreamEncoder(StreamEncoder):
    """Chunks: the role, what the events bring, how it ended, and the usage."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._head = _head(envelope, "chat.completion.chunk")

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {**self._head, "choices": [choice]}

    def start(self) -> list[dict[str, Any]]:
        """The role."""
        return [self._chunk({"role": "assistant", "content": ""})]

    def event(self, event: StreamEvent) -> list[dict[str, Any]]:
        """One chunk."""
        if isinstance(event, str):
            return [self._chunk({"content": event})]
        if isinstance(event, ReasoningDelta):
            return [self._chunk({"reasoning_content": event.text})] if event.text else []
        if isinstance(event, CallStart):
            call = _call(ToolCall(event.id, event.name, ""), self._envelope)
            return [self._chunk({"tool_calls": [{"index": event.number, **call}]})]
        piece = {"index": event.number, "function": {"arguments": event.arguments}}
        return [self._chunk({"tool_calls": [piece]})]

    def end(self, response: ChatResponse) -> list[dict[str, Any]]:
        """The finish reason, then the usage in a chunk without choices."""
        chunks = [self._chunk({}, _FINISH_OUT.get(response.finish, response.finish))]
        if response.usage is not None:
            chunks.append({**self._head, "choices": [], "usage": _usage_out(response)})
        return chunks


def _call(call: ToolCall, envelope: Envelope) -> dict[str, Any]:
    named = replace(call, name=envelope.origin(call.name).name)
    return {**call_head(call), "function": function_of(named)}


def _head(envelope: Envelope, kind: str) -> dict[str, Any]:
    return {"id": envelope.id, "object": kind, "created": envelope.created, "model": envelope.model}


def _usage_out(response: ChatResponse) -> dict[str, Any]:
    used = response.usage
    if used is None:
        return {}
    of_prompt = {"cached_tokens": used.cache_read, "audio_tokens": used.audio}
    if used.cache_write:
        of_prompt["cache_write_tokens"] = used.cache_write
    usage: dict[str, Any] = {
        "prompt_tokens": used.input,
        "completion_tokens": used.output,
        "total_tokens": used.input + used.output,
        "prompt_tokens_details": of_prompt,
        "completion_tokens_details": {"reasoning_tokens": used.reasoning},
    }
    return usage if response.cost_usd is None else {**usage, "cost": float(response.cost_usd)}


CODEC: Final = Codec(
    name=WireFormat.OPENAI_CHAT,
    url=url,
    headers=headers,
    encode_request=encode_request,
    decoder=ChatDecoder,
    is_foreign=any_reasoning,
    not_carried=frozenset({"cache_marks", "pdf_url"}),
    schema_path="response_format",
    cap_paths=("max_completion_tokens", "max_tokens"),
    effort_path="reasoning_effort",
    optional=(
        "max_completion_tokens",
        "max_tokens",
        "reasoning_effort",
        "reasoning",
        "response_format",
        "stream_options",
        "usage",
        "temperature",
        "top_p",
        "parallel_tool_calls",
        "stream",
    ),
    renamed={"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"},
    last=b"data: [DONE]\n\n",
    decode_request=decode_request,
    encode_response=encode_response,
    stream_encoder=ChatStreamEncoder,
    fitted=fitted,
    plain=plain_chat,
    encode_error=openai_error,
    error_events=lambda body, _: [body],
)
