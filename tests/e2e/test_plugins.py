"""The plugins of agent_configs/plugins/, each installed by the client that it is for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from e2e.install import CACHE, agent_program, client, machine_env
from e2e.processes import Finished, background, free_port, run
from e2e.setup import RIGHTMODEL
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PLUGINS: Final = Path(__file__).parents[2] / "agent_configs" / "plugins"
MANIFEST: Final = """version = 1
[providers.scripted]
protocol = "openai-chat"
base_url = "{url}"
[[models]]
id = "scripted/small"
cost = {{ input = 0.1, output = 0.1 }}
skills = {{ general = 7 }}
[[models]]
id = "scripted/large"
cost = {{ input = 10, output = 50 }}
skills = {{ general = 9.5 }}
[[rules]]
name = "hard"
when = {{ matches = "hard" }}
use = ["scripted/large"]
"""


@dataclass(frozen=True)
class Home:
    """A clean home in which `rightmodel` is on the path and has a manifest."""

    folder: Path

    @property
    def env(self) -> dict[str, str]:
        env = machine_env(self.folder)
        own = str(Path(sys.executable).parent)
        return env | {"PATH": os.pathsep.join([own, env["PATH"]])}

    def manifest(self, url: str) -> None:
        path = self.folder / ".config/rightmodel/manifest.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(MANIFEST.format(url=url))

    async def run(self, *command: str | Path) -> Finished:
        words = [str(word) for word in command]
        done = await run(words, env=self.env, cwd=self.folder, within_s=150)
        assert done.code == 0, f"{words}: {done}"
        return done


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


async def test_claude_code_installs_its_plugin_and_connects_to_the_server(home: Home) -> None:
    claude = agent_program("claude")
    await home.run(claude, "plugin", "validate", PLUGINS / "claude-code")
    await home.run(claude, "plugin", "marketplace", "add", PLUGINS / "claude-code")
    await home.run(claude, "plugin", "install", "rightmodel@rightmodel")
    servers = (await home.run(claude, "mcp", "list")).out
    assert "plugin:rightmodel:rightmodel: rightmodel serve - ✔ Connected" in servers
    details = (await home.run(claude, "plugin", "details", "rightmodel")).out
    assert "Skills (1)  rightmodel" in details


async def test_codex_installs_the_same_plugin(home: Home) -> None:
    codex = agent_program("codex")
    await home.run(codex, "plugin", "marketplace", "add", PLUGINS / "claude-code")
    await home.run(codex, "plugin", "add", "rightmodel@rightmodel")
    listed = (await home.run(codex, "mcp", "list")).out
    assert "rightmodel" in listed


async def test_gemini_cli_installs_its_extension(home: Home) -> None:
    gemini = agent_program("gemini")
    trust = home.folder / ".gemini/trustedFolders.json"
    trust.parent.mkdir()
    trust.write_text(json.dumps({str(PLUGINS): "TRUST_FOLDER"}))
    await home.run(gemini, "extensions", "validate", PLUGINS / "gemini-cli")
    await home.run(gemini, "extensions", "install", PLUGINS / "gemini-cli", "--consent")
    listed = await home.run(gemini, "extensions", "list")
    assert "MCP servers:\n  rightmodel" in listed.out + listed.err
    assert "Agent skills:\n  rightmodel" in listed.out + listed.err


async def test_the_bundle_for_claude_desktop_is_valid_and_packs(home: Home) -> None:
    mcpb = CACHE / "mcpb/node_modules/.bin/mcpb"
    await home.run(mcpb, "validate", PLUGINS / "mcpb/manifest.json")
    await home.run(mcpb, "pack", PLUGINS / "mcpb", home.folder / "rightmodel.mcpb")
    assert (home.folder / "rightmodel.mcpb").stat().st_size > 0


@dataclass(frozen=True)
class OpenClaw:
    home: Home
    model: SimulatedProvider
    config: Path

    async def turn(self, prompt: str) -> str:
        """One turn of the agent; the model that it ran on. `agent exec` would run no hooks."""
        before = len(self.model.requests)
        await self.home.run(
            client("openclaw"), "agent", "--local", "--message", prompt, "--session-id", "one",
        )  # fmt: skip
        (request,) = self.model.requests[before:]
        return request.model

    def settle(self, **entries: Any) -> None:
        """Put settings of plugins into the configuration."""
        settings = json.loads(self.config.read_text())
        settings.setdefault("plugins", {}).setdefault("entries", {}).update(entries)
        self.config.write_text(json.dumps(settings))


@contextlib.asynccontextmanager
async def openclaw(home: Home, plugin: str) -> AsyncIterator[OpenClaw]:
    """OpenClaw with a plugin and two scripted models, of which it uses the large one."""
    models = {"small": Behaviour("small"), "large": Behaviour("large")}
    async with SimulatedProvider(models=models) as scripted:
        home.manifest(scripted.base_url)
        config = home.folder / ".openclaw/openclaw.json"
        config.parent.mkdir()
        provider = {
            "baseUrl": scripted.base_url,
            "apiKey": "none",
            "api": "openai-completions",
            "models": [{"id": name, "name": name} for name in models],
        }
        defaults = {"model": {"primary": "scripted/large"}}
        settings = {
            "models": {"providers": {"scripted": provider}},
            "agents": {"defaults": defaults},
            "tools": {"toolSearch": False},
        }
        config.write_text(json.dumps(settings))
        await home.run(
            client("openclaw"), "plugins", "install", PLUGINS / plugin,
            "--force", "--accept-capabilities",
        )  # fmt: skip
        yield OpenClaw(home, scripted, config)


async def test_openclaw_offers_the_tools_and_the_skill_of_the_agent_plugin(home: Home) -> None:
    async with openclaw(home, "agent-plugin") as agent:
        shown = await home.run(client("openclaw"), "plugins", "inspect", "rightmodel")
        assert "Bundle format: agent (Agent Plugins)" in shown.out
        await agent.turn("Hello there")
        (request,) = agent.model.requests
    offered = {tool["function"]["name"] for tool in request.body["tools"]}
    assert {"rightmodel__complete", "rightmodel__choose_model"} <= offered
    assert "Delegate a self-contained subtask" in request.system


async def test_openclaws_router_sets_the_model_of_each_turn_and_fails_open(home: Home) -> None:
    async with openclaw(home, "openclaw-router") as agent:
        port = free_port()
        access = {"allowConversationAccess": True}
        entry = {
            "enabled": True,
            "hooks": access,
            "config": {"url": f"http://127.0.0.1:{port}"},
        }
        agent.settle(**{"rightmodel-router": entry})
        assert await agent.turn("Hello there") == "large"  # nothing answers yet
        serve = [RIGHTMODEL, "serve", "--http", f"127.0.0.1:{port}", "--warm-up"]
        async with background(serve, env=home.env, cwd=home.folder, port=port):
            await warmed(port)
            assert await agent.turn("Hello there") == "small"
            assert await agent.turn("A hard question") == "large"


async def warmed(port: int) -> None:
    """Ask once: the first question loads the engine."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b'{"prompt": "x", "judge": false}'
    writer.write(
        b"POST /v1/route HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        b"connection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    )
    async with asyncio.timeout(20):
        assert b"200" in await reader.readline()
    writer.close()
