"""What agents and people use: MCP and the command line."""
