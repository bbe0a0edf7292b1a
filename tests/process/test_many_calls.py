from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from process.server_process import Folders, manifest, texts
from rightmodel.execution.calls import MOST_RUNNING
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.simulator import Received

KINDS = ("slow", "fast", "cancelled", "fast", "fast", "cancelled", "fast", "slow", "fast", "fast")
CALLS = [(f"{KINDS[n % 10]} number {n}", KINDS[n % 10]) for n in range(200)]
"""80 of them are held back, more than there are places: what is fast has to wait in line, too."""


def expected_answer(request: Received) -> str:
    return f"the answer to <{request.prompt}> from {request.model}"


async def test_200_calls_at_once_over_one_connection(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def held(_: float) -> None:
        await release.wait()

    models = {
        "fast": Behaviour(expected_answer),
        "slow": Behaviour(expected_answer, first_token_s=1.0),
    }
    async with SimulatedProvider("openai-chat", models=models, sleep=held) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream, ("fast", "slow")))
        async with folders.server() as server:
            calls = {
                prompt: server.call(prompt=prompt, model="p/fast" if kind == "fast" else "p/slow")
                for prompt, kind in CALLS
            }
            wanted = [prompt for prompt, kind in CALLS if kind != "cancelled"]
            unwanted = [prompt for prompt, kind in CALLS if kind == "cancelled"]
            await upstream.until(lambda: upstream.in_flight == MOST_RUNNING)
            begun = {r.prompt for r in upstream.requests if r.prompt in unwanted}
            for prompt in reversed(unwanted):  # those in line before those under way
                server.cancel(calls[prompt])
            await upstream.until(
                lambda: all(r.cancelled for r in upstream.requests if r.prompt in unwanted)
            )
            release.set()
            await asyncio.gather(*(calls[prompt] for prompt in wanted))
        assert begun
        assert {r.prompt for r in upstream.requests if r.cancelled} == begun
        assert {r.prompt for r in upstream.requests} == begun | set(wanted)
        assert upstream.in_flight == 0
        for prompt in wanted:
            name = "fast" if prompt.startswith("fast") else "slow"
            answer, line = texts(calls[prompt].result())
            assert answer == f"the answer to <{prompt}> from {name}"
            assert f"model=p/{name}" in line
        for token, messages in server.progress.items():
            name = "fast" if token.startswith("token of fast") else "slow"
            assert all(m.startswith(f"attempt 1: p/{name} at p") for m in messages)
        assert not any(calls[prompt].done() for prompt in unwanted)
        assert server.facts == {"running": 0, "in_flight": 0, "kept": len(wanted)}
        assert server.invalid_lines == []
        assert server.log_lines == []
