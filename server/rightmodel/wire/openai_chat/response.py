"""Responses of OpenAI's chat completions, whole and streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import Reasoning
from rightmodel.wire.codec import Envelope, StreamEncoder
from rightmodel.wire.decoder import InBandError, NoResponseError, ResponseDecoder
from rightmodel.wire.fields import obj, objects, text
from rightmodel.wire.openai_chat.request import call_head, function_of
from rightmodel.wire.response import CallStart, ReasoningDelta
from rightmodel.wire.usage import first, merge_counts, part, usage_of, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.call import Usage
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


def encode_response(response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
    """A `chat.completion`."""
    calls = [{**call_head(c), "function": function_of(c)} for c in response.calls]
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
