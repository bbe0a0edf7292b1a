"""OpenClaw itself, with the registration that `rightmodel config openclaw` writes.

Its own model is scripted: it hands the question over and repeats what came back.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from e2e.install import client, machine_env
from e2e.processes import Finished, run
from e2e.setup import KEY, RIGHTMODEL, TwoModels, two_models
from rightmodel.simulator import Behaviour, Received, Reply, SimulatedProvider, ToolCall, fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

SKILL = Path(__file__).parents[2] / "agent_configs" / "openclaw" / "SKILL.md"
QUESTION = "What is six times seven?"


def agents_model(request: Received) -> str | Reply:
    """Calls the tool, then says what the tool said."""
    results = [m["content"] for m in request.body["messages"] if m["role"] == "tool"]
    if results:
        return f"The other model says: {results[-1]}"
    call = ToolCall("rightmodel__complete", json.dumps({"prompt": QUESTION}))
    return Reply(None, finish="tool_calls", tool_call=call)


@dataclass
class OpenClaw:
    setup: TwoModels
    model: SimulatedProvider
    config: Path
    env: dict[str, str]

    async def run(self, *arguments: str) -> Finished:
        workspace = self.setup.folder / "workspace"
        workspace.mkdir(exist_ok=True)
        finished = await run(
            [client("openclaw"), *arguments], env=self.env, cwd=workspace, within_s=150
        )
        assert finished.code == 0, str(finished)
        return finished

    async def turn(self) -> dict[str, Any]:
        """One turn of the agent."""
        where = ["--config", str(self.config), "--cwd", str(self.setup.folder / "workspace")]
        finished = await self.run("agent", "exec", QUESTION, *where, "--json")
        told: dict[str, Any] = json.loads(finished.out)
        return told


@contextlib.asynccontextmanager
async def openclaw(folder: Path) -> AsyncIterator[OpenClaw]:
    """An OpenClaw of its own, which rightmodel has been written into."""
    scripted = SimulatedProvider(models={"agent": Behaviour(answers=agents_model)})
    async with two_models(folder) as setup, scripted:
        config = folder / "openclaw.json"
        provider = {
            "baseUrl": scripted.base_url,
            "apiKey": "none",
            "api": "openai-completions",
            "models": [{"id": "agent", "name": "agent"}],
        }
        config.write_text(
            json.dumps(
                {
                    "models": {"providers": {"scripted": provider}},
                    "agents": {"defaults": {"model": {"primary": "scripted/agent"}}},
                }
            )
        )
        env = machine_env(folder) | {
            "OPENCLAW_STATE_DIR": str(folder / "openclaw"),
            "OPENCLAW_CONFIG_PATH": str(config),
        }
        written = await run(
            [RIGHTMODEL, "config", "openclaw", "--write", *setup.files], env=env, cwd=folder
        )
        assert written.code == 0, str(written)
        yield OpenClaw(setup, scripted, config, env)


async def test_a_probe_finds_the_tools_under_the_servers_name(tmp_path: Path) -> None:
    async with openclaw(tmp_path) as agent:
        probed = json.loads((await agent.run("mcp", "probe", "rightmodel", "--json")).out)
    assert probed["diagnostics"] == []
    assert {"rightmodel__complete", "rightmodel__choose_model"} <= set(probed["tools"])
    assert probed["servers"]["rightmodel"]["requestTimeoutMs"] > 60_000


async def test_an_agents_turn_gets_the_answer_of_the_model_that_was_chosen(tmp_path: Path) -> None:
    async with openclaw(tmp_path) as agent:
        skills = tmp_path / "openclaw" / "skills" / "rightmodel"
        skills.mkdir(parents=True)
        shutil.copy(SKILL, skills)
        told = await agent.turn()
    assert told["ok"], told
    assert "The other model says: forty-two, says first\n[" in told["final"]
    assert "model=p/first" in told["final"]
    assert "attempts=1" in told["final"]
    assert told["toolSummary"]["tools"] == ["rightmodel__complete"]
    assert told["toolSummary"]["failures"] == 0
    (question,) = agent.setup.provider.requests
    assert question.prompt == QUESTION
    assert KEY not in json.dumps(told) + "".join(r.text for r in agent.model.requests)
    # The tools are offered outright, not behind a search, and the skill says what they are for.
    offered = [t["function"]["name"] for t in agent.model.requests[0].body["tools"]]
    assert {"rightmodel__complete", "rightmodel__choose_model"} <= set(offered)
    assert "Delegate a self-contained subtask" in agent.model.requests[0].system


async def test_an_agents_turn_gets_the_second_models_answer_when_the_first_is_down(
    tmp_path: Path,
) -> None:
    async with openclaw(tmp_path) as agent:
        agent.setup.provider.fail("first", fault.status(500))
        told = await agent.turn()
    assert told["ok"], told
    assert "The other model says: forty-two, says second\n[" in told["final"]
    assert "model=p/second" in told["final"]
    assert "attempts=2" in told["final"]
    assert told["toolSummary"]["failures"] == 0
    asked = [(r.model, r.status) for r in agent.setup.provider.requests]
    assert asked == [("first", 500), ("second", 200)]
