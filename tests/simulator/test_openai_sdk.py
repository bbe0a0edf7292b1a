"""The official openai package, pointed at a simulated provider."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import openai
import pydantic
import pytest

from rightmodel.simulator import Behaviour, SimulatedFault, SimulatedProvider, answer, fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "sk-simulated-0001"


class Count(pydantic.BaseModel):
    count: int


@asynccontextmanager
async def provider_and_client(
    key: str = KEY, **behaviour: Any
) -> AsyncIterator[tuple[SimulatedProvider, openai.AsyncOpenAI]]:
    models = {"m": Behaviour(**behaviour)}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models) as provider,
        openai.AsyncOpenAI(api_key=key, base_url=provider.base_url, max_retries=0) as client,
    ):
        yield provider, client


async def complete(client: openai.AsyncOpenAI, **more: Any) -> Any:
    messages: Any = [{"role": "user", "content": "hi"}]
    return await client.chat.completions.create(**{"model": "m", "messages": messages, **more})


async def test_a_plain_answer_with_usage() -> None:
    async with provider_and_client(cached_tokens=1, reasoning_tokens=5) as (_, client):
        found = await complete(client)
        assert found.choices[0].message.content == "This is a simulated answer."
        assert found.choices[0].finish_reason == "stop"
        assert found.model == "m"
        assert found.usage.completion_tokens == 7 + 5
        assert found.usage.completion_tokens_details.reasoning_tokens == 5
        assert found.usage.prompt_tokens_details.cached_tokens == 1


async def test_a_streamed_answer_ends_with_usage_when_asked_for() -> None:
    async with provider_and_client(chunk_tokens=2, served="m-2026") as (_, client):
        stream = await complete(client, stream=True, stream_options={"include_usage": True})
        chunks = [chunk async for chunk in stream]
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text == "This is a simulated answer."
        assert len(chunks) > 4
        assert {c.model for c in chunks} == {"m-2026"}
        assert chunks[-1].usage.completion_tokens == 7
        plain = [chunk async for chunk in await complete(client, stream=True)]
        assert plain[-1].choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_fits_a_schema(stream: bool) -> None:
    messages: Any = [{"role": "user", "content": "count"}]
    asked: Any = {"model": "m", "messages": messages, "response_format": Count}
    async with provider_and_client() as (_, client):
        if stream:
            async with client.chat.completions.stream(**asked) as events:
                found: Any = await events.get_final_completion()
        else:
            found = await client.chat.completions.parse(**asked)
    assert isinstance(found.choices[0].message.parsed, Count)


async def test_a_tool_that_must_be_called_is_called() -> None:
    async with provider_and_client() as (_, client):
        schema = Count.model_json_schema()
        tool = {"type": "function", "function": {"name": "report", "parameters": schema}}
        found = await complete(client, tools=[tool], tool_choice="required")
        call = found.choices[0].message.tool_calls[0].function
        assert call.name == "report"
        assert Count.model_validate_json(call.arguments)
        assert found.choices[0].finish_reason == "tool_calls"


async def test_models_are_listed() -> None:
    async with provider_and_client() as (_, client):
        assert [model.id async for model in client.models.list()] == ["m"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("broken", "raised"),
    [
        (fault.bad_request(), openai.BadRequestError),
        (fault.wrong_key(), openai.AuthenticationError),
        (fault.forbidden(), openai.PermissionDeniedError),
        (fault.unknown_model(), openai.NotFoundError),
        (fault.status(422), openai.UnprocessableEntityError),
        (fault.rate_limit("1.5"), openai.RateLimitError),
        (fault.insufficient_quota(), openai.RateLimitError),
        (fault.status(500), openai.InternalServerError),
        (fault.bad_gateway_page(), openai.InternalServerError),
        (fault.reset_at_once(), openai.APIConnectionError),
        (fault.closed_unanswered(), openai.APIConnectionError),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_a_fault_is_the_sdks_own_error(
    broken: SimulatedFault, raised: type[Exception], stream: bool
) -> None:
    async with provider_and_client() as (provider, client):
        provider.script("m", [broken])
        with pytest.raises(raised):
            await complete(client, stream=stream)
        assert provider.requests[-1].fault == broken.name
        assert (await complete(client)).choices


async def test_an_error_carries_the_providers_code_and_type() -> None:
    async with provider_and_client() as (provider, client):
        provider.script("m", [fault.insufficient_quota()])
        with pytest.raises(openai.RateLimitError) as caught:
            await complete(client)
        error = caught.value
    assert (error.code, error.type) == ("insufficient_quota", "insufficient_quota")


async def test_the_wrong_key_and_the_unknown_model_are_refused() -> None:
    async with provider_and_client(key="sk-not-the-right-one") as (provider, client):
        with pytest.raises(openai.AuthenticationError) as wrong:
            await complete(client)
        assert wrong.value.code == "invalid_api_key"
        assert "sk-not-the-right-one" not in str(wrong.value)
        assert provider.requests[-1].fault == "wrong_key"
    async with provider_and_client() as (_, client):
        with pytest.raises(openai.NotFoundError) as unknown:
            await complete(client, model="n")
        assert unknown.value.code == "model_not_found"


async def test_a_refused_parameter_is_only_refused_when_it_is_sent() -> None:
    refuses = fault.refuses("max_tokens", use="max_completion_tokens")

    async with provider_and_client(faults=(refuses,)) as (_, client):
        with pytest.raises(openai.BadRequestError) as caught:
            await complete(client, max_tokens=10)
        assert caught.value.param == "max_tokens"
        assert caught.value.code == "unsupported_parameter"
        assert "max_completion_tokens" in caught.value.message
        assert (await complete(client, max_completion_tokens=10)).choices


async def test_an_error_inside_a_stream_is_raised_after_the_first_chunks() -> None:
    async with provider_and_client(chunk_tokens=2) as (provider, client):
        provider.script("m", [fault.error_in_stream()])
        stream = await complete(client, stream=True)
        first = [(await anext(stream)).choices[0].delta.content for _ in range(2)]
        assert first == ["", "This is "]
        with pytest.raises(openai.APIError):
            _ = [chunk async for chunk in stream]


async def test_a_cut_stream_breaks_off() -> None:
    async with provider_and_client(answers="word " * 200) as (provider, client):
        provider.script("m", [fault.cut_in_event(), fault.reset_midway()])
        for _ in range(2):
            with pytest.raises(Exception, match=r"(?i)peer|read|reset|connection"):
                _ = [chunk async for chunk in await complete(client, stream=True)]


async def test_a_script_is_used_up_in_turn() -> None:
    async with provider_and_client(answers="usual") as (provider, client):
        provider.script("m", [answer("first"), "second"])
        found = [await complete(client) for _ in range(3)]
        assert [one.choices[0].message.content for one in found] == ["first", "second", "usual"]


async def test_responses_takes_namespaces_and_tools_that_run_at_the_provider() -> None:
    function = {"type": "function", "name": "read", "parameters": {}, "strict": False}
    namespace = {"type": "namespace", "name": "files", "description": "Files.", "tools": [function]}
    tools: Any = [function, namespace, {"type": "web_search"}]

    async with provider_and_client() as (provider, client):
        stream = await client.responses.create(model="m", input="hi", tools=tools, stream=True)
        events = [event.type async for event in stream]
        assert events[-1] == "response.completed"
        assert provider.requests[0].stream
