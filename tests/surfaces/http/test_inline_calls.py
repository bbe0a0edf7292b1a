"""Tool calls that an open model wrote as text reach the client as calls of its own API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.task import ToolCall, WireFormat
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.wire.codecs import CODECS
from surfaces.http.gateway import KEY, gateway, manifest

if TYPE_CHECKING:
    from pathlib import Path

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
        answer = await gw.post(path, {"model": "auto", "stream": stream, **body})
    codec = CODECS[dialect]
    decoder = codec.decoder()
    if stream:
        for line in answer.text.split("\n"):
            if line.startswith("data: {"):
                decoder.event(json.loads(line.removeprefix("data: ")))
    else:
        decoder.body(answer.json())
    found = decoder.response()
    (call,) = (part for part in found.parts if isinstance(part, ToolCall))
    assert (call.name, json.loads(call.arguments)) == ("read", {"path": "a"})
    assert call.id
    assert found.finish == "tool_calls"
    if dialect is not WireFormat.OPENAI_CHAT:
        assert found.text.strip() == "Let me look."
