"""The HTTP server: MCP at `/mcp`, and beside it the model APIs that agents speak."""
