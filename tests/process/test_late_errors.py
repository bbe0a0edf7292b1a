from __future__ import annotations

from typing import TYPE_CHECKING

from process.server_process import Folders, manifest
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from pathlib import Path


async def test_an_error_arrives_though_progress_was_reported_just_before(tmp_path: Path) -> None:
    """The report of the failure and the end of the call came in the same turn of the loop."""
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with folders.server() as server:
            # It reports far fewer tokens than this has: taken for a prompt silently cut.
            message = await server.call(prompt="日本語 " * 2000)
            assert message["result"]["isError"]
            assert "code=context_overflow" in message["result"]["content"][0]["text"]
