"""One turn of a Python agent framework with an MCP server, in an environment with the framework.

python python_agents.py pydantic-ai|openai-agents QUESTION COMMAND ARGUMENT…

Everything that the framework does not need to be told is left at its default, timeouts included.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import sys


async def pydantic_ai(question: str, command: str, arguments: list[str]) -> str:
    framework = importlib.import_module("pydantic_ai")
    toolsets = importlib.import_module("pydantic_ai.mcp")
    transports = importlib.import_module("fastmcp.client.transports")
    models = importlib.import_module("pydantic_ai.models.openai")
    env = dict(os.environ)
    server = toolsets.MCPToolset(transports.StdioTransport(command, arguments, env=env))
    agent = framework.Agent(models.OpenAIChatModel("agent"), toolsets=[server])
    return str((await agent.run(question)).output)


async def openai_agents(question: str, command: str, arguments: list[str]) -> str:
    framework = importlib.import_module("agents")
    framework.set_default_openai_api("chat_completions")
    servers = importlib.import_module("agents.mcp")
    params = {"command": command, "args": arguments, "env": dict(os.environ)}
    async with servers.MCPServerStdio(params) as server:
        agent = framework.Agent(name="agent", model="agent", mcp_servers=[server])
        result = await framework.Runner.run(agent, question)
    return str(result.final_output)


def main() -> None:
    name, question, command, *arguments = sys.argv[1:]
    run = {"pydantic-ai": pydantic_ai, "openai-agents": openai_agents}[name]
    print(asyncio.run(run(question, command, arguments)))  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
