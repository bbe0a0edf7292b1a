"""The front and the SDK's server behind it, beside the SDK's server alone."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from mcp.shared.message import SessionMessage
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from rightmodel.core.errors import TaskError
from rightmodel.surfaces.mcp.front import HANDSHAKE_VERSIONS, MODERN_VERSION, PREFIX, Front
from rightmodel.surfaces.mcp.server import make_server
from rightmodel.surfaces.mcp.stdio import REPLAY, InvalidMessageError, decode, encode

if TYPE_CHECKING:
    from rightmodel.execution.engine import Engine

Message = dict[str, Any]

SETTLED = 50
"""Turns of the event loop after which nothing is left to do; no thread is involved."""
CLIENT = {"name": "client", "version": "1"}
ENVELOPE = {
    f"{PREFIX}protocolVersion": MODERN_VERSION,
    f"{PREFIX}clientInfo": CLIENT,
    f"{PREFIX}clientCapabilities": {},
}
INITIALIZED: Message = {"method": "notifications/initialized"}
CALL: Message = {"method": "tools/call", "params": {"name": "choose_model", "arguments": {}}}


def initialize(version: Any = "2025-06-18", capabilities: Any = None, **info: Any) -> Message:
    params = {
        "protocolVersion": version,
        "capabilities": {} if capabilities is None else capabilities,
        "clientInfo": CLIENT | info,
    }
    return {"method": "initialize", "params": params}


def modern(method: str, params: Message | None = None, **meta: Any) -> Message:
    envelope = ENVELOPE | {f"{PREFIX}{name}": value for name, value in meta.items()}
    return {"method": method, "params": {**(params or {}), "_meta": envelope}}


async def no_engine() -> Engine:
    raise TaskError("no engine here")


async def sdk(lines: list[bytes]) -> list[Any]:
    """What the SDK's server replies, line by line."""
    server = make_server(no_engine, deadline_s=None)
    to_server, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, from_server = anyio.create_memory_object_stream[SessionMessage](100)
    replies: list[Any] = []

    async def collect() -> None:
        nonlocal replies
        async with from_server:
            async for item in from_server:
                replies += [json.loads(encode(item.message))]

    async with anyio.create_task_group() as group:
        group.start_soon(collect)
        options = server.create_initialization_options()
        group.start_soon(server.run, incoming, outgoing, options)
        for line in lines:
            for message in decode(line):
                if isinstance(message, InvalidMessageError):
                    replies.append(json.loads(encode(message)))
                else:
                    await to_server.send(SessionMessage(message))
                for _ in range(SETTLED):
                    await asyncio.sleep(0)
        to_server.close()
    return replies


def front_first(lines: list[bytes]) -> tuple[list[Any], int]:
    """The replies of the front with the SDK's server behind it; how many lines the front took."""
    front = Front()
    replies = []
    taken = 0
    for line in lines:
        reply = front.answer(line)
        if reply is None:
            break
        taken += 1
        if reply:
            replies.append(json.loads(reply))
    replay = [json.dumps(m | ({"id": REPLAY} if "id" in m else {})).encode() for m in front.replay]
    behind = asyncio.run(sdk([*replay, *lines[taken:]]))
    return [*replies, *(r for r in behind if r["id"] != REPLAY)], taken


def lines_of(*messages: Message | bytes) -> list[bytes]:
    lines = []
    for number, message in enumerate(messages, 1):
        if isinstance(message, bytes):
            lines.append(message)
            continue
        head: Message = {"jsonrpc": "2.0"}
        if not message["method"].startswith("notifications/"):
            head["id"] = number
        lines.append(json.dumps(head | message).encode())
    return lines


def test_it_knows_the_protocol_versions_of_the_sdk() -> None:
    assert HANDSHAKE_VERSIONS == HANDSHAKE_PROTOCOL_VERSIONS
    assert (MODERN_VERSION,) == MODERN_PROTOCOL_VERSIONS


LIST: Message = {"method": "tools/list"}
PING: Message = {"method": "ping"}
USUAL = [
    *[(initialize(version), INITIALIZED, LIST, PING) for version in HANDSHAKE_VERSIONS],
    (initialize("2026-07-28"), INITIALIZED, LIST),
    (initialize("1900-01-01"), LIST),
    (modern("server/discover"), modern("tools/list"), modern("server/discover")),
    (modern("tools/list"), {"method": "notifications/cancelled", "params": {"requestId": 1}}),
    (PING, initialize(), INITIALIZED, PING, LIST),
    (initialize(capabilities={"roots": {"listChanged": True}, "sampling": {}}), LIST),
    (initialize(capabilities={"elicitation": {"form": {}, "url": {}}}), LIST),
    (initialize(capabilities={"experimental": {"codex/sandbox": {"version": "1"}}}), LIST),
    (initialize("2025-11-25", {"tasks": {"list": {}, "requests": {"sampling": {}}}}), LIST),
    (initialize("2025-11-25", {"elicitation": {"form": {"applyDefaults": True}}}), LIST),
    (initialize(title="Client", description="d", websiteUrl="https://example.com"), LIST),
    (initialize(), INITIALIZED, {"method": "tools/list", "params": {"_meta": {}}}),
    (initialize(), INITIALIZED, {"method": "tools/list", "params": {}}),
    (initialize(), INITIALIZED, {"method": "ping", "params": {"_meta": {"progressToken": "x"}}}),
    (initialize(), INITIALIZED, {"method": "notifications/roots/list_changed"}, PING),
]


@pytest.mark.parametrize("script", USUAL)
def test_what_clients_usually_begin_with_is_answered_as_the_sdk_would(
    script: tuple[Message, ...],
) -> None:
    lines = lines_of(*script)
    replies, taken = front_first(lines)
    assert taken == len(lines)
    assert replies == asyncio.run(sdk(lines))


UNUSUAL = [
    (LIST, initialize(), LIST),
    (CALL, initialize(), CALL),
    (INITIALIZED, LIST),
    (INITIALIZED, initialize(), LIST),
    (initialize(), initialize("2025-11-25"), INITIALIZED, LIST),
    (initialize(), INITIALIZED, initialize("2024-11-05"), LIST),
    (initialize(), modern("tools/list"), LIST),
    (initialize(), INITIALIZED, modern("server/discover"), LIST, CALL),
    (initialize(), {"method": "server/discover"}, LIST),
    (modern("tools/list"), initialize(), modern("tools/list")),
    (modern("tools/list"), LIST, PING, modern("tools/list")),
    (modern("ping"), modern("tools/list")),
    (modern("initialize"), LIST),
    (modern("server/discover"), modern("tools/call", CALL["params"])),
    (modern("tools/list", protocolVersion="2099-01-01"), modern("tools/list")),
    (modern("tools/list", protocolVersion=5),),
    (modern("tools/list", clientCapabilities=None),),
    (modern("tools/list", clientCapabilities={"roots": {"listChanged": True}}),),
    (modern("tools/list", clientInfo={"name": 5, "version": "1"}),),
    (modern("tools/list", logLevel="debug"), LIST),
    (modern("tools/list", {"cursor": "x"}),),
    (initialize(5), LIST),
    (initialize(capabilities=[]), LIST),
    (initialize(capabilities={"roots": {"listChanged": [1]}}), LIST),
    (initialize(capabilities={"roots": True}), LIST),
    (initialize(capabilities={"sampling": True}), LIST),
    (initialize(capabilities={"experimental": {"x": 1}}), LIST),
    (initialize("2025-11-25", {"tasks": {"list": True}}), LIST),
    (initialize(capabilities={"own": {"x": {"y": {}}}}), LIST),
    (initialize(capabilities={"own": 5}), LIST),
    (initialize(version=None, title=5), LIST),
    (initialize(websiteUrl="no url"), LIST),
    (initialize(icons=[{"src": "x"}]), LIST),
    ({"method": "initialize"}, LIST),
    ({"method": "initialize", "params": {}}, LIST),
    (initialize(), INITIALIZED, {"method": "tools/list", "params": {"cursor": "x"}}),
    (initialize(), INITIALIZED, {"method": "tools/list", "params": {"cursor": 5}}, PING),
    (initialize(), INITIALIZED, {"method": "ping", "params": {"_meta": 5}}, PING),
    (initialize(), INITIALIZED, {"method": "ping", "params": {"x": 5}}, PING),
    (initialize(), INITIALIZED, {"method": "ping", "params": [5]}, PING),
    (initialize(), {"method": "notifications/initialized", "params": {"x": 1}}, LIST),
    (initialize(), {"method": "notifications/own"}, {"method": "notifications/own"}, LIST),
    (initialize(), {"method": "own"}, {"method": "resources/list"}, LIST),
    (b"garbage", initialize(), LIST),
    (b"{}", b"", b"[]", initialize(), INITIALIZED, b"\xff", LIST),
    (initialize(), b'{"jsonrpc":"2.0","id":"\\ud83d","method":"ping"}', LIST),
    (initialize(), b'{"jsonrpc":"2.0","id":null,"method":"ping"}', LIST),
    (initialize(), b'{"jsonrpc":"2.0","id":1.0,"method":"ping"}', LIST),
    (initialize(), b'{"jsonrpc":"2.0","id":123456789012345678901,"method":"ping"}', LIST),
    (initialize(), b'{"jsonrpc":"2.0","id":"%s","method":"ping"}' % (b"x" * 5000), LIST),
    (initialize(), b'[{"jsonrpc":"2.0","id":9,"method":"ping"}]', LIST),
    (initialize(), b'{"jsonrpc":"2.0","id":9,"result":{}}', LIST),
    (initialize(), b'{"jsonrpc":"2.0","id":9,"method":"ping","extra":1}', LIST),
]


@pytest.mark.parametrize("script", UNUSUAL)
def test_what_is_unusual_is_left_to_the_sdk_in_the_state_in_which_it_would_be(
    script: tuple[Message | bytes, ...],
) -> None:
    lines = lines_of(*script)
    assert front_first(lines)[0] == asyncio.run(sdk(lines))


@pytest.mark.parametrize("seed", range(40))
def test_any_order_of_messages_is_answered_as_the_sdk_would(seed: int) -> None:
    chance = random.Random(seed)
    pool = [message for script in (*USUAL, *UNUSUAL) for message in script]
    first = [[], [initialize()], [initialize(), INITIALIZED], [modern("tools/list")]][seed % 4]
    lines = lines_of(*first, *chance.choices(pool, k=8))
    assert front_first(lines)[0] == asyncio.run(sdk(lines))


def test_nothing_heavy_is_imported_before_the_first_call() -> None:
    code = (
        "import sys; import rightmodel.__main__, rightmodel.surfaces.mcp.options\n"
        "import rightmodel.surfaces.mcp.front\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "click", "httpx2", "logging", "mcp", "mcp_types", "pydantic", "ssl"}
    assert not heavy & set(done.stdout.split())


def test_a_call_loads_no_client_of_the_sdk_and_leaves_the_sdk_whole() -> None:
    code = (
        "import sys; from rightmodel.surfaces.mcp.process import load; load()\n"
        "from rightmodel.surfaces.mcp import server\n"
        "print([name for name in sys.modules if name.startswith('mcp.client')])\n"
        "import mcp, mcp.server.lowlevel, mcp.server.stdio\n"
        "print(mcp.ClientSession.__name__, mcp.server.lowlevel.Server is server.Server)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nClientSession True\n"
