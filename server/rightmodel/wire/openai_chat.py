"""OpenAI's chat completions, and the many that speak a dialect of it."""

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
from rightmodel.wire.decoder import InBandError, NoResponseError, ResponseDecoder
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
from rightmodel.wire.response import CallStart, ReasoningDelta
from rightmodel.wire.schemas import is_strict
from rightmodel.wire.usage import first, merge_counts, part, usage_of, whole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.call import Usage
    from rightmodel.core.task import Part
    from rightmodel.wire.request import ModelRequest
    from rightmodel.wire.response import ChatResponse, StreamEvent

_FINISH: Final = {
    **dict.fromkeys(
        ("stop", "eos", "eos_token", "end_turn", "end", "done", "complete", "completed",
         "stop_sequence", "stop_token"),
        "stop",
    ),
    **dict.fromkeys(
        ("length", "max_tokens", "max_output_tokens", "token_limit", "model_length",
         "model_context_window_exceeded"),
        "length",
    ),
    **dict.fromkeys(
        ("content_filter", "content_filtered", "guardrail_intervened", "safety", "recitation",
         "sensitive", "refusal"),
        "refused",
    ),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_calls"),
}  # fmt: skip
_FINISH_OUT: Final = {"refused": "content_filter"}
_BROKEN_OFF: Final = {
    "error": 500,  # OpenRouter
    "insufficient_system_resource": 503,  # DeepSeek
    "network_error": 500,  # Z.ai
    "abort": 500,  # SGLang, vLLM
}
"""Finish reasons that say that the answer was not finished, and the status that they stand for."""

_FIELDS: Final = frozenset({
    "model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "tools",
    "tool_choice", "parallel_tool_calls", "response_format", "reasoning_effort", "reasoning",
    "temperature", "top_p", "stop", "user", "store", "metadata", "usage",
})  # fmt: skip
_AUDIO: Final = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}


class OpenAIChat(Codec):
    """`POST {base_url}/chat/completions`."""

    schema_path = "response_format"
    cap_paths = ("max_completion_tokens", "max_tokens")
    effort_path = "reasoning_effort"
    optional = (
        "max_completion_tokens", "max_tokens", "reasoning_effort", "reasoning", "response_format",
        "stream_options", "usage", "stream",
    )  # fmt: skip
    renamed: ClassVar[Mapping[str, str]] = {
        "max_tokens": "max_completion_tokens",
        "max_completion_tokens": "max_tokens",
    }
    last = "[DONE]"

    def url(self, request: ModelRequest) -> str:
        """Where the request goes."""
        return f"{request.provider.base_url}/chat/completions"

    def headers(self, request: ModelRequest) -> dict[str, str]:
        """The key as a bearer token."""
        return {"authorization": f"Bearer {request.key}"} if request.key else {}

    def encode_request(self, request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
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

    def decode_request(self, body: Mapping[str, Any]) -> ChatRequest:
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
            max_output_tokens=count(body.get("max_completion_tokens"))
            or count(body.get("max_tokens")),
            temperature=number(body.get("temperature")),
            top_p=number(body.get("top_p")),
            stop=(stop,) if isinstance(stop, str) else tuple(filter(text, stop or ())),
            stream=body.get("stream") is True,
            ignored=ignored(body, _FIELDS),
        )

    def unsupported(self, request: ChatRequest) -> frozenset[str]:
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

    def decoder(self) -> ChatDecoder:
        """A new decoder for one response."""
        return ChatDecoder()

    def encode_response(self, response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
        """A `chat.completion`."""
        calls = [{**_call_head(c), "function": _function(c)} for c in response.calls]
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
            "finish_reason": _finish_out(response.finish, is_refusal=is_refusal),
        }
        body = {**_head(envelope, "chat.completion"), "choices": [choice]}
        return body if response.usage is None else {**body, "usage": _usage_out(response)}

    def stream_encoder(self, envelope: Envelope) -> ChatStreamEncoder:
        """A new encoder for one streamed response."""
        return ChatStreamEncoder(envelope)


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
        said["tool_calls"] = [{**_call_head(c), "function": _function(c)} for c in calls]
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


def _call_head(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function"}


def _function(call: ToolCall) -> dict[str, Any]:
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


class ChatDecoder(ResponseDecoder):
    """A `chat.completion`, or its chunks: they differ in the name of one field."""

    __slots__ = ("_calls", "_key")

    def __init__(self) -> None:
        super().__init__()
        self._key = "delta"
        self._calls: dict[Any, int] = {}

    def body(self, value: Mapping[str, Any]) -> None:
        """The whole completion."""
        self._key = "message"
        self.event(value)
        if not self.started:
            raise NoResponseError(f"no choices in the answer: {value}")
        if not self.finish:
            self.end("stop")

    def event(self, value: Mapping[str, Any]) -> None:
        """One chunk."""
        choices = value.get("choices")
        if choices:
            self.started = True
            self._note_choice(choices[0])
        if not self.served and isinstance(value.get("model"), str):
            self.served = value["model"]
            self.id = text(value.get("id"))
        if value.get("usage"):
            self._note_usage(value["usage"])
        if "x_groq" in value:
            self._note_groq(value["x_groq"])

    def _note_choice(self, choice: Mapping[str, Any]) -> None:
        said = choice.get(self._key)
        if said:
            content = said.get("content")
            has_more = len(said) > 1 or not content
            if has_more:
                self.reasoning(said.get("reasoning_content") or said.get("reasoning"))
            if content:
                if isinstance(content, str):
                    self.events.append(content)
                else:
                    self._note_parts(content)
            if has_more:
                self._note_rest(said)
        if choice.get("usage"):
            self._note_usage(choice["usage"])  # Moonshot
        reason = choice.get("finish_reason")
        if reason or choice.get("error"):
            self._note_end(choice, str(reason or "error"))

    def _note_parts(self, content: Any) -> None:
        """Mistral's content as a list: text, and thinking that is a list of texts in turn."""
        for piece in objects(content):
            self.text(piece.get("text"))
            thinking = piece.get("thinking")
            for thought in thinking if isinstance(thinking, list) else [thinking]:
                self.reasoning(thought.get("text") if isinstance(thought, dict) else thought)

    def _note_rest(self, said: Mapping[str, Any]) -> None:
        if said.get("refusal"):
            self.text(said["refusal"])
            self.finish = "refused"
        for position, call in enumerate(said.get("tool_calls") or ()):
            self._note_call(call, position)
        if said.get("function_call"):
            self._note_call({"function": said["function_call"]}, 0)

    def _note_call(self, call: Mapping[str, Any], position: int) -> None:
        """Some servers leave the index out, or send the name again with every piece."""
        key = call.get("index", position)
        function = obj(call.get("function"))
        if key not in self._calls:
            self._calls[key] = len(self._calls)
            self.call(self._calls[key], text(function.get("name")), text(call.get("id")))
        self.arguments(self._calls[key], function.get("arguments"))

    def _note_end(self, choice: Mapping[str, Any], reason: str) -> None:
        if isinstance(choice.get("error"), dict):
            raise InBandError(choice)
        if reason in _BROKEN_OFF:
            message = f"the answer was broken off: {reason}"
            raise InBandError({"error": {"message": message, "code": _BROKEN_OFF[reason]}})
        self.end(_FINISH.get(reason.lower(), reason))

    def _note_groq(self, extra: Any) -> None:
        if isinstance(extra, dict):
            if extra.get("error"):
                raise InBandError({"error": str(extra["error"])})
            self._note_usage(extra.get("usage"))

    def _note_usage(self, usage: Any) -> None:
        if isinstance(usage, dict):
            merge_counts(self.counts, usage)

    @property
    def usage(self) -> Usage | None:
        """The counts so far."""
        return _usage(self.counts)


def _usage(usage: Mapping[str, Any]) -> Usage | None:
    """Input includes what was cached; output includes reasoning.

    Some servers count reasoning beside `completion_tokens` (xAI), or cached tokens beside
    `prompt_tokens` (gateways to Anthropic): `total_tokens` shows it, and so does a part that is
    larger than its whole. Other names: DeepSeek's `prompt_cache_hit_tokens`, Moonshot's
    `cached_tokens`, `input_tokens` and `output_tokens` of mlx-vlm.
    """
    prompt = first(usage, "prompt_tokens", "input_tokens")
    output = first(usage, "completion_tokens", "output_tokens")
    of_prompt = part(usage, "prompt_tokens_details", "input_tokens_details")
    of_output = part(usage, "completion_tokens_details", "output_tokens_details")
    total = whole(usage.get("total_tokens"))
    reasoning = whole(of_output.get("reasoning_tokens")) or whole(usage.get("reasoning_tokens"))
    if reasoning and (total == prompt + output + reasoning or reasoning > output):
        output += reasoning
    read = whole(of_prompt.get("cached_tokens")) or first(
        usage, "prompt_cache_hit_tokens", "cached_tokens", "cache_read_input_tokens"
    )
    write = whole(of_prompt.get("cache_write_tokens")) or whole(
        usage.get("cache_creation_input_tokens")
    )
    cached = read + write
    if cached and (total == prompt + cached + output or cached > prompt):
        prompt += cached
    return usage_of(
        input_tokens=prompt,
        output=output,
        read=read,
        write=write,
        audio=whole(of_prompt.get("audio_tokens")),
        reasoning=reasoning,
    )


class ChatStreamEncoder(StreamEncoder):
    """Chunks: the role, what the events bring, how it ended, and the usage."""

    def __init__(self, envelope: Envelope) -> None:
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
            head = {"index": event.number, "id": event.id, "type": "function"}
            call = {**head, "function": {"name": event.name, "arguments": ""}}
            return [self._chunk({"tool_calls": [call]})]
        piece = {"index": event.number, "function": {"arguments": event.arguments}}
        return [self._chunk({"tool_calls": [piece]})]

    def end(self, response: ChatResponse) -> list[dict[str, Any]]:
        """The finish reason, then the usage in a chunk without choices."""
        chunks = [self._chunk({}, _finish_out(response.finish))]
        if response.usage is not None:
            chunks.append({**self._head, "choices": [], "usage": _usage_out(response)})
        return chunks


def _head(envelope: Envelope, kind: str) -> dict[str, Any]:
    return {
        "id": envelope.id,
        "object": kind,
        "created": envelope.created,
        "model": envelope.model,
    }


def _finish_out(finish: str, *, is_refusal: bool = False) -> str:
    return "stop" if is_refusal else _FINISH_OUT.get(finish, finish)


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
