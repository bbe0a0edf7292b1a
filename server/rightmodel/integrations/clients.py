"""The facts of each client: its file, the entry's shape there, its timeout.

Tried or read in November 2026; `notes` are printed for the person who registers rightmodel.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

SERVER: Final = "rightmodel"
TIMEOUT_S: Final = 300
"""The timeout that is written where a client's own can be set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One agent. In paths `~` is the home and `{config}` the platform's settings folder."""

    name: str
    """What `rightmodel config` calls it."""
    title: str
    """Its own name."""
    format: Literal["json", "toml", "paste"] = "json"
    """Of its file; "paste": the file is not edited, `snippet` is shown."""
    user: str = ""
    """The user's file; "" where there is none."""
    windows: str = ""
    """The user's file on Windows, where it differs."""
    project: str = ""
    """The project's file; "" where there is none."""
    variables: tuple[tuple[str, str], ...] = ()
    """(variable, path below its value) that move the user's file."""
    at: tuple[str, ...] = ("mcpServers", SERVER)
    """Keys that lead to the entry."""
    before: Mapping[str, Any] = field(default_factory=dict)
    """Keys of the entry before the command."""
    command: str = "command"
    """Key of the command."""
    args: str = "args"
    """Key of its arguments; "" where the command is one list with them."""
    timeout_key: tuple[str, int] | None = None
    """Key of the timeout and its units per second; `None` where it cannot be set."""
    timeout_s: int = 60
    """Seconds after which a call times out in the client."""
    tools_at: tuple[str, ...] = ()
    """Keys within the entry that lead to the list of allowed tools."""
    rest: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the entry; values that the user has set stay."""
    settings: tuple[tuple[tuple[str, ...], Any], ...] = ()
    """(keys, value) to be set elsewhere in the file, unless the user has set them."""
    snippet: str = ""
    """Template of what to paste: $command, $args, $timeout."""
    why_paste: str = ""
    """Why the file is not edited, and where the snippet goes."""
    passes_env: bool = False
    """Whether the server gets environment variables that hold keys."""
    notes: tuple[str, ...] = ()
    """What a person has to know beyond the entry."""

    @property
    def deadline_s(self) -> int:
        """The deadline of `serve` that fits the client's timeout."""
        return deadline_s(self.timeout_s)


def deadline_s(timeout_s: int) -> int:
    """Seconds within which the server answers, so that the client does not time out.

    A twentieth of the timeout, at least 10 s where it is long enough, is left for the transport.
    """
    return max(1, timeout_s - max(min(10, timeout_s // 2), timeout_s // 20))


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
    read_timeout=$timeout,
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
    client_session_timeout_seconds=$timeout,
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

_GOOSE: Final = """\
extensions:
  rightmodel:
    enabled: true
    type: stdio
    name: rightmodel
    description: Hands subtasks to the right one of many models
    cmd: $command
    args: $args
    timeout: $timeout
"""

_CONTINUE: Final = """\
name: rightmodel
version: 0.0.1
schema: v1
mcpServers:
  - name: rightmodel
    command: $command
    args: $args
"""

_IN_CODE: Final = "paste the code into your program"

_VSCODE_STORAGE: Final = "{config}/Code/User/globalStorage"

_ALL: Final = (
    Client(
        name="openclaw",
        title="OpenClaw",
        user="~/.openclaw/openclaw.json",
        variables=(("OPENCLAW_CONFIG_PATH", ""), ("OPENCLAW_STATE_DIR", "openclaw.json")),
        at=("mcp", "servers", SERVER),
        timeout_key=("requestTimeoutMs", 1000),
        timeout_s=TIMEOUT_S,
        tools_at=("toolFilter", "include"),
        rest={"supportsParallelToolCalls": True},
        settings=((("tools", "toolSearch"), False),),
        notes=(
            "tools.toolSearch is set to false: otherwise the tools are hidden behind a search.",
            "Without requestTimeoutMs its calls time out after 60 s.",
            "SKILL.md of agent_configs/openclaw/ belongs in ~/.openclaw/skills/rightmodel/.",
        ),
    ),
    Client(
        name="claude-code",
        title="Claude Code",
        user="~/.claude.json",
        project=".mcp.json",
        before={"type": "stdio"},
        timeout_key=("timeout", 1000),
        timeout_s=TIMEOUT_S,
        rest={"alwaysLoad": True},
        passes_env=True,
        notes=("Close Claude Code first: it writes its own state into the user's file.",),
    ),
    Client(
        name="codex",
        title="Codex CLI",
        format="toml",
        user="~/.codex/config.toml",
        project=".codex/config.toml",
        variables=(("CODEX_HOME", "config.toml"),),
        at=("mcp_servers", SERVER),
        timeout_key=("tool_timeout_sec", 1),
        timeout_s=TIMEOUT_S,
        tools_at=("enabled_tools",),
        rest={"startup_timeout_sec": 30, "default_tools_approval_mode": "approve"},
        notes=("Calls run without asking for approval (default_tools_approval_mode).",),
    ),
    Client(
        name="gemini-cli",
        title="Gemini CLI",
        user="~/.gemini/settings.json",
        project=".gemini/settings.json",
        timeout_key=("timeout", 1000),
        timeout_s=TIMEOUT_S,
        tools_at=("includeTools",),
        rest={"trust": True},
        notes=(
            "Calls run without asking for approval (trust).",
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
        timeout_key=("timeout", 1000),
        timeout_s=TIMEOUT_S,
        rest={"enabled": True},
        passes_env=True,
    ),
    Client(
        name="pydantic-ai",
        title="Pydantic AI",
        format="paste",
        timeout_s=TIMEOUT_S,
        snippet=_PYDANTIC_AI,
        why_paste=_IN_CODE,
    ),
    Client(
        name="openai-agents",
        title="OpenAI Agents SDK",
        format="paste",
        timeout_s=TIMEOUT_S,
        snippet=_OPENAI_AGENTS,
        why_paste=_IN_CODE,
        notes=("Without client_session_timeout_seconds its calls time out after 5 s.",),
    ),
    Client(
        name="langchain",
        title="LangChain (langchain-mcp-adapters)",
        format="paste",
        timeout_s=130,
        snippet=_LANGCHAIN,
        why_paste=_IN_CODE,
        notes=("No timeout of its own occurred within 130 s.",),
    ),
    Client(
        name="claude-desktop",
        title="Claude Desktop",
        user="{config}/Claude/claude_desktop_config.json",
        notes=("Its timeout cannot be set.", "Restart it afterwards."),
    ),
    Client(
        name="cursor",
        title="Cursor",
        user="~/.cursor/mcp.json",
        project=".cursor/mcp.json",
        before={"type": "stdio"},
        notes=("Its timeout cannot be set.",),
    ),
    Client(
        name="vscode",
        title="VS Code (Copilot)",
        user="{config}/Code/User/mcp.json",
        project=".vscode/mcp.json",
        at=("servers", SERVER),
        before={"type": "stdio"},
        notes=("Its timeout cannot be set.",),
    ),
    Client(
        name="goose",
        title="Goose",
        format="paste",
        user="~/.config/goose/config.yaml",
        windows="{config}/Block/goose/config/config.yaml",
        timeout_s=TIMEOUT_S,
        snippet=_GOOSE,
        why_paste="paste the entry under the file's own `extensions:`",
    ),
    Client(
        name="cline",
        title="Cline",
        user=f"{_VSCODE_STORAGE}/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
        timeout_key=("timeout", 1),
        timeout_s=TIMEOUT_S,
        rest={"autoApprove": ["choose_model"], "disabled": False},
        notes=(
            "It asks for approval before each call, except for choose_model, which costs nothing.",
        ),
    ),
    Client(
        name="roo-code",
        title="Roo Code",
        user=f"{_VSCODE_STORAGE}/rooveterinaryinc.roo-cline/settings/mcp_settings.json",
        project=".roo/mcp.json",
        timeout_key=("timeout", 1),
        timeout_s=TIMEOUT_S,
        rest={"alwaysAllow": ["choose_model"], "disabled": False},
        notes=(
            "It asks for approval before each call, except for choose_model, which costs nothing.",
        ),
    ),
    Client(
        name="windsurf",
        title="Windsurf",
        user="~/.codeium/windsurf/mcp_config.json",
        rest={"disabled": False},
        notes=("Its timeout cannot be set.",),
    ),
    Client(
        name="zed",
        title="Zed",
        user="~/.config/zed/settings.json",
        windows="{config}/Zed/settings.json",
        at=("context_servers", SERVER),
        rest={"env": {}},
        notes=(
            'Older versions need one more key in the entry: "source": "custom".',
            "Settings with comments are not edited: --write then prints what to add by hand.",
        ),
    ),
    Client(
        name="continue",
        title="Continue",
        format="paste",
        user="~/.continue/config.yaml",
        project=".continue/mcpServers/rightmodel.yaml",
        snippet=_CONTINUE,
        why_paste=(
            "save it as .continue/mcpServers/rightmodel.yaml in a project, or paste the entry "
            "under `mcpServers:` of ~/.continue/config.yaml"
        ),
        notes=(
            "Its timeout cannot be set: connectionTimeout covers the connection alone.",
            "It offers tools in agent mode only.",
        ),
    ),
    Client(
        name="lm-studio",
        title="LM Studio",
        user="~/.lmstudio/mcp.json",
        timeout_key=("timeout", 1000),
        timeout_s=TIMEOUT_S,
    ),
    Client(
        name="junie",
        title="Junie and JetBrains AI Assistant",
        user="~/.junie/mcp/mcp.json",
        project=".junie/mcp/mcp.json",
        notes=(
            "AI Assistant: paste it in Settings > Tools > AI Assistant > MCP.",
            "Its timeout cannot be set.",
        ),
    ),
)

CLIENTS: Final[Mapping[str, Client]] = {client.name: client for client in _ALL}
