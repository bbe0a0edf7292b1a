"""Standard output carries the protocol and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from process.server_process import WRAPPER, Folders, manifest, texts
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from pathlib import Path

NOISY = """
import atexit, os, subprocess, sys
from rightmodel.surfaces.mcp.server import ToolCalls

answer = ToolCalls.answer

async def noisy(self, *arguments):
    print("stray: print")
    sys.stdout.write("stray: written without a line end")
    sys.stdout.flush()
    sys.__stdout__.buffer.write(b"stray: bytes\\n")
    os.write(1, b"stray: descriptor\\n")
    subprocess.run(["echo", "stray: child"], check=True)
    return await answer(self, *arguments)

ToolCalls.answer = noisy
print("stray: before serving")
atexit.register(print, "stray: at exit")
"""
KINDS = ("print", "written without a line end", "bytes", "descriptor", "child", "before serving")


async def test_what_others_print_does_not_reach_the_protocol(tmp_path: Path) -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as upstream:
        folders = Folders(tmp_path, WRAPPER + NOISY)
        folders.write(manifest(upstream))
        async with folders.server() as server:
            for n in range(3):
                assert texts(await server.call(prompt=f"call {n}"))
    assert server.invalid_lines == []
    errors = server.errors.decode()
    assert [kind for kind in KINDS if f"stray: {kind}" not in errors] == []


INVALID = (
    b"hello",
    b'{"jsonrpc":"2.0","id":"cut","method":"tools/call","params":{"name":"complete"',
    b'{"jsonrpc":"2.0","id":"list","method":"ping","params":[NaN]}',
    b'[{"jsonrpc":"2.0","id":"batched","method":"ping"}]',
    b"\xff\xfe\x00",
    b"[" * 100_000,
)


async def test_a_line_that_is_not_valid_is_answered_and_costs_no_call_in_flight(
    tmp_path: Path,
) -> None:
    reached = asyncio.Event()

    async def until_reached(_: float) -> None:
        await reached.wait()

    slow = Behaviour(first_token_s=3600.0)
    async with SimulatedProvider(
        "openai-chat", models={"m": slow}, sleep=until_reached
    ) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with folders.server() as server:
            running = server.call(prompt="before")
            await upstream.until(lambda: upstream.in_flight == 1)
            replies = [server.expect(name) for name in ("cut", "list", "batched")]
            for line in INVALID:
                server.send_line(line)
            cut = server.call("choose_model", task="half a pair: \ud83d", skill="\ud83d")
            assert "error" in await replies[0]
            assert "error" in await replies[1]
            assert (await replies[2])["result"] == {}
            assert "unknown skill" in (await cut)["result"]["content"][0]["text"]
            reached.set()
            assert texts(await running)
        assert server.invalid_lines == []
