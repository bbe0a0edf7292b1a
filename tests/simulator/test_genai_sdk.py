"""The official google-genai package, pointed at a simulated provider."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pydantic
import pytest
from google import genai
from google.genai import errors, types

from rightmodel.simulator import Behaviour, SimulatedFault, SimulatedProvider, fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

KEY = "AIza-simulated-0001"


class Count(pydantic.BaseModel):
    count: int


@asynccontextmanager
async def provider_and_client(
    key: str = KEY, **behaviour: Any
) -> AsyncIterator[tuple[SimulatedProvider, genai.Client]]:
    models = {"m": Behaviour(**behaviour)}
    async with SimulatedProvider("gemini", key=KEY, models=models) as provider:
        options = types.HttpOptions(base_url=provider.base_url, api_version="v1beta")
        client = genai.Client(api_key=key, http_options=options)
        try:
            yield provider, client
        finally:
            await client.aio.aclose()
            client.close()


async def complete(
    client: genai.Client, *, stream: bool = False, **config: Any
) -> list[types.GenerateContentResponse]:
    asked: Any = {"model": "m", "contents": "hi", "config": config or None}
    if not stream:
        return [await client.aio.models.generate_content(**asked)]
    return [part async for part in await client.aio.models.generate_content_stream(**asked)]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_plain_answer_with_thoughts_and_usage(stream: bool) -> None:
    async with provider_and_client(reasoning="let me see", cached_tokens=1) as (_, client):
        found = await complete(client, stream=stream, system_instruction="be brief")
        assert "".join(part.text or "" for part in found) == "This is a simulated answer."
        (candidate,) = found[-1].candidates or []
        assert candidate.finish_reason is types.FinishReason.STOP
        usage = found[-1].usage_metadata
        assert usage is not None
        assert usage.thoughts_token_count == 3
        assert usage.candidates_token_count == 7
        assert usage.cached_content_token_count == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_that_fits_a_schema(stream: bool) -> None:
    async with provider_and_client() as (_, client):
        form = {"response_mime_type": "application/json", "response_schema": Count}
        text = "".join(part.text or "" for part in (await complete(client, stream=stream, **form)))
    assert Count.model_validate_json(text)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("broken", "raised", "status"),
    [
        (fault.bad_request(), errors.ClientError, "INVALID_ARGUMENT"),
        (fault.wrong_key(), errors.ClientError, "INVALID_ARGUMENT"),
        (fault.forbidden(), errors.ClientError, "PERMISSION_DENIED"),
        (fault.unknown_model(), errors.ClientError, "NOT_FOUND"),
        (fault.retry_info(), errors.ClientError, "RESOURCE_EXHAUSTED"),
        (fault.context_overflow(), errors.ClientError, "INVALID_ARGUMENT"),
        (fault.status(500), errors.ServerError, "INTERNAL"),
        (fault.overloaded(), errors.ServerError, "UNAVAILABLE"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
async def test_a_fault_is_the_sdks_own_error(
    broken: SimulatedFault, raised: type[errors.APIError], status: str, stream: bool
) -> None:
    async with provider_and_client() as (provider, client):
        provider.script("m", [broken])
        with pytest.raises(raised) as caught:
            await complete(client, stream=stream)
        assert caught.value.status == status
        assert (await complete(client))[0].text


@pytest.mark.parametrize("stream", [False, True])
async def test_a_blocked_prompt_has_a_reason_and_no_candidates(stream: bool) -> None:
    async with provider_and_client() as (provider, client):
        provider.script("m", [fault.block_reason("SAFETY")])
        (found,) = await complete(client, stream=stream)
    assert found.prompt_feedback is not None
    assert found.prompt_feedback.block_reason is types.BlockedReason.SAFETY
    assert not found.candidates


async def test_a_function_that_must_be_called_is_called() -> None:
    async with provider_and_client() as (_, client):
        schema = Count.model_json_schema()
        function = {"name": "report", "parameters_json_schema": schema}
        config = {"function_calling_config": {"mode": "ANY"}}
        tools = [{"function_declarations": [function]}]
        (call,) = (await complete(client, tools=tools, tool_config=config))[0].function_calls or []
    assert call.name == "report"
    assert Count.model_validate(call.args)


async def test_a_missing_key_is_forbidden_and_a_wrong_one_a_bad_request() -> None:
    async with provider_and_client(key="AIza-not-the-right-one") as (_, client):
        with pytest.raises(errors.ClientError, match="API key not valid") as caught:
            await complete(client)
        assert caught.value.code == 400


async def test_models_are_listed() -> None:
    async with provider_and_client() as (_, client):
        assert [model.name async for model in await client.aio.models.list()] == ["models/m"]
