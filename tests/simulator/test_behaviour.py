"""Models with skills, limits and schemas; requests that the real ones would refuse; outages."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.core.call import Usage
from rightmodel.simulator import (
    Behaviour,
    Received,
    SimulatedProvider,
    answer,
    count_tokens,
    example_of,
    fault,
)
from simulator.raw import Client, Response, ask, body_of, path_of

PROTOCOLS = ("openai-chat", "anthropic-messages", "gemini")


def received(prompt: str, model: str = "m") -> Received:
    found = Received("POST", "/", {}, {}, b"", {"a": {"bC": 1, "d_e": 2}}, 0.0)
    found.prompt, found.model = prompt, model
    return found


# --- limits ---


@given(limit=st.integers(1, 60), thought=st.integers(0, 60), text=st.text(max_size=200))
def test_an_answer_never_exceeds_the_output_limit(limit: int, thought: int, text: str) -> None:
    request = received("hi")
    request.max_output = limit
    behaviour = Behaviour(text, reasoning_tokens=thought)
    reply = behaviour.finished(behaviour.reply(request), request)
    assert reply.usage is not None
    whole = thought + count_tokens(text) <= limit
    assert reply.usage.output <= limit or (whole or not text)
    assert (reply.finish == "stop") == (whole or not text)
    assert text.startswith(reply.text or "")


def test_usage_and_cost_are_reported_as_configured() -> None:
    used = Usage(input=1000, output=50, cache_read=600, cache_write=100, reasoning=20)

    async def run(protocol: str, dialect: str = "") -> Any:
        models = {"m": Behaviour(answer("x", usage=used, cost_usd=Decimal("0.25")))}
        async with SimulatedProvider(protocol, dialect=dialect, models=models) as provider:
            return (await ask(provider)).json

    usage = asyncio.run(run("anthropic-messages"))["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (300, 600)
    usage = asyncio.run(run("gemini"))["usageMetadata"]
    assert (usage["candidatesTokenCount"], usage["thoughtsTokenCount"]) == (30, 20)
    usage = asyncio.run(run("openai-chat", "deepseek"))["usage"]
    assert (usage["prompt_cache_hit_tokens"], usage["prompt_cache_miss_tokens"]) == (600, 400)
    usage = asyncio.run(run("openai-chat", "openrouter"))["usage"]
    assert usage["cost"] == 0.25


def test_reasoning_is_shown_where_the_dialect_shows_it() -> None:
    async def run(dialect: str) -> tuple[Any, bytes]:
        models = {"m": Behaviour(reasoning="because", chunk_tokens=1)}
        async with SimulatedProvider("openai-chat", dialect=dialect, models=models) as provider:
            whole = (await ask(provider)).json["choices"][0]["message"]
            return whole, (await ask(provider, stream=True)).body

    whole, streamed = asyncio.run(run("deepseek"))
    assert whole["reasoning_content"] == "because"
    assert b'"reasoning_content":"beca"' in streamed
    whole, streamed = asyncio.run(run("openai"))
    assert b"beca" not in streamed
    assert "because" not in whole.values()


# --- schemas ---


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 5}}},
        {"type": "array", "items": {"type": "number"}, "minItems": 3},
        {"type": ["string", "null"], "minLength": 30},
        {"enum": ["red", "green"]},
        {"const": 4},
        {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        {"$ref": "#/$defs/x", "$defs": {"x": {"type": "object", "properties": {"b": {}}}}},
        {"allOf": [{"properties": {"a": {"type": "string"}}}, {"required": ["a"]}]},
        {"type": "number", "exclusiveMinimum": 2},
        {"type": "integer", "default": 9},
    ],
)
def test_an_example_fits_its_schema(schema: dict[str, Any]) -> None:
    jsonschema.validate(example_of(schema), schema)


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    loop = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert isinstance(example_of(loop), dict)


async def test_any_json_object_is_enough_where_no_schema_is_given() -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as provider:
        found = (await ask(provider, response_format={"type": "json_object"})).json
    assert found["choices"][0]["message"]["content"] == '{"answer":"simulated"}'


# --- what the real ones refuse ---


def sent(
    protocol: str, body: Any, headers: dict[str, str] | None = None, path: str = ""
) -> Response:
    async def run() -> Response:
        async with SimulatedProvider(protocol, key="key", models={"m": Behaviour()}) as provider:
            client = await Client.to(provider)
            named = {"authorization": "Bearer key", "x-api-key": "key", "x-goog-api-key": "key"}
            named = {**named, **(headers or {})}
            await client.send(path or path_of(protocol), body, named)
            found = await client.read()
            await client.close()
            return found

    return asyncio.run(run())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_no_json_is_a_bad_request(protocol: str) -> None:
    assert sent(protocol, b"{nonsense").status == 400
    assert sent(protocol, b"[1, 2]").status == 400


@pytest.mark.parametrize(
    ("protocol", "left_out"),
    [
        ("openai-chat", "model"),
        ("openai-chat", "messages"),
        ("anthropic-messages", "model"),
        ("anthropic-messages", "max_tokens"),
        ("anthropic-messages", "messages"),
        ("gemini", "contents"),
    ],
)
def test_what_is_required_is_missed_by_name(protocol: str, left_out: str) -> None:
    body = {k: v for k, v in body_of(protocol).items() if k != left_out}
    found = sent(protocol, body)
    assert found.status == 400
    assert left_out in found.json["error"]["message"]


async def test_anthropic_wants_its_version_header() -> None:
    async with SimulatedProvider("anthropic-messages", models={"m": Behaviour()}) as provider:
        client = await Client.to(provider)
        head = "POST /v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}"
        client.writer.write(head.encode())
        found = await client.read()
        await client.close()
        assert "anthropic-version: header is required" in str(found.json)


@pytest.mark.parametrize(
    ("protocol", "missing", "wrong"),
    [("openai-chat", 401, 401), ("anthropic-messages", 401, 401), ("gemini", 403, 400)],
)
def test_a_missing_and_a_wrong_key(protocol: str, missing: int, wrong: int) -> None:
    none = {"authorization": "", "x-api-key": "", "x-goog-api-key": ""}
    other = {"authorization": "Bearer 2", "x-api-key": "2", "x-goog-api-key": "2"}
    assert sent(protocol, body_of(protocol), none).status == missing
    assert sent(protocol, body_of(protocol), other).status == wrong


@pytest.mark.parametrize("path", ["/chat/completions", "/v1beta/models/m:nonsense", "/v1/models/m"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_unknown_path_is_not_found(protocol: str, path: str) -> None:
    assert sent(protocol, body_of(protocol), path=path).status == 404


def test_geminis_key_may_be_in_the_query() -> None:
    found = sent(
        "gemini", body_of("gemini"), {"x-goog-api-key": "key"}, "/v1/models/m:generateContent"
    )
    assert found.status == 200


# --- scripts and outages ---


async def test_an_outage_lasts_until_it_is_healed_and_takes_the_list_of_models_too() -> None:
    models = {"m": Behaviour(), "n": Behaviour()}
    async with SimulatedProvider("openai-chat", models=models) as provider:
        provider.fail_all(fault.overloaded())
        assert [(await ask(provider, model=m)).status for m in ("m", "n", "m")] == [503] * 3
        client = await Client.to(provider)
        await client.send("/v1/models", b"", method="GET")
        assert (await client.read()).status == 503
        provider.heal()
        await client.send("/v1/models", b"", method="GET")
        assert [m["id"] for m in (await client.read()).json["data"]] == ["m", "n"]
        await client.close()
        assert (await ask(provider)).status == 200


async def test_one_model_fails_alone_and_a_script_comes_first() -> None:
    models = {"m": Behaviour(), "n": Behaviour()}
    async with SimulatedProvider("openai-chat", models=models) as provider:
        provider.fail("m", fault.status(500))
        provider.script("m", [answer("still"), fault.status(502)])
        assert [(await ask(provider)).status for _ in range(3)] == [200, 502, 500]
        assert (await ask(provider, model="n")).status == 200
        provider.heal("m")
        assert (await ask(provider)).status == 200
        with pytest.raises(KeyError, match="there are: m, n"):
            provider.script("o", [])


async def test_what_came_is_remembered() -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}, keep=4) as provider:
        for number in range(7):
            await ask(provider, f"prompt {number}", key="k", temperature=0.5)
        last = provider.requests[-1]
        assert (last.prompt, last.model, last.number) == ("prompt 6", "m", 6)
        assert last.headers["authorization"] == "Bearer k"
        assert last.value("temperature") == 0.5
        assert last.value("nothing.there") is None
        assert last.answered
        assert 2 <= len(provider.requests) <= 4


def test_a_parameter_is_found_in_either_spelling() -> None:
    assert received("hi").value("a.bC") == 1
    assert received("hi").value("a.dE") == 2


def test_a_dialect_must_speak_the_protocol() -> None:
    with pytest.raises(ValueError, match="does not speak gemini"):
        SimulatedProvider("gemini", dialect="groq", models={})
