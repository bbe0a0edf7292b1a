"""Fields of a request that are missing, null, empty, or of another type than their API says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.simulator import Behaviour, SimulatedProvider
from surfaces.http.gateway import KEY, gateway, manifest
from surfaces.http.test_bad_input import (
    BODY,
    CHAT,
    MESSAGES,
    PATHS,
    RESPONSES,
    message_of,
    refused,
)
from surfaces.http.test_turns import HI

if TYPE_CHECKING:
    from pathlib import Path

WRONG_TYPES: dict[str, list[dict[str, Any]]] = {
    CHAT: [
        {"messages": [{"role": ["user"], "content": "hi"}]},
        {"messages": [{"role": "user", "content": [{"type": {}}]}]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": ["hi", *HI]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": 5}}},
        {"response_format": 5},
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": None}]}]},
        {"stop": 5},
        {"tool_choice": {"type": "function", "function": {"name": "g"}}},
        {"tool_choice": "yes"},
        {"max_tokens": 0},
        {"max_completion_tokens": "100"},
    ],
    RESPONSES: [
        {"input": [{"role": {}, "content": "hi"}]},
        {"input": [{"role": "user", "content": ["hi"]}]},
        {"input": ["hi"]},
        {"text": {"format": {"type": "json_schema", "name": "n", "schema": [5]}}},
        {"text": "plain"},
        {"input": [{"role": "user"}]},
        {"input": [{"role": "user", "content": [{"type": "input_text"}]}]},
        {"input": None},
        {"instructions": 5},
        {"tools": [{}]},
        {"tool_choice": {"type": "function", "name": "g"}},
        {"max_output_tokens": -1},
    ],
    MESSAGES: [
        {"messages": [{"role": [], "content": "hi"}]},
        {"messages": [{"role": "user", "content": ["hi"]}]},
        {"messages": ["hi"]},
        {"system": 5},
        {"output_config": {"format": {"type": "json_schema", "schema": "x"}}},
        {"output_config": "x"},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"thinking": "yes"},
        {"stop_sequences": [5]},
        {"tool_choice": {"type": "tool", "name": "g"}},
        {"tool_choice": "auto"},
        {"max_tokens": 1.5},
        {"max_tokens": None},
    ],
}


WRONG_EVERYWHERE: list[dict[str, Any]] = [
    {"model": ["auto"]},
    {"temperature": "hot"},
    {"temperature": 10**400},
    {"top_p": True},
    {"tools": {}},
    {"tools": [5]},
]


@pytest.mark.parametrize("path", PATHS)
async def test_fields_of_a_wrong_type(tmp_path: Path, path: str) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        for wrong in [*WRONG_TYPES[path], *WRONG_EVERYWHERE]:
            assert next(iter(wrong)) in await refused(gw, path, {**BODY[path], **wrong})
            asked = await gw.post("/v1/route", {**BODY[path], **wrong})
            assert asked.status_code in {200, 400}, asked.text  # a chat may have these fields
        stream = await gw.post(path, {**BODY[path], "stream": "yes"})
        assert stream.status_code == 400
        assert "true or false is required" in message_of(path, stream.json())
        assert up.requests == []


@pytest.mark.parametrize("path", PATHS)
async def test_a_conversation_that_says_nothing(tmp_path: Path, path: str) -> None:
    field = "input" if path == RESPONSES else "messages"

    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        none = await refused(gw, path, {**BODY[path], field: []})
        assert "at least one" in none
        blanks: tuple[object, ...] = ("", "  ", [])
        for blank in blanks:
            said = [{"role": "user", "content": blank}]
            empty = await refused(gw, path, {**BODY[path], field: said})
            assert empty.startswith(f"{field}: every message is empty")
        assert up.requests == []


NULLS = (
    "temperature", "top_p", "stop", "stop_sequences", "tools", "tool_choice", "system",
    "instructions", "response_format", "text", "output_config", "reasoning", "reasoning_effort",
    "thinking", "metadata", "stream", "stream_options", "parallel_tool_calls", "store", "include",
    "previous_response_id", "truncation", "user", "n", "prompt", "max_completion_tokens",
    "max_output_tokens", "seed", "service_tier",
)  # fmt: skip


@pytest.mark.parametrize("protocol", ["openai-chat", "anthropic-messages"])
@pytest.mark.parametrize("path", PATHS)
async def test_null_counts_as_missing(tmp_path: Path, path: str, protocol: str) -> None:
    async with (
        SimulatedProvider(protocol, key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        body = {**dict.fromkeys(NULLS), **BODY[path]}
        assert (await gw.post(path, body)).status_code == 200
        counted = {"max_tokens": None, **dict.fromkeys(NULLS), **BODY[MESSAGES]}
        counted["max_tokens"] = None
        assert (await gw.post("/v1/messages/count_tokens", counted)).status_code == 200
        routed = await gw.post("/v1/route", {**body, "model": None})
        assert routed.status_code == 200, routed.text


@pytest.mark.parametrize("protocol", ["openai-chat", "anthropic-messages", "gemini"])
@pytest.mark.parametrize("path", PATHS)
async def test_system_text_alone_is_a_request_in_every_api(
    tmp_path: Path, path: str, protocol: str
) -> None:
    field = "input" if path == RESPONSES else "messages"

    async with (
        SimulatedProvider(protocol, key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        body = {**BODY[path], field: [{"role": "system", "content": "Say one word."}]}
        assert (await gw.post(path, body)).status_code == 200
        assert "Say one word." in json.dumps(up.requests[0].body)


async def test_a_request_to_fill_the_cache_goes_to_no_other_api(tmp_path: Path) -> None:
    """Anthropic's `max_tokens: 0`: other APIs would answer at length."""
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        text = await refused(gw, MESSAGES, {**BODY[MESSAGES], "max_tokens": 0})
        assert "its API has no field for max_tokens" in text
