"""Real agents, each with a home of its own, a scripted model on loopback and rightmodel as tools.

Every agent runs one turn without a terminal. Telemetry and updates are off, and what is not for
loopback goes to a proxy that does not exist.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from e2e.install import agent_program, client, machine_env, server_python
from e2e.processes import Finished, run
from e2e.setup import RIGHTMODEL, Setup
from rightmodel.simulator import Behaviour, Received, SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

QUESTION: Final = "What is six times seven?"
MODEL: Final = "agent"
HELPER: Final = "helper"
"""The small model that some agents ask for a title and the like."""

OLD_CLAUDE: Final = "claude-code-2.1.197"

ISOLATED: Final = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
    "NO_PROXY": "127.0.0.1,localhost",
    "DO_NOT_TRACK": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
}


@dataclass(frozen=True)
class Agent:
    """How to run an agent for one turn.

    `command`: of one turn; takes the command of rightmodel where `config` is "". `config`: its name
    for `rightmodel config`. `env`: leads to its model. `protocol`: of its model. `settings`: file
    in its home → content, written before rightmodel is registered.
    """

    name: str
    command: Callable[[Sequence[str]], Sequence[str]]
    protocol: str = "openai-chat"
    config: str = ""
    env: Callable[[SimulatedProvider], Mapping[str, str]] = lambda _: {}
    settings: Callable[[SimulatedProvider], Mapping[str, str]] = lambda _: {}


def _claude_env(model: SimulatedProvider) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": model.host_url,
        "ANTHROPIC_API_KEY": "none",
        "ANTHROPIC_MODEL": MODEL,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": HELPER,
    }


def _claude(folder: str) -> Callable[[Sequence[str]], Sequence[str]]:
    return lambda _: (agent_program("claude", folder), "-p", QUESTION)


def _plain_claude(serve: Sequence[str]) -> Sequence[str]:
    """The version that does not wait for a server, and an entry that does not ask it to."""
    entry = {"command": serve[0], "args": [*serve[1:]]}
    config = json.dumps({"mcpServers": {"rightmodel": entry}})
    return (*_claude(OLD_CLAUDE)(serve), "--strict-mcp-config", "--mcp-config", config)


def _codex(model: SimulatedProvider) -> dict[str, str]:
    text = f"""
model = "{MODEL}"
model_provider = "scripted"
check_for_update_on_startup = false
[analytics]
enabled = false
[model_providers.scripted]
name = "scripted"
base_url = "{model.host_url}/v1"
wire_api = "responses"
"""
    return {".codex/config.toml": text}


def _gemini(_: SimulatedProvider) -> dict[str, str]:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "telemetry": {"enabled": False},
        "general": {"enableAutoUpdate": False, "enableAutoUpdateNotification": False},
    }
    return {".gemini/settings.json": json.dumps(settings)}


def _opencode(model: SimulatedProvider) -> dict[str, str]:
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": model.base_url, "apiKey": "none"},
        "models": {MODEL: {}, HELPER: {}},
    }
    settings = {
        "autoupdate": False,
        "share": "disabled",
        "provider": {"scripted": provider},
        "enabled_providers": ["scripted"],
        "small_model": f"scripted/{HELPER}",
    }
    return {".config/opencode/opencode.json": json.dumps(settings)}


def _openclaw(model: SimulatedProvider) -> dict[str, str]:
    provider = {
        "baseUrl": model.base_url,
        "apiKey": "none",
        "api": "openai-completions",
        "models": [{"id": MODEL, "name": MODEL}],
    }
    settings = {
        "models": {"providers": {"scripted": provider}},
        "agents": {"defaults": {"model": {"primary": f"scripted/{MODEL}"}}},
    }
    return {".openclaw/openclaw.json": json.dumps(settings)}


def _python(name: str) -> Agent:
    script = str(Path(__file__).with_name("python_agents.py"))
    python = server_python("python-agents")
    return Agent(
        name,
        lambda serve: (python, script, name, QUESTION, *serve),
        env=lambda model: {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "none"},
    )


AGENTS: Final = (
    Agent(OLD_CLAUDE, _plain_claude, "anthropic-messages", env=_claude_env),
    Agent(
        f"{OLD_CLAUDE}-registered",
        _claude(OLD_CLAUDE),
        "anthropic-messages",
        config="claude-code",
        env=_claude_env,
    ),
    Agent(
        "claude-code",
        _claude("agents"),
        "anthropic-messages",
        config="claude-code",
        env=_claude_env,
    ),
    Agent(
        "codex",
        lambda _: (agent_program("codex"), "exec", "--skip-git-repo-check", QUESTION),
        config="codex",
        settings=_codex,
    ),
    Agent(
        "gemini-cli",
        lambda _: (agent_program("gemini"), "--model", MODEL, "--prompt", QUESTION),
        "gemini",
        config="gemini-cli",
        env=lambda model: {
            "GOOGLE_GEMINI_BASE_URL": model.host_url,
            "GEMINI_API_KEY": "none",
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
        },
        settings=_gemini,
    ),
    Agent(
        "opencode",
        lambda _: (agent_program("opencode"), "run", "--model", f"scripted/{MODEL}", QUESTION),
        config="opencode",
        settings=_opencode,
    ),
    Agent(
        "openclaw",
        lambda _: (client("openclaw"), "agent", "exec", QUESTION, "--json"),
        config="openclaw",
        settings=_openclaw,
    ),
    _python("pydantic-ai"),
    _python("openai-agents"),
)


@contextlib.asynccontextmanager
async def busy_machine() -> AsyncIterator[None]:
    """Two processes that compute without a pause: both cores of a small machine are taken."""
    spin = [sys.executable, "-c", "while True: pass"]
    spinning = [await asyncio.create_subprocess_exec(*spin) for _ in range(2)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            await process.wait()


async def turn(agent: Agent, setup: Setup, model: SimulatedProvider) -> Finished:
    """One turn of an agent; rightmodel is registered as `rightmodel config` does it."""
    home = setup.folder / "home"
    work = setup.folder / "work"
    work.mkdir()
    for name, text in agent.settings(model).items():
        file = home / name
        file.parent.mkdir(parents=True)
        file.write_text(text)
    home.mkdir(exist_ok=True)
    env = machine_env(home) | ISOLATED | {"RIGHTMODEL_STATE_DIR": setup.env["RIGHTMODEL_STATE_DIR"]}
    if agent.config:
        register = [RIGHTMODEL, "config", agent.config, "--write", *setup.files]
        written = await run(register, env=env, cwd=work)
        assert written.code == 0, str(written)
    env |= agent.env(model)
    return await run(agent.command(setup.serve), env=env, cwd=work, within_s=150)


def scripted(agent: Agent) -> SimulatedProvider:
    """The model of an agent, and the small one beside it."""
    models = {name: Behaviour(answers="forty-two") for name in (MODEL, HELPER)}
    return SimulatedProvider(agent.protocol, models=models)


def offered(request: Received) -> set[str]:
    """Names of all tools in a request, those inside namespaces included."""
    return set(_names(request.body.get("tools", [])))


def _names(tools: Any) -> Iterator[str]:
    if isinstance(tools, list):
        for tool in tools:
            yield from _names(tool)
    elif isinstance(tools, dict):
        if isinstance(tools.get("name"), str):
            yield tools["name"]
        for key in ("tools", "function", "functionDeclarations"):
            yield from _names(tools.get(key))
