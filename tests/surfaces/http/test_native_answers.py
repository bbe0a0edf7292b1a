"""Answers without a text that only a client of the upstream's own API can take."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from loopback import loopback
from surfaces.http.gateway import gateway

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version = 1
[providers.p]
protocol = "{protocol}"
base_url = "http://127.0.0.1:{port}/v1"
key_env = "KEY"
[[models]]
id = "p/m"
cost = {{ input = 1, output = 2 }}
limits = {{ context = 200000, output = 32000 }}
features = ["tools"]
"""
USAGE = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}
SEARCH = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}


def paused() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    empty = {"id": "m", "type": "message", "role": "assistant", "model": "m", "usage": USAGE}
    end = {"stop_reason": "pause_turn", "stop_sequence": None}
    return {**empty, "content": [SEARCH], **end}, [
        {"type": "message_start", "message": {**empty, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": SEARCH},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": end, "usage": USAGE},
        {"type": "message_stop"},
    ]


def responded(item: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    response = {"id": "r", "object": "response", "created_at": 1, "model": "m", "usage": USAGE}
    whole = {**response, "output": [item], "status": "completed"}
    return whole, [
        {"type": "response.created", "response": {**response, "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": whole},
    ]


def spoken() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    message = {"role": "assistant", "content": None, "audio": {"id": "a", "data": "aGk="}}
    chat = {"id": "c", "created": 1, "model": "m"}
    choice = {"index": 0, "finish_reason": "stop"}
    whole = {**chat, "object": "chat.completion", "choices": [{**choice, "message": message}]}
    chunk = {**chat, "object": "chat.completion.chunk", "choices": [{**choice, "delta": message}]}
    return whole, [chunk]


ANSWERS = {
    "paused": ("anthropic-messages", "/v1/messages", paused()),
    "picture": (
        "openai-responses",
        "/v1/responses",
        responded({"type": "image_generation_call", "id": "i", "result": "aGk="}),
    ),
    "compaction": (
        "openai-responses",
        "/v1/responses",
        responded({"type": "compaction", "id": "i", "encrypted_content": "e"}),
    ),
    "search for tools": (
        "openai-responses",
        "/v1/responses",
        responded({"type": "tool_search_call", "call_id": "i", "arguments": {}}),
    ),
    "speech": ("openai-chat", "/v1/chat/completions", spoken()),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", ANSWERS)
async def test_they_reach_it_as_they_came(tmp_path: Path, name: str, *, stream: bool) -> None:
    protocol, path, (whole, events) = ANSWERS[name]
    sent = "".join(f"event: {e.get('type', 'chunk')}\ndata: {json.dumps(e)}\n\n" for e in events)
    answer = (200, "text/event-stream", sent.encode())
    if not stream:
        answer = (200, "application/json", json.dumps(whole).encode())
    async with (
        loopback({"m": [answer]}) as up,
        gateway(tmp_path, MANIFEST.format(protocol=protocol, port=up.port)) as gw,
    ):
        said = [{"role": "user", "content": "Hello."}]
        field = "input" if path.endswith("responses") else "messages"
        body = {"model": "p/m", field: said, "max_tokens": 99, "stream": stream}
        found = await gw.post(path, body)
        assert found.status_code == 200, found.text
        assert found.content == answer[2]
        assert len(up.bodies) == 1
