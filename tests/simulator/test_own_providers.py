"""Our own providers against the simulated ones, over a real socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Message, WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.simulator import Behaviour, SimulatedFault, SimulatedProvider, answer, fault
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    from rightmodel.core.call import Completion

PROTOCOLS = list(WireFormat)


def ask(
    protocol: WireFormat, *script: SimulatedFault, served: WireFormat | None = None
) -> Completion:
    async def run() -> Completion:
        async with SimulatedProvider(
            served or protocol, key="sk-abc12345", models={"m": Behaviour()}
        ) as up:
            up.script("m", [*script, answer("hello")])
            request = ModelRequest(
                Provider("p", protocol, up.base_url),
                "m",
                (Message.of("user", "hi"),),
                key="sk-abc12345",
                max_output_tokens=50,
            )
            client = HttpClient()
            try:
                return await make_upstreams(client)[protocol].complete(request)
            finally:
                await client.close()

    return asyncio.run(run())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_answer_comes_through(protocol: WireFormat) -> None:
    completion = ask(protocol)
    assert completion.text == "hello"
    assert completion.finish == "stop"
    assert completion.usage is not None
    assert completion.usage.output > 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_fault_comes_through_as_its_class(protocol: WireFormat) -> None:
    with pytest.raises(ProviderError) as overloaded:
        ask(protocol, fault.overloaded())
    assert overloaded.value.fault is Fault.OVERLOADED
    with pytest.raises(ProviderError) as limited:
        ask(protocol, fault.rate_limit(retry_after="1.5"))
    assert limited.value.fault is Fault.RATE_LIMITED
    assert limited.value.retry_after_s == 1.5


@pytest.mark.parametrize("asked", [WireFormat.OPENAI_CHAT, WireFormat.OPENAI_RESPONSES])
def test_a_server_of_one_of_openais_formats_serves_the_other(asked: WireFormat) -> None:
    for served in (WireFormat.OPENAI_CHAT, WireFormat.OPENAI_RESPONSES):
        assert ask(asked, served=served).text == "hello"
