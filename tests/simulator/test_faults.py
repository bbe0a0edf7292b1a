"""What each fault sends, in which dialect, and to which requests."""

from __future__ import annotations

import asyncio
from email.utils import parsedate_to_datetime
from random import Random
from typing import Any

import pytest

from rightmodel.core.errors import UnknownNameError
from rightmodel.core.fault import Fault
from rightmodel.simulator import Behaviour, SimulatedFault, SimulatedProvider, fault
from rightmodel.simulator.dialects import DIALECTS
from simulator.raw import Client, answer_with, ask, body_of, path_of, with_schema

LONG = "word " * 20_000


# --- the catalogue ---


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_fault_that_fits_can_be_played_streamed_and_not(dialect: str) -> None:
    async def one(provider: SimulatedProvider, found: SimulatedFault, stream: bool) -> None:
        provider.script("m", [found])
        client = await Client.to(provider)
        body = body_of(provider.protocol, LONG, stream=stream, **with_schema(dialect))
        await client.send(path_of(provider.protocol, stream=stream), body)
        before = len(provider.requests)
        if found.name in fault.STALLS:
            await provider.until(lambda: len(provider.requests) > before)
        else:
            try:
                assert (await client.read()).status >= 200
            except (ConnectionError, asyncio.IncompleteReadError):
                assert found.leads_to >= {Fault.CONNECTION}
        await client.close()

    protocol = DIALECTS[dialect].protocol
    models = {"m": Behaviour()}
    async with SimulatedProvider(protocol, dialect=dialect, models=models) as provider:
        found = fault.faults(protocol, dialect)
        assert len(found) > 50
        for one_fault in found:
            if one_fault.name != "huge_body":
                for stream in (False, True):
                    await one(provider, one_fault, stream)
        assert not provider.errors


def test_faults_are_found_by_name_and_a_similar_name_is_suggested() -> None:
    assert fault.find("rate_limit_nan").name == "rate_limit_nan"
    with pytest.raises(UnknownNameError, match="overloaded"):
        fault.find("overloadet")


def test_every_class_of_fault_is_in_the_catalogue() -> None:
    found = {reading for one in fault.CATALOGUE.values() for reading in one.leads_to}
    assert found == set(Fault) - {Fault.BUSY}  # a queue of our own, no provider's answer
    assert {f.name for f in fault.faults(leads_to=Fault.QUOTA)} >= {"payment_required"}
    assert fault.find("block_reason") not in fault.faults("openai-chat")


def test_a_seed_draws_the_same_faults_again() -> None:
    def names() -> list[str]:
        random = Random(7)
        return [fault.choose(random, "gemini").name for _ in range(20)]

    assert names() == names()
    assert len(set(names())) > 5


def test_faults_can_be_put_together() -> None:
    outage = fault.chance(0.5, fault.one_of(fault.overloaded(), fault.status(500)))
    only_b = fault.when(lambda request: "bad" in request.prompt, fault.bad_request())

    async def run(seed: int) -> list[tuple[int, str]]:
        models = {"m": Behaviour()}
        async with SimulatedProvider("openai-chat", models=models, random=Random(seed)) as provider:
            provider.fail_all(fault.in_turn(only_b, outage))
            for number in range(30):
                await ask(provider, "bad" if number == 3 else "good")
            return [(r.status, r.fault) for r in provider.requests]

    first = asyncio.run(run(1))
    assert first == asyncio.run(run(1))
    assert first != asyncio.run(run(2))
    assert first[3] == (400, "bad_request")
    assert {status for status, _ in first} == {200, 400, 500, 503}
    assert {name for status, name in first if status == 500} == {"status_500"}


def test_headers_can_be_added_to_a_fault() -> None:
    found = answer_with("anthropic", fault.overloaded().with_headers(retry_after="3"))
    assert found.headers["retry-after"] == "3"
    assert found.status == 529


# --- rate limits ---


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("rate_limit_seconds", {"retry-after": "2"}),
        ("rate_limit_fraction", {"retry-after": "1.5"}),
        ("rate_limit_negative", {"retry-after": "-5"}),
        ("rate_limit_nan", {"retry-after": "NaN"}),
        ("rate_limit_year", {"retry-after": "31536000"}),
        ("rate_limit_ms", {"retry-after-ms": "750"}),
        ("rate_limit_resets", {"x-ratelimit-reset-requests": "6.5s"}),
    ],
)
def test_how_long_to_wait_is_said_as_asked(name: str, headers: dict[str, str]) -> None:
    found = answer_with("openai", fault.find(name))
    assert found.status == 429
    assert found.json["error"]["code"] == "rate_limit_exceeded"
    assert headers.items() <= found.headers.items()


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("rate_limit_date", 3),
        ("rate_limit_past_date", -3600),
        ("rate_limit_clock_ahead", 3),
        ("rate_limit_clock_behind", 3),
    ],
)
def test_a_date_is_so_far_from_the_providers_own_clock(name: str, seconds: float) -> None:
    found = answer_with("openai", fault.find(name))
    until, now = (parsedate_to_datetime(found.headers[h]) for h in ("retry-after", "date"))
    assert abs((until - now).total_seconds() - seconds) <= 1


def test_a_skewed_clock_is_off_by_hours() -> None:
    ahead, right = (
        parsedate_to_datetime(answer_with("openai", fault.find(name)).headers["date"])
        for name in ("rate_limit_clock_ahead", "rate_limit_date")
    )
    assert 7190 < (ahead - right).total_seconds() < 7210


def test_gemini_puts_it_in_the_body_and_in_an_array() -> None:
    plain, array = (answer_with("gemini", fault.retry_info(34, array=a)) for a in (False, True))
    assert array.json == [plain.json]
    last = plain.json["error"]["details"][-1]
    assert last["@type"].endswith("RetryInfo")
    assert last["retryDelay"] == "34s"


def test_anthropic_reports_when_its_counters_reset() -> None:
    found = answer_with("anthropic", fault.rate_limit_resets())
    assert found.headers["anthropic-ratelimit-requests-reset"].endswith("Z")


# --- bodies by dialect ---


@pytest.mark.parametrize(
    ("dialect", "broken", "status", "expected"),
    [
        ("openai", fault.out_of_quota(), 429, {"code": "insufficient_quota"}),
        ("openai", fault.region_forbidden(), 403, {"type": "request_forbidden"}),
        ("deepseek", fault.payment_required(), 402, {"message": "Insufficient Balance"}),
        ("openrouter", fault.payment_required(), 402, {"code": 402}),
        ("openrouter", fault.unknown_model(), 400, {"message": "m is not a valid model ID"}),
        ("groq", fault.request_too_large(), 413, {"code": "rate_limit_exceeded"}),
        ("ollama", fault.unknown_model(), 404, {"type": "not_found_error"}),
        ("vllm", fault.unknown_model(), 404, {"type": "NotFoundError", "code": 404}),
        ("llamacpp", fault.context_overflow(512), 400, {"n_ctx": 512, "n_prompt_tokens": 513}),
        ("anthropic", fault.credit_balance_too_low(), 400, {"type": "invalid_request_error"}),
        ("anthropic", fault.overloaded(), 529, {"type": "overloaded_error"}),
        ("gemini", fault.overloaded(), 503, {"status": "UNAVAILABLE"}),
        ("gemini", fault.status(504), 504, {"code": 504}),
    ],
    ids=lambda value: str(getattr(value, "name", "")),
)
def test_the_body_is_the_providers_own(
    dialect: str, broken: SimulatedFault, status: int, expected: dict[str, Any]
) -> None:
    found = answer_with(dialect, broken)
    assert found.status == status
    assert expected.items() <= found.json["error"].items()


def test_mistral_has_its_own_error_shape() -> None:
    assert answer_with("mistral", fault.wrong_key()).json == {"detail": "Unauthorized"}
    limited = answer_with("mistral", fault.rate_limit()).json
    assert (limited["type"], limited["code"]) == ("rate_limited", "1300")


def test_a_spend_limit_of_anthropic_comes_without_retry_after() -> None:
    found = answer_with("anthropic", fault.spend_limit_enforced())
    assert found.status == 429
    assert "retry-after" not in found.headers
    assert found.json["error"]["details"] == {"error_code": "enforced_spend_limit_reached"}


def test_moderation_of_openrouter_carries_its_reasons() -> None:
    found = answer_with("openrouter", fault.moderated())
    assert found.status == 403
    assert found.json["error"]["metadata"]["reasons"]


def test_an_error_in_a_200_has_a_number_as_code() -> None:
    found = answer_with("openrouter", fault.error_in_200(502))
    assert (found.status, found.json["error"]["code"]) == (200, 502)
    assert found.json["error"]["metadata"]["provider_name"]
    streamed = answer_with("openrouter", fault.error_in_200(429), stream=True)
    assert streamed.events[0]["error"]["code"] == 429


def test_a_proxys_page_is_html() -> None:
    found = answer_with("openai", fault.bad_gateway_page())
    assert (found.status, found.headers["content-type"]) == (502, "text/html")
    assert found.body.startswith(b"<html>")


def test_an_echoed_prompt_accompanies_the_message() -> None:
    found = answer_with("openai", fault.echoed_prompt(), "rate limit 429 context length")
    assert "rate limit" not in found.json["error"]["message"]
    assert "rate limit" in found.json["input"]


# --- context windows ---


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        ("openai", "maximum context length is 100 tokens"),
        ("deepseek", "maximum context length is 100 tokens. However, you requested"),
        ("openrouter", "maximum context length is 100 tokens"),
        ("vllm", "maximum context length is 100 tokens. However, you requested"),
        ("llamacpp", "exceeds the available context size"),
        ("anthropic", "tokens > 100 maximum"),
        ("gemini", "exceeds the maximum number of tokens allowed (100)"),
    ],
)
def test_what_exceeds_a_models_window_is_refused_in_its_dialect(dialect: str, words: str) -> None:
    small = Behaviour(context=100)
    found = answer_with(dialect, fault.schema_mismatch(), LONG, behaviour=small)
    assert found.status == 400
    assert words in found.json["error"]["message"]


def test_output_that_does_not_fit_beside_the_prompt_is_distinguished() -> None:
    small = Behaviour(context=120)
    found = answer_with("anthropic", fault.schema_mismatch(), "x" * 200, behaviour=small)
    assert "input length and `max_tokens` exceed context limit" in found.json["error"]["message"]


def test_more_output_than_the_model_has_is_refused() -> None:
    found = answer_with("anthropic", fault.schema_mismatch(), behaviour=Behaviour(output_limit=50))
    assert (found.status, "100 > 50" in found.json["error"]["message"]) == (400, True)


@pytest.mark.parametrize("broken", [fault.silent_cut(4096), fault.schema_mismatch()])
def test_ollama_cuts_the_prompt_silently(broken: SimulatedFault) -> None:
    window = Behaviour(lambda request: f"read {len(request.prompt)}", context=4096)
    found = answer_with("ollama", broken, LONG, behaviour=window)
    assert found.status == 200
    assert found.json["usage"]["prompt_tokens"] == 4096
    assert found.json["choices"][0]["message"]["content"] == f"read {4096 * 4}"
    short = answer_with("ollama", broken, "short", behaviour=window)
    assert short.json["usage"]["prompt_tokens"] == 2


def test_vllm_has_a_flat_error_and_negative_tokens() -> None:
    assert answer_with("vllm", fault.context_overflow_flat()).json["object"] == "error"
    assert "got -186" in answer_with("vllm", fault.negative_max_tokens()).json["message"]


# --- parameters ---


@pytest.mark.parametrize(
    ("dialect", "broken", "more", "status"),
    [
        ("openai", fault.refuses("temperature"), {"temperature": 0.2}, 400),
        ("openai", fault.refuses_value("temperature"), {"temperature": 0.2}, 400),
        ("openai", fault.refuses_response_format(), with_schema("openai"), 400),
        ("mistral", fault.forbids("seed"), {"seed": 3}, 422),
        ("vllm", fault.forbids("seed"), {"seed": 3}, 422),
        (
            "gemini",
            fault.refuses("generationConfig.thinkingConfig"),
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
            400,
        ),
    ],
)
def test_a_parameter_is_refused_only_where_it_is_sent(
    dialect: str, broken: SimulatedFault, more: dict[str, Any], status: int
) -> None:
    assert answer_with(dialect, broken, **more).status == status
    assert answer_with(dialect, broken).status == 200


def test_the_default_value_of_a_parameter_is_taken() -> None:
    assert answer_with("openai", fault.refuses_value("temperature"), temperature=1).status == 200
