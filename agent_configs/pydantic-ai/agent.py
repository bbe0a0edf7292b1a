# /// script
# dependencies = ["pydantic-ai-slim[mcp]"]
# ///
"""rightmodel as a toolset: Agent(…, toolsets=[rightmodel])."""

from fastmcp.client.transports import StdioTransport
from pydantic_ai.mcp import MCPToolset

rightmodel = MCPToolset(
    StdioTransport(
        command="rightmodel",
        args=["serve", "--env-file", "~/.config/rightmodel/keys.env", "--deadline", "285"],
    ),
    init_timeout=30,
    read_timeout=300,
)
