"""The first messages of a session, however they come."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from process.server_process import HELLO, Folders, manifest, texts
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

INITIALIZE = {"id": 0, "method": "initialize", "params": HELLO}
INITIALIZED = {"method": "notifications/initialized"}
LIST = {"id": 1, "method": "tools/list"}
CALL = {
    "id": 2,
    "method": "tools/call",
    "params": {"name": "choose_model", "arguments": {"task": ""}},
}
SDK_ALONE = """
import asyncio
from mcp.server.stdio import stdio_server
from rightmodel.execution.engine import App
from rightmodel.manifest.settings import read_settings
from rightmodel.surfaces.mcp.server import make_server

async def main():
    app = App(read_settings(manifest="../manifest.toml"))
    server = make_server(app.engine, deadline_s=None)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

asyncio.run(main())
"""


async def replies_to(
    folders: Folders, lines: Sequence[bytes], expected: int
) -> list[dict[str, Any]]:
    """What a server replies to lines that are sent in one go, by id."""
    async with folders.process() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"".join(line + b"\n" for line in lines))
        replies = [json.loads(await process.stdout.readline()) for _ in range(expected)]
        process.stdin.close()
        assert await process.stdout.read() == b""
        await process.wait()
    return sorted(replies, key=lambda reply: str(reply["id"]))


@pytest.mark.parametrize(
    ("messages", "replies"),
    [
        ((INITIALIZE, INITIALIZED, LIST, CALL, {**LIST, "id": 3}), 4),
        ((CALL, {**LIST, "id": 5}, INITIALIZE, LIST), 4),
        ((INITIALIZE, LIST, {**INITIALIZE, "id": 7}, INITIALIZED, {**LIST, "id": 8}), 4),
        (
            (
                INITIALIZE,
                *({"id": n, "method": "tools/list"} for n in range(1, 200)),
                {"id": 200, "method": "resources/list"},
            ),
            201,
        ),
    ],
)
async def test_a_session_sent_in_one_go_is_answered_as_by_the_sdk_alone(
    tmp_path: Path, messages: tuple[dict[str, Any], ...], replies: int
) -> None:
    """200 lists of tools are more than a pipe holds: the front leaves off in their midst."""
    lines = [json.dumps({"jsonrpc": "2.0", **message}).encode() for message in messages]
    ours = Folders(tmp_path, code="")
    ours.write(
        'version = 1\n[providers.p]\nprotocol = "openai-chat"\nbase_url = "http://[::1]:9"\n'
    )

    class SdkAlone(Folders):
        @property
        def command(self) -> list[str]:
            return [sys.executable, "-c", SDK_ALONE]

    expected = await replies_to(SdkAlone(tmp_path), lines, replies)
    assert await replies_to(ours, lines, replies) == expected


@pytest.mark.parametrize("named", ["--manifest", "--env-file"])
async def test_a_file_that_is_missing_is_an_error_of_the_call_until_it_is_there(
    tmp_path: Path, named: str
) -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as upstream:
        folders = Folders(tmp_path, code="")
        folders.write(manifest(upstream))
        missing = tmp_path / "later"
        async with folders.server(named, str(missing)) as server:
            result = (await server.call(prompt="x"))["result"]
            assert result["isError"]
            assert str(missing) in result["content"][0]["text"]
            if named == "--manifest":
                missing.write_text(manifest(upstream))
                assert texts(await server.call(prompt="x"))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (("--deadline", "soon"), "deadline"),
        (("--manifestt", "x"), "manifest"),
        (("--http", "nowhere"), "not an address"),
        (("--http", "192.0.2.1:0"), "needs a token"),
        (("--http", "0", "--token-env", "NOT_SET"), "NOT_SET"),
    ],
)
async def test_an_option_that_is_wrong_ends_the_process_with_one_line(
    tmp_path: Path, options: tuple[str, ...], error: str
) -> None:
    folders = Folders(tmp_path, code="")
    folders.write("version = 1\n")
    async with folders.process(*options) as process:
        _, errors = await process.communicate()
        assert process.returncode in {1, 2}
    lines = errors.decode().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("rightmodel: ")
    assert error in lines[0]
