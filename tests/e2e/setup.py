"""A rightmodel of its own for a test: command, manifest, keys, and a provider with two models."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent

from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RIGHTMODEL: Final = str(Path(sys.executable).with_name("rightmodel"))
KEY: Final = "sk-a-secret-key"
WITHIN_S: Final = 55
"""An answer or a word of where it is comes within the deadline of 50 seconds."""

PROVIDER: Final = """
[providers.{name}]
protocol = "openai-chat"
base_url = "{url}"
key_env = "{key_env}"
"""
MODEL: Final = """
[[models]]
id = "{id}"
cost = {{input = {price}, output = {price}}}
skills = {{general = 8}}
"""


@dataclass(frozen=True)
class Setup:
    """`folder`: home, working directory and state of everything that runs for the test."""

    folder: Path
    manifest: Path
    keys: Path

    @property
    def files(self) -> list[str]:
        return ["--manifest", str(self.manifest), "--env-file", str(self.keys)]

    @property
    def serve(self) -> list[str]:
        return [RIGHTMODEL, "serve", *self.files]

    @property
    def env(self) -> dict[str, str]:
        return {"HOME": str(self.folder), "RIGHTMODEL_STATE_DIR": str(self.folder / "state")}


def build(folder: Path, *sections: str, **keys: str) -> Setup:
    """Write a manifest out of sections, and a file with keys."""
    setup = Setup(folder, folder / "rightmodel.toml", folder / "keys.env")
    setup.manifest.write_text("version = 1\n" + "".join(sections))
    setup.keys.write_text("".join(f"{name}={value}\n" for name, value in keys.items()))
    return setup


@dataclass(frozen=True)
class TwoModels(Setup):
    """`p/first` is cheaper and as good as `p/second`, so it is asked first."""

    provider: SimulatedProvider


@contextlib.asynccontextmanager
async def two_models(folder: Path) -> AsyncIterator[TwoModels]:
    models = {
        "first": Behaviour(answers="forty-two, says first"),
        "second": Behaviour(answers="forty-two, says second"),
    }
    async with SimulatedProvider(key=KEY, models=models) as provider:
        setup = build(
            folder,
            PROVIDER.format(name="p", url=provider.base_url, key_env="P_KEY"),
            MODEL.format(id="p/first", price=1),
            MODEL.format(id="p/second", price=2),
            P_KEY=KEY,
        )
        yield TwoModels(setup.folder, setup.manifest, setup.keys, provider)


@contextlib.asynccontextmanager
async def stdio_session(setup: Setup) -> AsyncIterator[ClientSession]:
    """The SDK's own client, with a server process of its own."""
    command, *args = setup.serve
    parameters = StdioServerParameters(command=command, args=args, env=setup.env, cwd=setup.folder)
    async with (
        stdio_client(parameters) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


async def called(session: ClientSession, tool: str, **arguments: Any) -> CallToolResult:
    async with asyncio.timeout(WITHIN_S):
        result = await session.call_tool(tool, arguments=arguments)
    assert isinstance(result, CallToolResult)
    return result


def texts(result: CallToolResult) -> list[str]:
    return [block.text for block in result.content if isinstance(block, TextContent)]
