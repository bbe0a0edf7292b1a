"""`rightmodel init` beside OpenClaw and a local model, and a turn of the agent after it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from e2e.install import client, machine_env
from e2e.processes import run
from e2e.setup import RIGHTMODEL
from e2e.test_openclaw import QUESTION, agents_model
from rightmodel.simulator import Behaviour, SimulatedProvider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


async def test_after_init_a_turn_of_openclaw_delegates_to_the_local_model(tmp_path: Path) -> None:
    scripted = SimulatedProvider(models={"agent": Behaviour(answers=agents_model)})
    local = SimulatedProvider(models={"qwen3:4b": Behaviour("forty-two, from here")})
    async with scripted, local:
        config = tmp_path / ".openclaw/openclaw.json"
        config.parent.mkdir()
        provider = {
            "baseUrl": scripted.base_url,
            "apiKey": "none",
            "api": "openai-completions",
            "models": [{"id": "agent", "name": "agent"}],
        }
        settings = {
            "models": {"providers": {"scripted": provider}},
            "agents": {"defaults": {"model": {"primary": "scripted/agent"}}},
        }
        before = json.dumps(settings)
        config.write_text(before)
        env = machine_env(tmp_path)
        env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), env["PATH"]])

        async def done(*command: str, **more: str) -> str:
            finished = await run(command, env=env | more, cwd=tmp_path, within_s=150)
            assert finished.code == 0, str(finished)
            return finished.out

        said = await done(RIGHTMODEL, "init", "--yes", OLLAMA_HOST=local.base_url)
        assert "local models: qwen3:4b (ollama)" in said
        assert "1 of 1 endpoints answered" in said
        manifest = tmp_path / ".config/rightmodel/manifest.toml"
        with manifest.open("a") as file:  # OpenClaw passes no OLLAMA_HOST on
            file.write(f'\n[providers.ollama]\nbase_url = "{local.base_url}"\n')
        turn = json.loads(
            await done(
                client("openclaw"), "agent", "exec", QUESTION, "--cwd", str(tmp_path), "--json"
            )
        )
        assert "The other model says: forty-two, from here" in turn["final"]
        removed = await done(RIGHTMODEL, "init", "--remove", "--yes")
        assert "manifest.toml: stays, because you have changed it" in removed
        assert config.read_text() == before
