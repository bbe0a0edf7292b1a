"""Answers as each provider puts them on the wire, for known counts of tokens."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from anthropic.types import CacheCreation, MessageDeltaUsage, OutputTokensDetails
from anthropic.types import Usage as AnthropicUsage
from google.genai import types as google
from openai.types import CompletionUsage
from openai.types.completion_usage import CompletionTokensDetails, PromptTokensDetails

from rightmodel.core.task import Message, WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.upstream.answer import Answer
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import ModelRequest
from rightmodel.wire.sse import SseDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rightmodel.core.call import Completion


class Billed(NamedTuple):
    """Tokens as a provider bills them, none counted twice. `reasoning` is a part of `output`."""

    plain: int = 0
    output: int = 0
    read: int = 0
    write: int = 0
    write_1h: int = 0
    audio: int = 0
    reasoning: int = 0

    @property
    def prompt(self) -> int:
        return self.plain + self.read + self.write + self.write_1h + self.audio


def openai(billed: Billed) -> dict[str, Any]:
    """OpenAI, and those that follow it to the letter: reasoning is inside the completion."""
    usage = CompletionUsage(
        prompt_tokens=billed.prompt,
        completion_tokens=billed.output,
        total_tokens=billed.prompt + billed.output,
        prompt_tokens_details=PromptTokensDetails(
            cached_tokens=billed.read, cache_write_tokens=billed.write, audio_tokens=billed.audio
        ),
        completion_tokens_details=CompletionTokensDetails(
            reasoning_tokens=billed.reasoning,
            accepted_prediction_tokens=0,
            rejected_prediction_tokens=0,
        ),
    )
    return usage.model_dump(exclude_none=True)


def bare(billed: Billed) -> dict[str, Any]:
    """No details at all: Mistral's older models, Cerebras, Together, Ollama."""
    prompt, said = billed.prompt, billed.output
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}


def deepseek(billed: Billed) -> dict[str, Any]:
    return {
        **bare(billed),
        "prompt_tokens_details": {"cached_tokens": billed.read},
        "completion_tokens_details": {"reasoning_tokens": billed.reasoning},
        "prompt_cache_hit_tokens": billed.read,
        "prompt_cache_miss_tokens": billed.prompt - billed.read,
    }


def moonshot(billed: Billed) -> dict[str, Any]:
    return {**bare(billed), "cached_tokens": billed.read}


def xai(billed: Billed) -> dict[str, Any]:
    """Reasoning is counted beside the completion, and in the total."""
    return {
        "prompt_tokens": billed.prompt,
        "completion_tokens": billed.output - billed.reasoning,
        "total_tokens": billed.prompt + billed.output,
        "prompt_tokens_details": {
            "text_tokens": billed.prompt,
            "audio_tokens": 0,
            "image_tokens": 0,
            "cached_tokens": billed.read,
        },
        "completion_tokens_details": {"reasoning_tokens": billed.reasoning, "audio_tokens": 0},
        "num_sources_used": 0,
    }


def chat_events(usage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The last chunks of a stream; usage comes after the choices."""
    said = {"index": 0, "delta": {"content": "yes"}, "finish_reason": None}
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    return [{"choices": [said]}, {"choices": [end]}, {"choices": [], "usage": usage}]


def groq_events(usage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Groq's: usage below `x_groq`, with times in it."""
    said, end, _ = chat_events(usage)
    return [said, {**end, "x_groq": {"id": "req_1", "usage": {**usage, "total_time": 0.071}}}]


def mistral_events(usage: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Mistral's: usage in the chunk with the reason."""
    said, end, _ = chat_events(usage)
    return [said, {**end, "usage": usage}]


def anthropic_events(billed: Billed) -> list[dict[str, Any]]:
    """Input without what was cached; writes by life; the output's count grows until the end."""
    start = AnthropicUsage(
        input_tokens=billed.plain,
        output_tokens=1,
        cache_read_input_tokens=billed.read,
        cache_creation_input_tokens=billed.write + billed.write_1h,
        cache_creation=CacheCreation(
            ephemeral_5m_input_tokens=billed.write, ephemeral_1h_input_tokens=billed.write_1h
        ),
        service_tier="standard",
    )
    end = MessageDeltaUsage(
        output_tokens=billed.output,
        output_tokens_details=OutputTokensDetails(thinking_tokens=billed.reasoning),
    )
    return [
        {"type": "message_start", "message": {"usage": start.model_dump(exclude_none=True)}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "yes"}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": end.model_dump(exclude_none=True),
        },
        {"type": "message_stop"},
    ]


def gemini_events(billed: Billed) -> list[dict[str, Any]]:
    """Candidates without thoughts; counts of audio by modality; zeros are left out."""
    text = billed.prompt - billed.audio
    modalities = {google.MediaModality.TEXT: text, google.MediaModality.AUDIO: billed.audio}
    counts = google.GenerateContentResponseUsageMetadata(
        prompt_token_count=billed.prompt,
        prompt_tokens_details=[
            google.ModalityTokenCount(modality=modality, token_count=count)
            for modality, count in modalities.items()
            if count
        ],
        cached_content_token_count=billed.read or None,
        candidates_token_count=billed.output - billed.reasoning or None,
        thoughts_token_count=billed.reasoning or None,
        total_token_count=billed.prompt + billed.output,
    )
    metadata = counts.model_dump(by_alias=True, exclude_none=True, mode="json")
    answer = {"content": {"parts": [{"text": "yes"}]}, "finishReason": "STOP"}
    early = {"promptTokenCount": billed.prompt, "totalTokenCount": billed.prompt}
    return [
        {"candidates": [{"content": {"parts": [{"text": "…"}]}}], "usageMetadata": early},
        {"candidates": [answer], "usageMetadata": metadata},
    ]


def _chat(
    usage: Callable[[Billed], dict[str, Any]],
    events: Callable[[Mapping[str, Any]], list[dict[str, Any]]] = chat_events,
) -> Callable[[Billed], list[dict[str, Any]]]:
    return lambda billed: events(usage(billed))


DIALECTS: Final[Mapping[str, Callable[[Billed], list[dict[str, Any]]]]] = {
    "openai": _chat(openai),
    "openrouter": _chat(openai),
    "alibaba": _chat(openai),
    "fireworks": _chat(openai),
    "zai": _chat(openai),
    "deepseek": _chat(deepseek),
    "moonshot": _chat(moonshot),
    "xai": _chat(xai),
    "groq": _chat(openai, groq_events),
    "mistral": _chat(openai, mistral_events),
    "cerebras": _chat(bare),
    "together": _chat(bare),
    "anthropic": anthropic_events,
    "google": gemini_events,
}
CARRIES: Final[Mapping[str, frozenset[str]]] = {
    "openai": frozenset({"read", "write", "reasoning"}),
    "openrouter": frozenset({"read", "write", "reasoning"}),
    "moonshot": frozenset({"read"}),
    "cerebras": frozenset(),
    "together": frozenset(),
    "anthropic": frozenset({"read", "write", "write_1h", "reasoning"}),
    "google": frozenset({"read", "audio", "reasoning"}),
}
"""What a dialect can tell apart; the others: cache reads and reasoning."""


def protocol_of(provider: str) -> WireFormat:
    own = {"anthropic": WireFormat.ANTHROPIC_MESSAGES, "google": WireFormat.GEMINI}
    return own.get(provider, WireFormat.OPENAI_CHAT)


def read_back(provider: str, events: Sequence[Mapping[str, Any]]) -> Completion:
    """What the real protocol makes of the bytes of these events."""
    protocol = protocol_of(provider)
    at = Provider(provider, protocol, "https://api.example.com/v1")
    request = ModelRequest(at, "m", (Message.of("user", "hi"),))
    answer = Answer(request, CODECS[protocol].decoder(), None)
    decoder = SseDecoder()
    for event in events:
        line = f"data: {json.dumps(event)}\n\n".encode()
        for _, data in decoder.feed(line):
            answer.decoder.event(json.loads(data, parse_float=Decimal))
    found: Completion = answer.completion(())
    return found
