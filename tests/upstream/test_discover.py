from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from rightmodel.core.task import Task
from rightmodel.execution.engine import effective_catalog, make_router
from rightmodel.manifest.settings import Settings
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.core.decision import Decision

MANIFEST = """
version = 1
[providers.ollama]
protocol = "openai-chat"
base_url = "{url}"
[[models]]
id = "ollama/here"
cost = {{ input = 0, output = 0 }}
[[models]]
id = "ollama/elsewhere"
cost = {{ input = 0, output = 0 }}
"""


def decision(tmp_path: Path, url: str) -> Decision:
    settings = Settings(tmp_path / "m.toml", {})
    (tmp_path / "m.toml").write_text(MANIFEST.format(url=url))

    async def route() -> Decision:
        return await make_router(await effective_catalog(settings), settings).route(Task("hi"))

    return asyncio.run(route())


def test_a_local_server_is_not_asked_for_a_model_that_it_does_not_have(tmp_path: Path) -> None:
    async def run() -> Decision:
        async with SimulatedProvider(models={"here": Behaviour()}) as upstream:
            return await asyncio.to_thread(decision, tmp_path, upstream.base_url)

    found = asyncio.run(run())
    assert [c.model for c in found.candidates] == ["ollama/here"]
    assert [(r.model, r.reason) for r in found.rejections] == [
        ("ollama/elsewhere", "ollama does not have elsewhere: pull or load it")
    ]


def test_one_that_does_not_answer_is_taken_at_the_manifests_word(tmp_path: Path) -> None:
    found = decision(tmp_path, "http://127.0.0.1:1/v1")
    assert {c.model for c in found.candidates} == {"ollama/here", "ollama/elsewhere"}
