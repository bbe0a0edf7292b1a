"""How each upstream counts: what is inside what, and what it bills itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from genai_prices import extract_usage

from rightmodel.core.call import Usage
from upstream.wire import CARRIES, DIALECTS, Billed, chat_events, read_back

FULL = Billed(
    plain=1000, output=700, read=400, write=50, write_1h=30, audio=20, reasoning=300
)  # each count differs, so that none can be taken for another


def told(provider: str, billed: Billed = FULL) -> Billed:
    """What of it the provider's dialect can tell apart; the rest is plain."""
    carried = CARRIES.get(provider, frozenset({"read", "reasoning"}))
    gone = {k: 0 for k in ("read", "write", "write_1h", "audio", "reasoning") if k not in carried}
    less = sum(getattr(billed, key) for key in gone if key != "reasoning")
    return billed._replace(**gone, plain=billed.plain + less)


@pytest.mark.parametrize("provider", sorted(DIALECTS))
def test_every_dialect_is_read_as_it_is_billed(provider: str) -> None:
    billed = told(provider)
    usage = read_back(provider, DIALECTS[provider](billed)).usage
    assert usage == Usage(
        input=1500,
        output=700,
        cache_read=billed.read,
        cache_write=billed.write + billed.write_1h,
        reasoning=billed.reasoning,
        cache_write_1h=billed.write_1h,
        audio=billed.audio,
    )


THEIRS = {  # provider of genai-prices and its flavour of API
    "openai": ("openai", "chat"),
    "openrouter": ("openrouter", "chat"),
    "anthropic": ("anthropic", "default"),
    "google": ("google", "default"),
    "deepseek": ("deepseek", "chat"),
    "xai": ("x-ai", "chat"),
    "groq": ("groq", "default"),
    "mistral": ("mistral", "default"),
    "zai": ("zai", "chat"),
    "fireworks": ("fireworks", "chat"),
}


@pytest.mark.parametrize("provider", sorted(THEIRS))
def test_genai_prices_reads_the_same_counts_from_the_same_answer(provider: str) -> None:
    events = DIALECTS[provider](told(provider))
    usage = read_back(provider, events).usage
    assert usage is not None
    theirs, flavour = THEIRS[provider]
    read: Any = extract_usage(
        _whole(provider, events), provider_id=theirs, api_flavor=flavour
    ).usage
    assert (read.input_tokens, read.output_tokens) == (usage.input, usage.output)
    assert read.cache_read_tokens == usage.cache_read
    assert read.reported_value("cache_write_tokens") == usage.cache_write
    assert read.reported_value("cache_write_1h_tokens") == usage.cache_write_1h
    assert read.reported_value("output_reasoning_tokens") == usage.reasoning
    assert read.reported_value("input_audio_tokens") == usage.audio


def _whole(provider: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer as it is when it is not streamed, without the name of a model."""
    if provider == "google":
        return {**events[-1], "modelVersion": None}
    if provider == "anthropic":
        usage = {**events[0]["message"]["usage"], **events[2]["usage"]}
    else:
        usage = events[-1].get("usage") or events[-1]["x_groq"]["usage"]
    return {"usage": usage, "model": None}


def test_xai_bills_reasoning_beside_the_completion_and_says_what_it_billed() -> None:
    usage = {  # as published with the ticks that it came to
        "prompt_tokens": 10120,
        "completion_tokens": 1499,
        "total_tokens": 14428,
        "prompt_tokens_details": {"cached_tokens": 128},
        "completion_tokens_details": {"reasoning_tokens": 2809},
        "cost_in_usd_ticks": 232856000,
    }
    found = read_back("xai", chat_events(usage))
    assert found.usage == Usage(10120, 4308, 128, reasoning=2809)
    assert found.cost_usd == Decimal("0.0232856")
    per_token = [Decimal(usd) / 10**6 for usd in ("1.25", "0.2", "2.5")]
    assert sum(map(Decimal.__mul__, per_token, map(Decimal, (9992, 128, 4308)))) == found.cost_usd


def test_more_reasoning_than_output_is_beside_it_even_without_a_total() -> None:
    usage = {"prompt_tokens": 32, "completion_tokens": 9, "reasoning_tokens": 94}
    assert read_back("xai", chat_events(usage)).usage == Usage(32, 103, reasoning=94)


def test_nothing_billed_is_a_cost_and_no_word_of_it_is_none() -> None:
    counts = {"prompt_tokens": 5, "completion_tokens": 5}
    assert read_back("openrouter", chat_events({**counts, "cost": 0})).cost_usd == 0
    assert read_back("openrouter", chat_events(counts)).cost_usd is None


def test_audio_that_was_read_from_the_cache_is_not_counted_twice() -> None:
    counts = {
        "promptTokenCount": 900,
        "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 800}],
        "cachedContentTokenCount": 700,
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 600}],
        "candidatesTokenCount": 3,
    }
    answer = {"content": {"parts": [{"text": "yes"}]}, "finishReason": "STOP"}
    found = read_back("google", [{"candidates": [answer], "usageMetadata": counts}])
    assert found.usage == Usage(900, 3, 700, audio=200)


def test_tokens_of_tools_are_input_for_gemini() -> None:
    counts = {"promptTokenCount": 10, "toolUsePromptTokenCount": 7, "candidatesTokenCount": 3}
    answer = {"content": {"parts": [{"text": "yes"}]}, "finishReason": "STOP"}
    found = read_back("google", [{"candidates": [answer], "usageMetadata": counts}])
    assert found.usage == Usage(17, 3)


@pytest.mark.parametrize("odd", [None, 3, "x", {}, {"ephemeral_1h_input_tokens": None}])
def test_writes_without_their_life_are_short_ones(odd: object) -> None:
    start = {"input_tokens": 5, "cache_creation_input_tokens": 40, "cache_creation": odd}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"usage": start}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "yes"}},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    assert read_back("anthropic", events).usage == Usage(45, 2, cache_write=40)
