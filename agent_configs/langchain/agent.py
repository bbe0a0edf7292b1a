# /// script
# dependencies = ["langchain-mcp-adapters"]
# ///
"""rightmodel for LangChain: `await client.get_tools()` gives the tools for an agent."""

from langchain_mcp_adapters.client import MultiServerMCPClient

client = MultiServerMCPClient(
    {
        "rightmodel": {
            "transport": "stdio",
            "command": "rightmodel",
            "args": ["serve", "--env-file", "~/.config/rightmodel/keys.env", "--deadline", "120"],
        }
    }
)
