"""Writes server.json and agent_configs/plugins/ from one table: `python scripts/bundles.py`.

Each format names the same server, version and description in its own shape. Seen in November 2026:
MCP registry 2025-12-11, Agent Plugins 1.0.0, Claude Code 2.1.332, Gemini CLI 0.61, MCPB 0.4,
OpenClaw 2026.9.6.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Final

from rightmodel.integrations.clients import SKILL
from rightmodel.surfaces.mcp.tools import TOOLS

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "agent_configs" / "plugins"
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

NAME: Final = str(PROJECT["name"])
VERSION: Final = str(PROJECT["version"])
DESCRIPTION: Final = str(PROJECT["description"])
LICENSE: Final = str(PROJECT["license"])
KEYWORDS: Final = list(PROJECT["keywords"])
TITLE: Final = "rightmodel"
AUTHOR: Final = {"name": "The rightmodel authors"}
REGISTRY_NAME: Final = "io.github.rightmodel/rightmodel"
"""The namespace is that of the account that publishes; README.md repeats the name."""
COMMAND: Final = {"command": NAME, "args": ["serve"]}
"""As installed: `rightmodel` on the path, with its manifest and keys in the user's own folder."""
MAIN: Final = """\"\"\"Runs rightmodel, which uv installs from pyproject.toml.\"\"\"

from rightmodel.__main__ import main

main()
"""
PYPROJECT: Final = f"""[project]
name = "{NAME}-bundle"
version = "{VERSION}"
requires-python = "{PROJECT["requires-python"]}"
dependencies = ["{NAME}=={VERSION}"]
"""
ROUTER: Final = "rightmodel-router"
ROUTER_SAYS: Final = "Chooses the model of each turn with a local rightmodel"


def facts(**more: Any) -> dict[str, Any]:
    """What most formats call alike."""
    return {"name": NAME, "version": VERSION, "description": DESCRIPTION, **more}


def server_json() -> dict[str, Any]:
    """For the MCP registry."""
    package = {
        "registryType": "pypi",
        "identifier": NAME,
        "version": VERSION,
        "runtimeHint": "uvx",
        "transport": {"type": "stdio"},
        "packageArguments": [{"type": "positional", "value": "serve"}],
    }
    return {
        "$schema": "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json",
        **facts(name=REGISTRY_NAME, title=TITLE),
        "packages": [package],
    }


def agent_plugin() -> dict[str, Any]:
    """Agent Plugins 1.0.0: OpenClaw, Codex, Cursor, VS Code and others."""
    schemas = "https://agent-plugins.org/schemas/1.0.0"
    about = facts(author=AUTHOR, license=LICENSE, keywords=KEYWORDS)
    server = {"type": "stdio", **COMMAND}
    return {
        "plugin.json": {"$schema": f"{schemas}/plugin.schema.json", **about},
        "mcp.json": {"$schema": f"{schemas}/mcp.schema.json", "mcpServers": {NAME: server}},
    }


def claude_code() -> dict[str, Any]:
    """A plugin of Claude Code, and a marketplace of this one plugin."""
    plugin = facts(author=AUTHOR, license=LICENSE, keywords=KEYWORDS)
    listed = {"name": NAME, "source": "./", "description": DESCRIPTION, "version": VERSION}
    market = {"name": NAME, "owner": AUTHOR, "description": DESCRIPTION, "plugins": [listed]}
    return {
        ".claude-plugin/plugin.json": plugin,
        ".claude-plugin/marketplace.json": market,
        ".mcp.json": {"mcpServers": {NAME: COMMAND}},
    }


def gemini_cli() -> dict[str, Any]:
    """An extension of Gemini CLI."""
    server = {**COMMAND, "timeout": 300_000}
    return {"gemini-extension.json": facts(mcpServers={NAME: server})}


def mcpb() -> dict[str, Any]:
    """For Claude Desktop, which runs it with a uv of its own: it does not have the shell's path."""
    tools = [{"name": tool["name"], "description": tool["description"]} for tool in TOOLS]
    start = ["run", "--directory", "${__dirname}", "main.py", "serve"]
    server = {
        "type": "uv",
        "entry_point": "main.py",
        "mcp_config": {"command": "uv", "args": start},
    }
    return {
        "manifest.json": {
            "manifest_version": "0.4",
            **facts(display_name=TITLE, author=AUTHOR, license=LICENSE, keywords=KEYWORDS),
            "server": server,
            "tools": tools,
        },
        "main.py": MAIN,
        "pyproject.toml": PYPROJECT,
    }


def openclaw_router() -> dict[str, Any]:
    """A native plugin of OpenClaw around index.js."""
    text = {"type": "string"}
    names = {"type": "object", "additionalProperties": text}
    properties = {"url": text, "tokenEnv": text, "tier": text, "models": names}
    return {
        "openclaw.plugin.json": {
            "id": ROUTER,
            "name": "rightmodel router",
            "version": VERSION,
            "description": ROUTER_SAYS,
            "activation": {"onStartup": True},
            "configSchema": {
                "type": "object",
                "additionalProperties": False,
                "properties": properties,
            },
        },
        "package.json": {
            "name": ROUTER,
            "version": VERSION,
            "description": ROUTER_SAYS,
            "license": LICENSE,
            "type": "module",
            "openclaw": {"extensions": ["./index.js"]},
        },
    }


PLUGINS: Final = {
    "agent-plugin": agent_plugin,
    "claude-code": claude_code,
    "gemini-cli": gemini_cli,
    "mcpb": mcpb,
    "openclaw-router": openclaw_router,
}
WITH_SKILL: Final = ("agent-plugin", "claude-code", "gemini-cli")
ROUTER_CODE: Final = "openclaw-router/index.js"
"""Written by hand."""


def generated() -> dict[str, str]:
    """Every generated file: its path below agent_configs/plugins/ and its text."""
    files = {
        f"{plugin}/{file}": content if isinstance(content, str) else as_json(content)
        for plugin, make in PLUGINS.items()
        for file, content in make().items()
    }
    skill = SKILL.read_text(encoding="utf-8")
    return files | {f"{plugin}/skills/{NAME}/SKILL.md": skill for plugin in WITH_SKILL}


def as_json(content: Any) -> str:
    """As people write it."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (ROOT / "server.json").write_text(as_json(server_json()), encoding="utf-8")
    for name, text in generated().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
