"""The official SDKs as clients of the gateway, over upstreams of every wire format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rightmodel.core import task
from rightmodel.core.task import WireFormat
from rightmodel.simulator import Behaviour, Reply, SimulatedProvider, fault
from rightmodel.simulator.behaviour import ToolCall
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import base64_of
from surfaces.http.gateway import KEY, gateway, manifest
from surfaces.http.sdks import PNG, SDKS
from surfaces.http.test_turns import ONCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rightmodel.core.task import ChatRequest
    from surfaces.http.sdks import Sdk

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS = {"weather": CITY, "time": CITY}
CALLS = (ToolCall("weather", '{"city":"Oslo"}'), ToolCall("time", '{"city":"Lima"}'))


def received(up: SimulatedProvider) -> ChatRequest:
    """The last request, as the upstream understood it."""
    last = up.requests[-1]
    body = last.body
    if up.protocol is WireFormat.GEMINI:
        body = {**body, "model": "m", "stream": last.stream}
    return CODECS[up.protocol].decode_request(body)


async def text(sdk: Sdk, up: SimulatedProvider, *, stream: bool) -> None:
    up.script("m", ["Grüße 😀"])
    sdk.user("hi")
    said = await sdk.turn(stream=stream, extra_body={"temperature": 0.5})
    assert said.text == "Grüße 😀"
    assert said.tokens == (1, 2)
    assert received(up).temperature == 0.5


async def tools(sdk: Sdk, up: SimulatedProvider, *, stream: bool) -> None:
    await _called(sdk, up, CALLS[:1], stream=stream)


async def parallel_tools(sdk: Sdk, up: SimulatedProvider, *, stream: bool) -> None:
    await _called(sdk, up, CALLS, stream=stream)


async def _called(
    sdk: Sdk, up: SimulatedProvider, calls: tuple[ToolCall, ...], *, stream: bool
) -> None:
    first = Reply(None, "tool_calls", tool_call=calls[0], more_calls=calls[1:])
    up.script("m", [first, "It rains."])
    sdk.user("What about the weather?")
    said = await sdk.turn(stream=stream, tools=TOOLS)
    assert [(c.name, c.arguments) for c in said.calls] == [
        (c.name, json.loads(c.arguments)) for c in calls
    ]
    assert len({c.id for c in said.calls}) == len(calls)
    sdk.results({c.id: f"result of {c.name}" for c in said.calls})
    assert (await sdk.turn(stream=stream, tools=TOOLS)).text == "It rains."
    sent = received(up)
    assert [tool.name for tool in sent.tools] == [*TOOLS]
    _, made, told = (message for message in sent.messages if message.role != "system")
    again = [part for part in made.parts if isinstance(part, task.ToolCall)]
    assert [(c.name, c.arguments) for c in again] == [(c.name, c.arguments) for c in calls]
    results = [part for part in told.parts if isinstance(part, task.ToolResult)]
    assert [r.id for r in results] == [c.id for c in again]
    assert [r.parts for r in results] == [(task.Text(f"result of {c.name}"),) for c in calls]


async def schema(sdk: Sdk, up: SimulatedProvider, *, stream: bool) -> None:
    sdk.user("Where?")
    said = await sdk.turn(stream=stream, schema=CITY)
    assert json.loads(said.text) == {"city": "simulated"}
    assert received(up).schema == CITY


async def images(sdk: Sdk, up: SimulatedProvider, *, stream: bool) -> None:
    sdk.user("What is this?", image=True)
    assert (await sdk.turn(stream=stream)).text
    (said,) = (message for message in received(up).messages if message.role == "user")
    (found,) = (part for part in said.parts if isinstance(part, task.Attachment))
    assert (found.media_type, base64_of(found)) == ("image/png", PNG)


async def errors(sdk: Sdk, up: SimulatedProvider, *, stream: bool) -> None:
    sdk.user("hi")
    with pytest.raises(sdk.not_found, match="auto:cheap"):
        await sdk.turn(stream=stream, model="gpt-9")
    # A model of its own for each: an endpoint that failed is waited for.
    kinds = {"limited": (429, sdk.rate_limited), "down": (500, sdk.server_error)}
    for name, (status, kind) in kinds.items():
        model = f"{name}-{stream}"
        up.fail(model, fault.status(status))
        with pytest.raises(kind, match="every attempt failed"):
            await sdk.turn(stream=stream, model=f"p/{model}")


async def error_in_a_stream(sdk: Sdk, up: SimulatedProvider, *, stream: bool) -> None:
    if stream:
        up.script("long", [fault.reset_midway()])
        sdk.user("hi")
        with pytest.raises(sdk.broken_off):
            await sdk.turn(stream=True, model="p/long")


FEATURES: tuple[Callable[..., Awaitable[None]], ...] = (
    text, tools, parallel_tools, schema, images, errors, error_in_a_stream,
)  # fmt: skip


@pytest.mark.parametrize("protocol", WireFormat)
@pytest.mark.parametrize("client", SDKS)
async def test_every_sdk_over_every_upstream(tmp_path: Path, client: str, protocol: str) -> None:
    failing = [f"{name}-{stream}" for name in ("limited", "down") for stream in (False, True)]
    models = dict.fromkeys(["m", *failing], Behaviour()) | {"long": Behaviour("word " * 200)}
    async with SimulatedProvider(protocol, key=KEY, models=models) as up:
        text_ = manifest({"p": up}, extra=ONCE).replace(
            'id = "p/m"\ncost = { input = 1', 'id = "p/m"\ncost = { input = 0.5'
        )
        async with gateway(tmp_path, text_) as gw, SDKS[client](gw.url) as sdk:
            for feature in FEATURES:
                for stream in (False, True):
                    sdk.turns.clear()
                    await feature(sdk, up, stream=stream)


def test_the_table_in_the_docs_is_this_one() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "gateway.md").read_text(encoding="utf-8")
    for feature in FEATURES:
        name = feature.__name__.replace("_", " ")
        assert f"| {name} |" + " 4 of 4 |" * len(SDKS) in docs
