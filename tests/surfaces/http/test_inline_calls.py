"""Tool calls that an open model wrote as text reach the client as calls of its own API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.task import ToolCall, WireFormat
from rightmodel.simulator import Behaviour, SimulatedProvider, answer
from rightmodel.wire.codecs import CODECS
from surfaces.http.gateway import KEY, gateway, manifest

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.wire.response import ChatResponse

SAID = (
    "<think>Which file?</think>Let me look.\n<tool_call>\n"
    '{"name": "read", "arguments": {"path": "a"}}\n</tool_call>'
)
HI = [{"role": "user", "content": "hi"}]
PARAMETERS = {"type": "object", "properties": {"path": {"type": "string"}}}
FUNCTION = {"name": "read", "parameters": PARAMETERS}
BODIES: dict[WireFormat, tuple[str, dict[str, Any]]] = {
    WireFormat.OPENAI_CHAT: (
        "/v1/chat/completions",
        {"messages": HI, "tools": [{"type": "function", "function": FUNCTION}]},
    ),
    WireFormat.OPENAI_RESPONSES: (
        "/v1/responses",
        {"input": HI, "tools": [{"type": "function", **FUNCTION}]},
    ),
    WireFormat.ANTHROPIC_MESSAGES: (
        "/v1/messages",
        {"messages": HI, "max_tokens": 99, "tools": [{"name": "read", "input_schema": PARAMETERS}]},
    ),
}


def decoded(dialect: WireFormat, body: str, *, stream: bool) -> ChatResponse:
    """What the client of an API makes of a response."""
    decoder = CODECS[dialect].decoder()
    if stream:
        for line in body.split("\n"):
            if line.startswith("data: {"):
                decoder.event(json.loads(line.removeprefix("data: ")))
    else:
        decoder.body(json.loads(body))
    return decoder.response()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("dialect", BODIES)
async def test_a_call_in_the_text_is_one(
    tmp_path: Path, dialect: WireFormat, *, stream: bool
) -> None:
    path, body = BODIES[dialect]
    said = SAID if dialect is not WireFormat.OPENAI_CHAT else SAID[SAID.index("<tool") :]
    async with (
        SimulatedProvider(key=KEY, models={"m": Behaviour(answers=said)}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        response = await gw.post(path, {"model": "auto", "stream": stream, **body})
    found = decoded(dialect, response.text, stream=stream)
    (call,) = (part for part in found.parts if isinstance(part, ToolCall))
    assert (call.name, json.loads(call.arguments)) == ("read", {"path": "a"})
    assert call.id
    assert found.finish == "tool_calls"
    if dialect is not WireFormat.OPENAI_CHAT:
        assert found.text.strip() == "Let me look."


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", list(BODIES))
@pytest.mark.parametrize("dialect", BODIES)
async def test_a_call_in_the_text_that_the_limit_cut_off_is_an_answer_that_was_cut_off(
    tmp_path: Path, dialect: WireFormat, provider: WireFormat, *, stream: bool
) -> None:
    cut_off = answer('Let me look.\n<tool_call>\n{"name": "read", "arg', finish="length")
    path, body = BODIES[dialect]
    async with (
        SimulatedProvider(provider, key=KEY, models={"m": Behaviour(answers=cut_off)}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        response = await gw.post(path, {"model": "auto", "stream": stream, **body})
        assert len(up.requests) == 1
    found = decoded(dialect, response.text, stream=stream)
    assert found.finish == "length"
    if not (stream and dialect is provider):  # that is passed on as it comes
        assert found.text.strip() == "Let me look."
