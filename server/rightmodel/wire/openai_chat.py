"""OpenAI's chat completions, and the many that speak a dialect of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.wire.answer import Answer, InBandError, malformed
from rightmodel.wire.codec import Codec
from rightmodel.wire.parts import base64_of, data_url, name_of, other_files, system_of, text_of
from rightmodel.wire.schemas import is_strict
from rightmodel.wire.usage import first, merge_counts, part, usage_of, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.call import Usage
    from rightmodel.core.task import Attachment, Turn
    from rightmodel.wire.answer import Watch
    from rightmodel.wire.request import ModelRequest

_NEWER_CAP: Final = (
    "api.openai.com",
    ".openai.azure.com",
    "api.groq.com",
    "api.cerebras.ai",
    "api.x.ai",
)
"""Hosts that take `max_completion_tokens`; to the others `max_tokens` is what they know."""

_NO_STREAM_OPTIONS: Final = "api.mistral.ai"
"""Refuses what it does not know, and reports usage at a stream's end anyway."""

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
}  # fmt: skip
_TOOL_CALL: Final = frozenset({"tool_calls", "tool_call", "tool_use", "function_call"})
_BROKEN_OFF: Final = {
    "error": Fault.SERVER,  # OpenRouter
    "insufficient_system_resource": Fault.OVERLOADED,  # DeepSeek
    "network_error": Fault.SERVER,  # Z.ai
    "abort": Fault.SERVER,  # SGLang, vLLM
}
"""Finish reasons that say that the answer was not finished."""


class OpenAIChat(Codec):
    """`POST {base_url}/chat/completions`."""

    schema_path = "response_format"
    cap_paths = ("max_completion_tokens", "max_tokens")
    renamed: ClassVar[Mapping[str, str]] = {
        "max_tokens": "max_completion_tokens",
        "max_completion_tokens": "max_tokens",
    }

    def url(self, request: ModelRequest) -> str:
        """Where the request goes."""
        return f"{request.provider.base_url}/chat/completions"

    def headers(self, request: ModelRequest) -> dict[str, str]:
        """The key as a bearer token."""
        return {"authorization": f"Bearer {request.key}"} if request.key else {}

    def answer(self, request: ModelRequest, watch: Watch | None) -> ChatAnswer:
        """What takes the answer apart."""
        return ChatAnswer(request, watch)

    def body(self, request: ModelRequest) -> dict[str, Any]:
        """The request in the dialect of its host."""
        base = request.provider.base_url
        messages = [_message(turn) for turn in request.turns]
        if system := system_of(request):
            messages.insert(0, {"role": "system", "content": system})
        body: dict[str, Any] = {"model": request.name, "messages": messages, "stream": True}
        if _NO_STREAM_OPTIONS not in base:
            body["stream_options"] = {"include_usage": True}
        if request.max_output_tokens:
            newer = any(host in base for host in _NEWER_CAP)
            body["max_completion_tokens" if newer else "max_tokens"] = request.max_output_tokens
        if request.schema is not None and request.native_schema:
            body["response_format"] = _response_format(request.schema)
        if "openrouter.ai" in base:
            body["usage"] = {"include": True}
            if request.effort:
                body["reasoning"] = {"effort": request.effort}
        elif request.effort:
            body["reasoning_effort"] = request.effort
        return body


def _response_format(schema: Mapping[str, Any]) -> dict[str, Any]:
    named = {"name": "answer", "schema": dict(schema), "strict": is_strict(schema)}
    return {"type": "json_schema", "json_schema": named}


def _message(turn: Turn) -> dict[str, Any]:
    files = other_files(turn)
    if not files:
        return {"role": turn.role, "content": text_of(turn)}
    parts = [*map(_part, files), {"type": "text", "text": text_of(turn)}]
    return {"role": turn.role, "content": parts}


def _part(file: Attachment) -> dict[str, Any]:
    if file.modality == "image":
        return {"type": "image_url", "image_url": {"url": data_url(file)}}
    if file.modality == "audio":
        kind = "wav" if "wav" in file.media_type else "mp3"
        return {"type": "input_audio", "input_audio": {"data": base64_of(file), "format": kind}}
    return {"type": "file", "file": {"filename": name_of(file), "file_data": data_url(file)}}


class ChatAnswer(Answer):
    """A `chat.completion`, or its chunks: they differ in the name of one field."""

    __slots__ = ("_choices", "_key")

    def __init__(self, request: ModelRequest, watch: Watch | None) -> None:
        super().__init__(request, watch)
        self._choices = False
        self._key = "delta"

    def unfinished(self) -> ProviderError:
        """Without a reason the answer is cut off, even if `[DONE]` came; without choices, none."""
        if self.done and not self._choices:
            return malformed(self.request, "no choices in the answer")
        return super().unfinished()

    def body(self, value: Mapping[str, Any]) -> None:
        """The whole completion."""
        self._key = "message"
        self.event(value)
        if not self._choices:
            raise malformed(self.request, f"no choices in the answer: {value}")
        self.finish = self.finish or "stop"

    def event(self, value: Mapping[str, Any]) -> None:
        """One chunk."""
        choices = value.get("choices")
        if choices:
            self._choices = True
            self._note_choice(choices[0])
        if not self.served and isinstance(value.get("model"), str):
            self.served = value["model"]
        if value.get("usage"):
            self._note_usage(value["usage"])
        if "x_groq" in value:
            self._note_groq(value["x_groq"])

    def _note_choice(self, choice: Mapping[str, Any]) -> None:
        said = choice.get(self._key)
        if said:
            content = said.get("content")
            if content:
                if isinstance(content, str):
                    self.parts.append(content)
                    self._unheard += len(content)
                else:
                    self._note_parts(content)
            if len(said) > 1 or not content:
                self._note_rest(said)
        if choice.get("usage"):
            self._note_usage(choice["usage"])  # Moonshot
        reason = choice.get("finish_reason")
        if reason or choice.get("error"):
            self._note_end(choice, str(reason or "error"))

    def _note_parts(self, content: Any) -> None:
        """Mistral's content as a list: text, and thinking that is a list of texts in turn."""
        for piece in content if isinstance(content, list) else ():
            if isinstance(piece, dict):
                self.text(piece.get("text"))
                thinking = piece.get("thinking")
                for thought in thinking if isinstance(thinking, list) else [thinking]:
                    self.reasoning(thought.get("text") if isinstance(thought, dict) else thought)

    def _note_rest(self, said: Mapping[str, Any]) -> None:
        self.reasoning(said.get("reasoning_content") or said.get("reasoning"))
        if said.get("refusal"):
            self.text(said["refusal"])
            self.finish = "refused"
        if said.get("tool_calls") or said.get("function_call"):
            self.tool_call = True

    def _note_end(self, choice: Mapping[str, Any], reason: str) -> None:
        if isinstance(choice.get("error"), dict):
            raise InBandError(choice)
        if reason in _BROKEN_OFF:
            raise _broken_off(self.request, reason)
        self.tool_call = self.tool_call or reason.lower() in _TOOL_CALL
        if self.finish != "refused":
            self.finish = _FINISH.get(reason.lower(), reason)

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


def _broken_off(request: ModelRequest, reason: str) -> ProviderError:
    name = request.provider.name
    return ProviderError(
        _BROKEN_OFF[reason],
        f"{name}: the answer was broken off: {reason}",
        provider=name,
        status=200,
    )


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
