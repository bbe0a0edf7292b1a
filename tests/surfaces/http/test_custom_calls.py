"""Calls of tools that take free text, such as Codex's `apply_patch`, from OpenAI's own API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import openai
import pytest

from loopback import loopback
from surfaces.http.gateway import gateway

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version = 1
[providers.p]
protocol = "openai-responses"
base_url = "http://127.0.0.1:{port}/v1"
key_env = "KEY"
[[models]]
id = "p/m"
cost = {{ input = 1, output = 2 }}
limits = {{ context = 200000, output = 32000 }}
features = ["tools"]
"""
ITEM = {"type": "custom_tool_call", "id": "c", "call_id": "call_1", "name": "apply_patch"}


def events(pieces: list[str]) -> list[dict[str, Any]]:
    done = {**ITEM, "input": "".join(pieces), "status": "completed"}
    response = {"id": "r", "object": "response", "created_at": 1, "model": "m", "output": [done]}
    usage = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
    kind, at = "response.custom_tool_call_input.delta", {"output_index": 0, "item_id": "c"}
    return [
        {"type": "response.created", "response": {**response, "output": []}},
        {"type": "response.output_item.added", **at, "item": {**ITEM, "input": ""}},
        *({"type": kind, **at, "delta": piece} for piece in pieces),
        {"type": "response.output_item.done", **at, "item": done},
        {
            "type": "response.completed",
            "response": {**response, "status": "completed", "usage": usage},
        },
    ]


@pytest.mark.parametrize("pieces", [[], ["[1,", "2]"], ['say "hi"\n', "é\\"]])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_answer_that_is_only_such_a_call_reaches_the_client(
    tmp_path: Path, pieces: list[str], *, stream: bool
) -> None:
    sent = events(pieces)
    body = "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in sent)
    answer = (200, "text/event-stream", body.encode())
    if not stream:
        answer = (200, "application/json", json.dumps(sent[-1]["response"]).encode())
    async with (
        loopback({"m": [answer]}) as up,
        gateway(tmp_path, MANIFEST.format(port=up.port)) as gw,
        openai.AsyncOpenAI(base_url=f"{gw.url}/v1", api_key="none", max_retries=0) as sdk,
    ):
        asked: Any = {"model": "p/m", "input": "Patch it.", "store": False}
        asked["tools"] = [{"type": "custom", "name": "apply_patch"}]
        if stream:
            async with sdk.responses.stream(**asked) as found:
                response: Any = await found.get_final_response()
        else:
            response = await sdk.responses.create(**asked)
        assert [item.input for item in response.output] == ["".join(pieces)]
        assert len(up.bodies) == 1
