# /// script
# dependencies = ["openai-agents"]
# ///
"""rightmodel, entered with `async with`, for Agent(…, mcp_servers=[rightmodel])."""

from agents.mcp import MCPServerStdio

rightmodel = MCPServerStdio(
    name="rightmodel",
    params={
        "command": "rightmodel",
        "args": ["serve", "--env-file", "~/.config/rightmodel/keys.env", "--deadline", "285"],
    },
    client_session_timeout_seconds=300,
    cache_tools_list=True,
)
