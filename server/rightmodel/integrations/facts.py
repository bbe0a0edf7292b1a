"""What is known of each client: its file, what an entry looks like there, how long it waits.

Tried or read in November 2026; `notes` says what a person has to know beyond the entry itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVER: Final = "rightmodel"
WALL_S: Final = 300
"""How long a client is told to wait where it can be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One agent.

    `user`, `project`: its file, "" where there is none. `~` is the home directory, `{config}` the
    platform's directory for settings. `variables`: (name of a variable, what follows its value)
    that move the user's file. `at`: the entry's place in the file. `command`, `args`: the keys for
    the command; without `args` the command is one list. `timeout`: key and units a second.
    `wall_s`: seconds after which the client hangs up. `tools_at`: where the tools are listed.
    `rest`: further keys of the entry. `yields`: keys of the entry where the user's own value wins.
    `settings`: what must be set elsewhere in the file. `header`: what a new file begins with.
    `passes_env`: whether the server sees the variables that hold keys.
    """

    name: str
    title: str
    format: Literal["json", "toml", "yaml", "python"] = "json"
    user: str = ""
    windows: str = ""
    project: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    at: tuple[str, ...] = ("mcpServers", SERVER)
    before: Mapping[str, Any] = field(default_factory=dict)
    command: str = "command"
    args: str = "args"
    timeout: tuple[str, int] | None = None
    wall_s: int = 60
    tools_at: tuple[str, ...] = ()
    rest: Mapping[str, Any] = field(default_factory=dict)
    yields: frozenset[str] = frozenset()
    settings: tuple[tuple[tuple[str, ...], Any], ...] = ()
    header: Mapping[str, Any] = field(default_factory=dict)
    code: str = ""
    passes_env: bool = False
    notes: tuple[str, ...] = ()

    @property
    def deadline_s(self) -> int:
        """The server's deadline: the caller hears something before it hangs up.

        A twentieth of the wait, at least 10 s, is left for the way there and back.
        """
        return self.wall_s - max(10, self.wall_s // 20)


_PYDANTIC_AI: Final = '''\
# /// script
# dependencies = ["pydantic-ai-slim[mcp]"]
# ///
"""rightmodel as a toolset: Agent(…, toolsets=[rightmodel])."""

from fastmcp.client.transports import StdioTransport
from pydantic_ai.mcp import MCPToolset

rightmodel = MCPToolset(
    StdioTransport(
        command=$command,
        args=$args,
    ),
    init_timeout=30,
    read_timeout=$wall,
)
'''

_OPENAI_AGENTS: Final = '''\
# /// script
# dependencies = ["openai-agents"]
# ///
"""rightmodel, entered with `async with`, for Agent(…, mcp_servers=[rightmodel])."""

from agents.mcp import MCPServerStdio

rightmodel = MCPServerStdio(
    name="rightmodel",
    params={
        "command": $command,
        "args": $args,
    },
    client_session_timeout_seconds=$wall,
    cache_tools_list=True,
)
'''

_LANGCHAIN: Final = '''\
# /// script
# dependencies = ["langchain-mcp-adapters"]
# ///
"""rightmodel for LangChain: `await client.get_tools()` gives the tools for an agent."""

from langchain_mcp_adapters.client import MultiServerMCPClient

client = MultiServerMCPClient(
    {
        "rightmodel": {
            "transport": "stdio",
            "command": $command,
            "args": $args,
        }
    }
)
'''

_VSCODE_STORAGE: Final = "{config}/Code/User/globalStorage"

_ALL: Final = (
    Client(
        name="openclaw",
        title="OpenClaw",
        user="~/.openclaw/openclaw.json",
        variables=(("OPENCLAW_CONFIG_PATH", ""), ("OPENCLAW_STATE_DIR", "openclaw.json")),
        at=("mcp", "servers", SERVER),
        timeout=("requestTimeoutMs", 1000),
        wall_s=WALL_S,
        tools_at=("toolFilter", "include"),
        rest={"supportsParallelToolCalls": True},
        yields=frozenset({"toolFilter", "supportsParallelToolCalls"}),
        settings=((("tools", "toolSearch"), False),),
        notes=(
            "tools.toolSearch is off: else the tools hide behind a search.",
            "Without requestTimeoutMs it hangs up after 60 s.",
            "Its skill file, SKILL.md, goes into ~/.openclaw/skills/rightmodel/.",
        ),
    ),
    Client(
        name="claude-code",
        title="Claude Code",
        user="~/.claude.json",
        project=".mcp.json",
        before={"type": "stdio"},
        timeout=("timeout", 1000),
        wall_s=WALL_S,
        rest={"alwaysLoad": True},
        yields=frozenset({"alwaysLoad"}),
        passes_env=True,
        notes=("Write it while Claude Code is closed: it keeps its own state in the user's file.",),
    ),
    Client(
        name="codex",
        title="Codex CLI",
        format="toml",
        user="~/.codex/config.toml",
        project=".codex/config.toml",
        variables=(("CODEX_HOME", "config.toml"),),
        at=("mcp_servers", SERVER),
        timeout=("tool_timeout_sec", 1),
        wall_s=WALL_S,
        tools_at=("enabled_tools",),
        rest={"startup_timeout_sec": 30, "default_tools_approval_mode": "approve"},
        yields=frozenset({"enabled_tools", "startup_timeout_sec", "default_tools_approval_mode"}),
        notes=("Calls go out unasked: default_tools_approval_mode says so.",),
    ),
    Client(
        name="gemini-cli",
        title="Gemini CLI",
        user="~/.gemini/settings.json",
        project=".gemini/settings.json",
        timeout=("timeout", 1000),
        wall_s=WALL_S,
        tools_at=("includeTools",),
        rest={"trust": True},
        yields=frozenset({"includeTools", "trust"}),
        notes=(
            "Calls go out unasked: trust says so.",
            "It removes variables that look like keys from the server's environment.",
        ),
    ),
    Client(
        name="opencode",
        title="opencode",
        user="~/.config/opencode/opencode.json",
        project="opencode.json",
        at=("mcp", SERVER),
        before={"type": "local"},
        args="",
        timeout=("timeout", 1000),
        wall_s=WALL_S,
        rest={"enabled": True},
        yields=frozenset({"enabled"}),
        passes_env=True,
    ),
    Client(
        name="pydantic-ai",
        title="Pydantic AI",
        format="python",
        wall_s=WALL_S,
        code=_PYDANTIC_AI,
    ),
    Client(
        name="openai-agents",
        title="OpenAI Agents SDK",
        format="python",
        wall_s=WALL_S,
        code=_OPENAI_AGENTS,
        notes=("Without client_session_timeout_seconds it hangs up after 5 s.",),
    ),
    Client(
        name="langchain",
        title="LangChain (langchain-mcp-adapters)",
        format="python",
        wall_s=130,
        code=_LANGCHAIN,
        notes=("No limit of its own was met within 130 s.",),
    ),
    Client(
        name="claude-desktop",
        title="Claude Desktop",
        user="{config}/Claude/claude_desktop_config.json",
        notes=("Its wait cannot be set.", "Restart it afterwards."),
    ),
    Client(
        name="cursor",
        title="Cursor",
        user="~/.cursor/mcp.json",
        project=".cursor/mcp.json",
        before={"type": "stdio"},
        notes=("Its wait cannot be set.",),
    ),
    Client(
        name="vscode",
        title="VS Code (Copilot)",
        user="{config}/Code/User/mcp.json",
        project=".vscode/mcp.json",
        at=("servers", SERVER),
        before={"type": "stdio"},
        notes=("Its wait cannot be set.",),
    ),
    Client(
        name="goose",
        title="Goose",
        format="yaml",
        user="~/.config/goose/config.yaml",
        windows="{config}/Block/goose/config/config.yaml",
        at=("extensions", SERVER),
        before={"enabled": True, "type": "stdio", "name": SERVER},
        command="cmd",
        timeout=("timeout", 1),
        wall_s=WALL_S,
        rest={"description": "Hands subtasks to the right one of many models"},
        yields=frozenset({"enabled", "description"}),
    ),
    Client(
        name="cline",
        title="Cline",
        user=f"{_VSCODE_STORAGE}/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        timeout=("timeout", 1),
        wall_s=WALL_S,
        rest={"autoApprove": ["choose_model"], "disabled": False},
        yields=frozenset({"autoApprove", "disabled"}),
        notes=("It asks before each call, except for choose_model, which costs nothing.",),
    ),
    Client(
        name="roo-code",
        title="Roo Code",
        user=f"{_VSCODE_STORAGE}/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        project=".roo/mcp.json",
        timeout=("timeout", 1),
        wall_s=WALL_S,
        rest={"alwaysAllow": ["choose_model"], "disabled": False},
        yields=frozenset({"alwaysAllow", "disabled"}),
        notes=("It asks before each call, except for choose_model, which costs nothing.",),
    ),
    Client(
        name="windsurf",
        title="Windsurf",
        user="~/.codeium/windsurf/mcp_config.json",
        rest={"disabled": False},
        yields=frozenset({"disabled"}),
        notes=("Its wait cannot be set.",),
    ),
    Client(
        name="zed",
        title="Zed",
        user="~/.config/zed/settings.json",
        windows="{config}/Zed/settings.json",
        at=("context_servers", SERVER),
        rest={"env": {}},
        yields=frozenset({"env"}),
        notes=(
            'Older versions want a further line in the entry: "source": "custom".',
            "Its settings usually have comments: --write then shows what to add by hand.",
        ),
    ),
    Client(
        name="continue",
        title="Continue",
        format="yaml",
        user="~/.continue/config.yaml",
        project=".continue/mcpServers/rightmodel.yaml",
        at=("mcpServers", "[]"),
        before={"name": SERVER},
        header={"name": SERVER, "version": "0.0.1", "schema": "v1"},
        notes=(
            "Its wait cannot be set: connectionTimeout is for the connection alone.",
            "Tools are only offered in agent mode.",
        ),
    ),
    Client(
        name="lm-studio",
        title="LM Studio",
        user="~/.lmstudio/mcp.json",
        timeout=("timeout", 1000),
        wall_s=WALL_S,
    ),
    Client(
        name="junie",
        title="Junie and JetBrains AI Assistant",
        user="~/.junie/mcp/mcp.json",
        project=".junie/mcp/mcp.json",
        notes=(
            "AI Assistant: paste it in Settings > Tools > AI Assistant > MCP.",
            "Its wait cannot be set.",
        ),
    ),
)

CLIENTS: Final[Mapping[str, Client]] = {client.name: client for client in _ALL}
