"""How each upstream counts: what is inside what, and what it bills itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from genai_prices import extract_usage

from rightmodel.core.call import Usage
from rightmodel.wire.fields import cost_of
from upstream.wire import CARRIES, DIALECTS, Billed, chat_events, read_back

FULL = Billed(
    plain=1000, output=700, read=400, write=50, write_1h=30, audio=20, reasoning=300
)  # each count differs, so that none can be taken for another


def expected(provider: str, billed: Billed = FULL) -> Billed:
    """What of it the provider's dialect counts separately; the rest is plain."""
    carried = CARRIES.get(provider, frozenset({"read", "reasoning"}))
    gone = {k: 0 for k in ("read", "write", "write_1h", "audio", "reasoning") if k not in carried}
    less = sum(getattr(billed, key) for key in gone if key != "reasoning")
    return billed._replace(**gone, plain=billed.plain + less)


@pytest.mark.parametrize("provider", sorted(DIALECTS))
def test_every_dialect_is_read_as_it_is_billed(provider: str) -> None:
    billed = expected(provider)
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
    events = DIALECTS[provider](expected(provider))
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


def test_a_reported_zero_is_a_cost_and_a_missing_one_is_unknown() -> None:
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
def test_cache_writes_without_a_lifetime_are_short_ones(odd: object) -> None:
    start = {"input_tokens": 5, "cache_creation_input_tokens": 40, "cache_creation": odd}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"usage": start}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "yes"}},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    assert read_back("anthropic", events).usage == Usage(45, 2, cache_write=40)


COUNTS = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
SAID = {"index": 0, "delta": {"content": "yes"}, "finish_reason": None}
END: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
PLACES: dict[str, list[dict[str, Any]]] = {
    "in the choice": [{"choices": [SAID]}, {"choices": [{**END, "usage": COUNTS}]}],
    "other names": chat_events({"input_tokens": 1000, "output_tokens": 50}),
    "spread over chunks": [
        {"choices": [SAID], "usage": {"prompt_tokens": 1000, "completion_tokens": 0}},
        {"choices": [END]},
        {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": 50}},
    ],
    "in every chunk": [
        {"choices": [SAID], "usage": {"prompt_tokens": 1000, "completion_tokens": 1}},
        {"choices": [END], "usage": {"prompt_tokens": 1000, "completion_tokens": 50}},
        {"choices": [], "usage": None},
    ],
    "repeated as zero": [
        {"choices": [SAID], "usage": COUNTS},
        {"choices": [END], "usage": dict.fromkeys(COUNTS, 0)},
    ],
}


@pytest.mark.parametrize("events", PLACES.values(), ids=PLACES)
def test_usage_is_read_wherever_a_server_puts_it(events: list[dict[str, Any]]) -> None:
    assert read_back("openai", events).usage == Usage(1000, 50)


def test_a_count_that_gemini_leaves_out_at_the_end_stays() -> None:
    content = {"content": {"parts": [{"text": "yes"}]}}
    prompt = {"promptTokenCount": 9}
    events = [
        {"candidates": [content], "usageMetadata": {**prompt, "candidatesTokenCount": 5}},
        {"candidates": [{"finishReason": "STOP"}], "usageMetadata": prompt},
    ]
    assert read_back("google", events).usage == Usage(9, 5)


def message_events(start: dict[str, Any], end: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "message_start", "message": {"usage": start}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "yes"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": end},
        {"type": "message_stop"},
    ]


def test_zeros_at_the_end_do_not_undo_what_was_counted_at_the_start() -> None:
    start = {"input_tokens": 10, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 90}
    end = {"input_tokens": 0, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    found = read_back("anthropic", message_events(start, {**end, "output_tokens": 50}))
    assert found.usage == Usage(1000, 50, 900, 90)


def test_writes_that_are_counted_by_their_life_alone() -> None:
    by_life = {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 50}
    start = {"input_tokens": 10, "cache_creation": by_life}
    found = read_back("anthropic", message_events(start, {"output_tokens": 2}))
    assert found.usage == Usage(100, 2, cache_write=90, cache_write_1h=50)


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        (  # the total shows that the cached tokens are counted beside the prompt
            {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 1005,
             "prompt_tokens_details": {"cached_tokens": 900}},
            Usage(1000, 5, 900),
        ),
        (  # and so does a part that is larger than the whole
            {"prompt_tokens": 100, "completion_tokens": 5,
             "prompt_tokens_details": {"cached_tokens": 900}},
            Usage(1000, 5, 900),
        ),
        (
            {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105,
             "prompt_tokens_details": {"cached_tokens": 90}},
            Usage(100, 5, 90),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 1005,
             "cache_read_input_tokens": 900, "cache_creation_input_tokens": 90},
            Usage(1000, 5, 900, 90),
        ),
    ],
)  # fmt: skip
def test_cached_tokens_inside_and_beside_the_prompt(counts: dict[str, Any], usage: Usage) -> None:
    assert read_back("openai", chat_events(counts)).usage == usage


BILLS: list[tuple[dict[str, Any], str | None]] = [
    ({"cost": {"total_cost": Decimal("0.311"), "request_cost": Decimal("0.3")}}, "0.311"),
    ({"cost": {"currency": "USD", "amount": "0.2"}}, "0.2"),
    ({"cost": {"currency": "CNY", "amount": "0.2"}}, None),
    ({"cost": {"input": 1}}, None),
    ({"estimated_cost": Decimal("0.0165")}, "0.0165"),
    ({"cost": 0, "estimated_cost": Decimal("0.0165")}, "0.0165"),
    ({"total_cost": Decimal("0.01")}, "0.01"),
    ({"cost": "0.0045"}, "0.0045"),
    ({"cost": "free"}, None),
    ({"cost": "NaN"}, None),
    ({"cost": "1e999999"}, "1000000"),
]


@pytest.mark.parametrize(("bill", "cost"), BILLS)
def test_a_cost_is_read_in_every_shape(bill: dict[str, Any], cost: str | None) -> None:
    assert cost_of(bill) == (None if cost is None else Decimal(cost))
