from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from process.server_process import WRAPPER, Folders, manifest, texts
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.surfaces.mcp import server as surface

if TYPE_CHECKING:
    from pathlib import Path

OFTEN = """
from rightmodel.surfaces.mcp import server
server.PROGRESS_S = 0.05
"""


async def test_progress_is_reported_as_long_as_the_upstream_is_silent(tmp_path: Path) -> None:
    """A single model: its attempt is the last, which no deadline for a first token cuts."""
    assert surface.PROGRESS_S == 10

    release = asyncio.Event()

    async def held(_: float) -> None:
        await release.wait()

    models = {"m": Behaviour("at last", first_token_s=1.0)}
    async with SimulatedProvider("openai-chat", models=models, sleep=held) as upstream:
        folders = Folders(tmp_path, WRAPPER + OFTEN)
        folders.write(manifest(upstream))
        async with folders.server() as server:
            call = server.call(prompt="think")
            lines = await server.until_reported("token of think", 6)
            assert all(line.startswith("attempt 1: p/m at p") for line in lines[-3:])
            release.set()
            assert texts(await call)[0] == "at last"
        assert len(upstream.requests) == 1
