"""Standard output carries the protocol and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from process.house import GUARD_S, WRAPPER, House, manifest, texts
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


def test_what_others_print_does_not_reach_the_protocol(tmp_path: Path) -> None:
    async def run() -> None:
        async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as upstream:
            house = House(tmp_path, WRAPPER + NOISY)
            house.write(manifest(upstream))
            async with house.server() as server:
                for n in range(3):
                    assert texts(await server.call(prompt=f"call {n}"))
        assert server.strange == []
        errors = server.errors.decode()
        assert [kind for kind in KINDS if f"stray: {kind}" not in errors] == []

    asyncio.run(asyncio.wait_for(run(), 2 * GUARD_S))
