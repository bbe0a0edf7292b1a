"""End to end: the SDK's own client over stdio, a real server process, a real socket."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent

from loopback import failure, loopback, openai_answer

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version = 1
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:{port}/v1"
key_env = "P_KEY"
[[models]]
id = "p/first"
cost = {{input = 1, output = 2}}
skills = {{general = 8}}
[[models]]
id = "p/second"
cost = {{input = 2, output = 4}}
skills = {{general = 8}}
"""


async def session_calls(
    manifest: Path, *calls: tuple[str, dict[str, Any]]
) -> tuple[int, list[CallToolResult]]:
    env_file = manifest.with_name("keys.env")
    env_file.write_text("P_KEY=sk-a-secret-key\n")
    arguments = ["-m", "rightmodel", "serve", "--manifest", str(manifest)]
    parameters = StdioServerParameters(
        command=sys.executable, args=[*arguments, "--env-file", str(env_file)], cwd=manifest.parent
    )
    async with (
        stdio_client(parameters) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        listed = await session.list_tools()
        size = len(listed.model_dump_json(by_alias=True, exclude_none=True).encode())
        results = [await session.call_tool(tool, arguments=args) for tool, args in calls]
        return size, [r for r in results if isinstance(r, CallToolResult)]


def texts(result: CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, TextContent)]


async def test_complete_fails_over_and_agrees_with_choose_model(tmp_path: Path) -> None:
    broken = failure(500, {"error": {"message": "down"}})
    answer = openai_answer("42 sk-a-secret-key", "second")
    async with loopback({"first": [broken], "second": [answer]}) as server:
        manifest = tmp_path / "rightmodel.toml"
        manifest.write_text(MANIFEST.format(port=server.port))
        size, (chosen, completed, empty, unknown) = await session_calls(
            manifest,
            ("choose_model", {"task": "What is six times seven?"}),
            ("complete", {"prompt": "What is six times seven?"}),
            ("complete", {"prompt": " "}),
            ("complete", {"prompt": "x", "model": "frist"}),
        )
    assert size / 4 <= 600
    assert chosen.structured_content is not None
    assert chosen.structured_content["model"] == "p/first"
    assert json.loads(texts(chosen)[0]) == chosen.structured_content
    answer_text, line = texts(completed)
    assert answer_text == "42 [key removed]"
    assert "model=p/second" in line
    assert "attempts=2" in line
    assert completed.structured_content is None
    assert completed.meta is not None
    attempts = completed.meta["rightmodel/receipt"]["attempts"]
    assert [a.get("fault") for a in attempts] == ["server_error", None]
    assert empty.is_error
    assert "prompt is empty" in texts(empty)[0]
    assert unknown.is_error
    assert "Nearest: p/first" in texts(unknown)[0]


def test_a_broken_manifest_is_reported_in_the_tools_error(tmp_path: Path) -> None:
    manifest = tmp_path / "rightmodel.toml"
    manifest.write_text("version = 1\n[routing]\ntire = 'cheap'\n")
    _, (result,) = asyncio.run(session_calls(manifest, ("complete", {"prompt": "hi"})))
    assert result.is_error
    assert "did you mean 'tier'?" in texts(result)[0]
