"""The official anthropic package, pointed at a simulated provider."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from rightmodel.simulator import Behaviour, Reply, SimulatedFault, SimulatedProvider, fault
from rightmodel.simulator.behaviour import example_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "sk-ant-simulated-0001"
SCHEMA = {"type": "object", "properties": {"count": {"type": "integer"}}, "required": ["count"]}


@asynccontextmanager
async def provider_and_client(
    key: str = KEY, **behaviour: Any
) -> AsyncIterator[tuple[SimulatedProvider, anthropic.AsyncAnthropic]]:
    models = {"m": Behaviour(**behaviour)}
    async with (
        SimulatedProvider("anthropic-messages", key=KEY, models=models) as provider,
        anthropic.AsyncAnthropic(api_key=key, base_url=provider.base_url, max_retries=0) as client,
    ):
        yield provider, client


async def complete(
    client: anthropic.AsyncAnthropic, *, stream: bool = False, **more: Any
) -> anthropic.types.Message:
    messages: Any = [{"role": "user", "content": "hi"}]
    asked: Any = {"model": "m", "max_tokens": 500, "messages": messages, **more}
    if not stream:
        found = await client.messages.create(**asked)
        assert isinstance(found, anthropic.types.Message)
        return found
    async with client.messages.stream(**asked) as events:
        return await events.get_final_message()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_plain_answer_with_thinking_and_usage(stream: bool) -> None:
    async with provider_and_client(reasoning="let me see", cached_tokens=1) as (_, client):
        found = await complete(client, stream=stream, system="be brief")
        assert [block.type for block in found.content] == ["thinking", "text"]
        assert found.content[-1].to_dict()["text"] == "This is a simulated answer."
        assert found.stop_reason == "end_turn"
        assert found.usage.cache_read_input_tokens == 1
        assert found.usage.input_tokens == 2
        assert found.usage.output_tokens == 7 + 3


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_fits_a_schema(stream: bool) -> None:
    async with provider_and_client() as (_, client):
        config = {"format": {"type": "json_schema", "schema": SCHEMA}}
        found = await complete(client, stream=stream, output_config=config)
    assert isinstance(json.loads(str(found.content[0].to_dict()["text"]))["count"], int)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_tool_that_must_be_called_is_called(stream: bool) -> None:
    async with provider_and_client() as (_, client):
        tools = [{"name": "report", "input_schema": SCHEMA}]
        choice = {"type": "tool", "name": "report"}
        found = await complete(client, stream=stream, tools=tools, tool_choice=choice)
    assert found.stop_reason == "tool_use"
    assert found.content[0].to_dict()["input"] == example_of(SCHEMA)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("broken", "raised"),
    [
        (fault.bad_request(), anthropic.BadRequestError),
        (fault.credit_balance_too_low(), anthropic.BadRequestError),
        (fault.wrong_key(), anthropic.AuthenticationError),
        (fault.forbidden(), anthropic.PermissionDeniedError),
        (fault.unknown_model(), anthropic.NotFoundError),
        (fault.request_too_large(), anthropic.RequestTooLargeError),
        (fault.rate_limit("1.5"), anthropic.RateLimitError),
        (fault.spend_limit_enforced(), anthropic.RateLimitError),
        (fault.status(500), anthropic.InternalServerError),
        (fault.overloaded(), anthropic.OverloadedError),
        (fault.reset_at_once(), anthropic.APIConnectionError),
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
        assert (await complete(client)).content


async def test_an_overload_inside_a_stream_is_raised() -> None:
    async with provider_and_client(chunk_tokens=1) as (provider, client):
        provider.script("m", [fault.overloaded_in_stream()])
        with pytest.raises(anthropic.APIStatusError, match="overloaded_error"):
            await complete(client, stream=True)


async def test_a_refusal_stops_with_refusal() -> None:
    async with provider_and_client() as (provider, client):
        provider.script("m", [fault.refusal()])
        found = await complete(client)
    assert (found.stop_reason, found.content) == ("refusal", [])


async def test_reasoning_can_use_up_the_whole_output() -> None:
    async with provider_and_client(reasoning_tokens=600) as (_, client):
        found = await complete(client)
    assert (found.stop_reason, found.content) == ("max_tokens", [])
    assert found.usage.output_tokens == 500


async def test_models_are_listed() -> None:
    async with provider_and_client() as (_, client):
        assert [model.id async for model in client.models.list()] == ["m"]


async def test_what_a_behaviour_raises_is_raised_at_the_end() -> None:
    def answers(_: object) -> Reply:
        raise LookupError("no such work")

    with pytest.raises(LookupError, match="no such work"):
        async with provider_and_client(answers=answers) as (_, client):
            with pytest.raises(anthropic.APIConnectionError):
                await complete(client)
