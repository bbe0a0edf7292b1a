"""OpenAI's chat completions as a client speaks them, and the many dialects of them."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import (
    Attachment,
    ChatRequest,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from rightmodel.wire.conversation import GO_ON
from rightmodel.wire.fields import merge_counts, obj, objects, part, text, tokens_in, usage_of
from rightmodel.wire.request import ModelRequest, base64_of, data_url, name_of, result_text
from rightmodel.wire.response import InBandError, NoResponseError, ResponseDecoder
from rightmodel.wire.schemas import is_strict, itemized

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.call import Usage
    from rightmodel.core.task import ChatRequest, Part
    from rightmodel.manifest.quirks import Quirks

_AUDIO: Final = {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
_FINISH: Final = {
    word: finish
    for finish, words in {
        "stop": "stop eos eos_token end_turn end done complete completed stop_sequence stop_token",
        "length": "length max_tokens max_output_tokens token_limit model_length "
        "model_context_window_exceeded",
        "refused": "content_filter content_filtered guardrail_intervened safety recitation "
        "sensitive refusal",
        "tool_calls": "tool_calls tool_call tool_use function_call",
    }.items()
    for word in words.split()
}
_BETWEEN: Final = {"role": "assistant", "content": "Understood."}
_SHORT: Final = re.compile(r"[A-Za-z0-9]{9}")
_NOT_KNOWN: Final = "."
"""Reasoning of another model, or of one whose client did not keep it: an empty text is refused."""

_BROKEN_OFF: Final = {
    "error": 500,  # OpenRouter
    "insufficient_system_resource": 503,  # DeepSeek
    "network_error": 500,  # Z.ai
    "abort": 500,  # SGLang, vLLM
}
"""Finish reasons that say that the answer was not finished, and the status that they stand for."""


def url(request: ModelRequest) -> str:
    """Where the request goes."""
    return f"{request.provider.base_url}/chat/completions"


def headers(request: ModelRequest) -> dict[str, str]:
    """The key as a bearer token."""
    return {"authorization": f"Bearer {request.key}"} if request.key else {}


def encode_request(request: ChatRequest, quirks: Quirks) -> dict[str, Any]:
    """The body in the dialect of its host."""
    shows_reasoning = quirks.reasoning_in_history
    messages = [out for m in request.messages for out in _encoded(m, shows_reasoning)]
    body: dict[str, Any] = {"model": request.model, "messages": messages}
    if request.stream:
        body["stream"] = True
        if quirks.stream_usage:
            body["stream_options"] = {"include_usage": True}
    if request.max_output_tokens:
        body[quirks.output_cap] = request.max_output_tokens
    if request.tools:
        body["tools"] = [{"type": "function", "function": _tool(t)} for t in request.tools]
        choice = request.tool_choice
        body |= encoded_choice(choice, {"function": {"name": choice.name}})
    if request.schema is not None:
        schema = encoded_schema(request.schema)
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.effort:
        as_object = quirks.effort_field == "reasoning"
        body[quirks.effort_field] = {"effort": request.effort} if as_object else request.effort
    if request.temperature is not None:
        body["temperature"] = request.temperature
    if request.top_p is not None:
        body["top_p"] = request.top_p
    if request.stop:
        body["stop"] = list(request.stop)
    return fitted(body, quirks)


def fitted(body: dict[str, Any], quirks: Quirks) -> dict[str, Any]:
    """The body with the messages as its host takes them; itself where they are."""
    strict = quirks.short_call_ids or quirks.strict_turns
    if not (strict or quirks.reasoning_in_history or quirks.cache_key):
        return body
    messages: list[dict[str, Any]] = []
    for message in objects(body.get("messages")):
        roles = messages[-1].get("role") if messages else "", message.get("role")
        if quirks.strict_turns and roles == ("tool", "user"):
            messages.append(dict(_BETWEEN))
        changed = _with_short_ids(message) if quirks.short_call_ids else {**message}
        if quirks.reasoning_in_history and message.get("role") == "assistant":
            changed["reasoning_content"] = message.get("reasoning_content") or _NOT_KNOWN
        messages.append(changed)
    if quirks.strict_turns and messages and _is_unasked(messages[-1]):
        messages.append({"role": "user", "content": GO_ON.text})
    key = {"prompt_cache_key": quirks.cache_key} if quirks.cache_key else {}
    return {**key, **body, "messages": messages}


def _is_unasked(last: Mapping[str, Any]) -> bool:
    """Whether it is an answer, and not one that is to be continued (`prefix`)."""
    return last.get("role") == "assistant" and not last.get("prefix") and not last.get("tool_calls")


def _with_short_ids(message: Mapping[str, Any]) -> dict[str, Any]:
    changed = {**message}
    if "tool_call_id" in message:
        changed["tool_call_id"] = _short(text(message["tool_call_id"]))
    if message.get("tool_calls"):
        calls = objects(message["tool_calls"])
        changed["tool_calls"] = [{**call, "id": _short(text(call.get("id")))} for call in calls]
    return changed


def _short(name: str) -> str:
    """The same for the same id in every turn."""
    return name if _SHORT.fullmatch(name) else sha256(name.encode()).hexdigest()[:9]


def _encoded(message: Message, shows_reasoning: bool) -> Iterator[dict[str, Any]]:
    """Results of tools are messages of their own, in front of the rest."""
    if message.role == "assistant":
        thought = "".join(p.text for p in message.parts if isinstance(p, Reasoning))
        reasoning = {"reasoning_content": thought} if thought and shows_reasoning else {}
        yield {**_encoded_assistant(message), **reasoning}
        return
    rest: list[Part] = []
    for piece in message.parts:
        if isinstance(piece, ToolResult):
            yield {"role": "tool", "tool_call_id": piece.id, "content": result_text(piece)}
            rest += [p for p in piece.parts if isinstance(p, Attachment)]
        else:
            rest.append(piece)
    contents = [p for p in rest if isinstance(p, Text | Attachment)]
    if any(isinstance(p, Attachment) for p in contents):
        yield {"role": message.role, "content": [_content(p) for p in contents]}
    elif contents:  # many servers take nothing but a string
        yield {
            "role": message.role,
            "content": "\n\n".join(p.text for p in rest if isinstance(p, Text)),
        }


def _encoded_assistant(message: Message) -> dict[str, Any]:
    calls = [p for p in message.parts if isinstance(p, ToolCall)]
    encoded: dict[str, Any] = {"role": "assistant", "content": message.text}
    if calls:
        encoded["content"] = message.text or None
        encoded["tool_calls"] = [{**call_head(c), "function": function_of(c)} for c in calls]
    return encoded


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
    return {"name": tool.name, **described, "parameters": itemized(tool.parameters)}


def encoded_choice(choice: ToolChoice, named: dict[str, Any]) -> dict[str, Any]:
    """The fields of a tool choice; `named`: how the wire format names the one tool."""
    encoded: dict[str, Any] = {}
    if choice.name:
        encoded["tool_choice"] = {"type": "function", **named}
    elif choice.mode != "auto":
        encoded["tool_choice"] = choice.mode
    return encoded if choice.parallel else {**encoded, "parallel_tool_calls": False}


def encoded_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema with its name and whether it is enforced strictly."""
    return {"name": "answer", "schema": dict(schema), "strict": is_strict(schema)}


def call_head(call: ToolCall) -> dict[str, Any]:
    """The fields of a tool call beside its function."""
    return {"id": call.id, "type": "function"}


def function_of(call: ToolCall) -> dict[str, Any]:
    """A tool call's function."""
    return {"name": call.name, "arguments": call.arguments}


class ChatDecoder(ResponseDecoder):
    """A `chat.completion`, or its chunks: they differ in the name of one field."""

    __slots__ = ("_calls", "_count", "_ids", "_key")

    def __init__(self) -> None:
        super().__init__()
        self._key = "delta"
        self._calls: dict[Any, int] = {}
        self._count = 0
        self._ids: dict[Any, str] = {}

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
            self.id = str(value.get("id") or "")
        if value.get("usage"):
            self._note_usage(value["usage"])
        if "x_groq" in value:
            self._note_groq(value["x_groq"])

    def _note_choice(self, choice: Mapping[str, Any]) -> None:
        delta = choice.get(self._key)
        if delta:
            content = delta.get("content")
            has_more = len(delta) > 1 or not content
            if has_more and (thought := delta.get("reasoning_content") or delta.get("reasoning")):
                self.reasoning(thought)
            if content:
                if isinstance(content, str):
                    self.text(content)
                else:
                    self._note_parts(content)
            if has_more:
                self._note_rest(delta)
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

    def _note_rest(self, delta: Mapping[str, Any]) -> None:
        if delta.get("refusal"):
            self.text(delta["refusal"])
            self.finish = "refused"
        if delta.get("audio") or delta.get("images"):
            self.has_other = True
        for position, call in enumerate(delta.get("tool_calls") or ()):
            self._note_call(call, position)
        if delta.get("function_call"):
            self._note_call({"function": delta["function_call"]}, 0)

    def _note_call(self, call: Mapping[str, Any], position: int) -> None:
        """Some servers leave the index out, or send the name again with every piece.

        Others send all calls under one index: there another id and name begin the next one, once
        the arguments are complete.
        """
        key = call.get("index", position)
        function = obj(call.get("function"))
        name, call_id = text(function.get("name")), text(call.get("id"))
        is_other = name and call_id not in ("", self._ids.get(key))
        if key not in self._calls or (
            is_other and self._is_complete and self._calls[key] == self._open
        ):
            self._calls[key], self._ids[key] = self._count, call_id
            self._count += 1
            self.call(self._calls[key], name, call_id)
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
        return openai_usage(self.counts)


def openai_usage(usage: Mapping[str, Any]) -> Usage | None:
    """Of chat completions and responses. Input includes what was cached; output, reasoning.

    Some servers count reasoning beside `completion_tokens` (xAI), or cached tokens beside
    `prompt_tokens` (gateways to Anthropic): `total_tokens` shows it, and so does a part that is
    larger than its whole. Other names: DeepSeek's `prompt_cache_hit_tokens`, Moonshot's
    `cached_tokens`, `input_tokens` and `output_tokens` of mlx-vlm.
    """
    counts = tokens_in(usage)
    of_prompt = tokens_in(part(usage, "prompt_tokens_details", "input_tokens_details"))
    of_output = tokens_in(part(usage, "completion_tokens_details", "output_tokens_details"))
    prompt = counts.get("prompt_tokens") or counts.get("input_tokens", 0)
    output = counts.get("completion_tokens") or counts.get("output_tokens", 0)
    total = counts.get("total_tokens")
    reasoning = of_output.get("reasoning_tokens") or counts.get("reasoning_tokens", 0)
    if reasoning and (total == prompt + output + reasoning or reasoning > output):
        output += reasoning
    read = (
        of_prompt.get("cached_tokens")
        or counts.get("prompt_cache_hit_tokens")
        or counts.get("cached_tokens")
        or counts.get("cache_read_input_tokens", 0)
    )
    write = of_prompt.get("cache_write_tokens") or counts.get("cache_creation_input_tokens", 0)
    cached = read + write
    if cached and (total == prompt + cached + output or cached > prompt):
        prompt += cached
    return usage_of(
        input_tokens=prompt,
        output=output,
        read=read,
        write=write,
        audio=of_prompt.get("audio_tokens", 0),
        reasoning=reasoning,
    )
