"""A `ref` after a restart: gone, unless the manifest lets text be kept."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any

import pytest

from engines import Tools, engine_from
from loopback import Loopback, loopback, openai_answer

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """
version = 1
[routing]
assess = "rules"
[files]
roots = ["."]
[privacy]
store_text = {keep}
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:{port}/v1"
[[models]]
id = "p/m"
cost = {{ input = 1, output = 2 }}
"""
Call = dict[str, Any]


async def one_server(folder: Path, manifest: str, call: Call) -> list[str]:
    """A server that starts, answers one call and ends."""
    engine = engine_from(folder, manifest)
    try:
        result = await Tools.of(engine).call("complete", call)
    finally:
        await engine.close()
    return [getattr(block, "text", "") for block in result.content]


def restarted(folder: Path, *calls: Call, keep: bool) -> tuple[list[list[str]], Loopback]:
    """Each call at a server of its own; "{ref}" is the ref that the last one gave."""

    async def run() -> tuple[list[list[str]], Loopback]:
        answers = [openai_answer("blue"), openai_answer("green")]
        async with loopback({"m": answers}) as upstream:
            manifest = MANIFEST.format(port=upstream.port, keep=str(keep).lower())
            said: list[list[str]] = []
            ref = ""
            for call in calls:
                filled = {k: v.replace("{ref}", ref) for k, v in call.items()}
                said.append(await one_server(folder, manifest, filled))
                found = re.search(r"\[ref=(\w+)", said[-1][-1])
                ref = found[1] if found else ref
            return said, upstream

    return asyncio.run(asyncio.wait_for(run(), 20))


ASK = {"prompt": "a colour"}
AGAIN = {"ref": "{ref}"}
ON = {"ref": "{ref}", "prompt": "another"}


@pytest.mark.parametrize("next_call", [AGAIN, ON])
def test_without_kept_text_a_ref_is_gone_after_a_restart(tmp_path: Path, next_call: Call) -> None:
    (_, after), _ = restarted(tmp_path, ASK, next_call, keep=False)
    assert "is gone" in after[0]


def test_with_kept_text_the_answer_is_there_again(tmp_path: Path) -> None:
    (_, after), upstream = restarted(tmp_path, ASK, AGAIN, keep=True)
    assert after[0] == "blue"
    assert "recalled" in after[1]
    assert len(upstream.bodies) == 1


def test_with_kept_text_a_conversation_goes_on_over_restarts(tmp_path: Path) -> None:
    said, upstream = restarted(tmp_path, {**ASK, "system": "be brief"}, ON, ON, keep=True)
    assert [answer[0] for answer in said] == ["blue", "green", "green"]
    assert [(m["role"], m["content"]) for m in upstream.bodies[2]["messages"]] == [
        ("system", "be brief"),
        ("user", "a colour"),
        ("assistant", "blue"),
        ("user", "another"),
        ("assistant", "green"),
        ("user", "another"),
    ]


def test_a_conversation_whose_files_are_gone_goes_on_with_them_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("the material")
    first, again = {**ASK, "files": "a.txt"}, {**ON, "files": "a.txt"}
    said, upstream = restarted(tmp_path, first, ON, AGAIN, again, keep=True)
    assert "not kept over a restart: a.txt" in said[1][0]
    assert "[code=invalid_argument retryable=no]" in said[1][0]
    assert said[2][0] == "blue"
    assert said[3][0] == "green"
    assert "the material" in upstream.bodies[1]["messages"][-1]["content"]
