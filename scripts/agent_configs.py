"""Writes agent_configs/ from what `rightmodel config` knows: `python scripts/agent_configs.py`."""

from __future__ import annotations

from pathlib import Path

from rightmodel.integrations.clients import CLIENTS, SKILL, Client
from rightmodel.integrations.model_setup import SETUPS, Gateway, Setup, model_settings
from rightmodel.integrations.registration import Launch, registration
from rightmodel.surfaces.mcp.tools import TOOL_NAMES

FOLDER = Path(__file__).parents[1] / "agent_configs"
PORTABLE = Launch(
    command=("rightmodel",),
    tools=TOOL_NAMES,
    env_file="~/.config/rightmodel/keys.env",
)
FILES = {
    "openclaw": "openclaw/openclaw.json",
    "claude-code": "claude-code/mcp.json",
    "claude-desktop": "claude-desktop/claude_desktop_config.json",
    "codex": "codex/config.toml",
    "gemini-cli": "gemini-cli/settings.json",
    "opencode": "opencode/opencode.json",
    "goose": "goose/config.yaml",
    "cline": "cline/cline_mcp_settings.json",
    "roo-code": "roo-code/mcp.json",
    "windsurf": "windsurf/mcp_config.json",
    "zed": "zed/settings.json",
    "continue": "continue/rightmodel.yaml",
}
GATEWAY = Gateway("http://127.0.0.1:8765", "TOKEN")
_ENDINGS = {"json": "mcp.json", "toml": "config.toml", "paste": "agent.py"}

README = """\
# Registrations, one for each agent

`python scripts/agent_configs.py` generates these files; do not edit them. On your own machine use
`rightmodel config CLIENT --write`: it writes absolute paths, which programs started from a desktop
need, and keeps the rest of the agent's file.

In these files the command is `rightmodel`, found on the search path, and the keys are NAME=value
lines in `~/.config/rightmodel/keys.env`. That file must exist. Leave `--env-file` out where the
agent passes your environment variables to the server (column "passes env").

"Timeout" is the agent's own limit for one call, set in its file where that is possible. "Deadline"
is the time within which rightmodel answers, with the result or with `pending`, so that the call
does not time out in the agent.

| agent | file here | goes to | timeout | deadline | passes env | notes |
|---|---|---|---|---|---|---|
"""


def file_name(client: Client) -> str:
    """The file's path below agent_configs/."""
    return FILES.get(client.name, f"{client.name}/{_ENDINGS[client.format]}")


def row(client: Client) -> str:
    """The client's line in the README's table."""
    user = client.user.replace("{config}/", "(settings)/")
    file = " or ".join(f"`{f}`" for f in (user, client.project) if f)
    settable = client.timeout_key or "$timeout" in client.snippet
    timeout = f"{client.timeout_s} s" + ("" if settable else ", fixed")
    cells = (
        client.title,
        f"[{file_name(client)}]({file_name(client)})",
        file or "your code",
        timeout,
        f"{client.deadline_s} s",
        "yes" if client.passes_env else "no, or not all",
        " ".join(client.notes),
    )
    return f"| {' | '.join(cells)} |\n"


def generated() -> dict[str, str]:
    """Every generated file: its path below agent_configs/ and its text."""
    files = {file_name(c): registration(c, PORTABLE) for c in CLIENTS.values()}
    files["openclaw/SKILL.md"] = SKILL.read_text(encoding="utf-8")
    files |= {model_file(s): model_settings(s, GATEWAY) for s in SETUPS.values()}
    models = MODELS + "".join(map(model_row, SETUPS.values()))
    files["README.md"] = README + "".join(map(row, CLIENTS.values())) + SETTINGS + models
    return files


MODELS = """
## The gateway as an agent's own model

What `rightmodel config CLIENT --model --write` sets, for a gateway on this machine. TOKEN stands
for the token of the agent's entry in `[clients]`.

| agent | file here | goes to | speaks | notes |
|---|---|---|---|---|
"""


def model_file(setup: Setup) -> str:
    """Where its settings are below agent_configs/."""
    return f"{setup.client.name}/model.{setup.client.format}"


def model_row(setup: Setup) -> str:
    """Its line in the second table."""
    file = model_file(setup)
    user = f"`{setup.client.user}`"
    notes = " ".join(setup.notes)
    cells = (setup.client.title, f"[{file}]({file})", user, ", ".join(setup.apis), notes)
    return f"| {' | '.join(cells)} |\n"


SETTINGS = """
`(settings)` is `~/.config` on Linux, `~/Library/Application Support` on macOS and `%APPDATA%` on
Windows.
"""

if __name__ == "__main__":
    for name, text in generated().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
