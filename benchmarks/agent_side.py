"""The agent's side: start, round trips and overhead, each against a floor in the same run.

    python benchmarks/agent_side.py [--repeat 15]

The floor is a bare server on the same SDK with two tools that do nothing. Medians over interleaved
repetitions. The upstream of `complete` is a simulated provider in this process that answers at
once.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client

from rightmodel.simulator import Behaviour, SimulatedProvider

BARE = """
from mcp.server import MCPServer
server = MCPServer("bare")

@server.tool()
def choose_model(task: str) -> str:
    "Nothing."
    return "nothing"

@server.tool()
def complete(prompt: str) -> str:
    "Nothing."
    return "nothing"

server.run()
"""
MANIFEST = """
version = 1
[providers.sim]
protocol = "openai-chat"
base_url = "{url}"
"""
MODEL = """
[[models]]
id = "sim/m{number}"
cost = {{ input = {number}, output = {number} }}
limits = {{ context = 100000, output = 8000 }}
skills = {{ general = 7.{number}, code = 6.{number} }}
"""
PROMPT = "Extract every date from the following letter and return them as a list. " * 11


async def start(command: list[str], cwd: str, tool: str, arguments: dict[str, str]) -> list[float]:
    """Seconds from spawning to `initialize` answered, and to the first answer of a tool."""
    began = time.perf_counter()
    parameters = StdioServerParameters(command=command[0], args=command[1:], cwd=cwd)
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        initialized = time.perf_counter() - began
        await session.call_tool(tool, arguments=arguments)
        return [initialized, time.perf_counter() - began]


async def round_trips(
    command: list[str], cwd: str, calls: dict[str, tuple[str, dict[str, Any]]], count: int
) -> dict[str, list[float]]:
    """Seconds of each call on a warm server."""
    parameters = StdioServerParameters(command=command[0], args=command[1:], cwd=cwd)
    times: dict[str, list[float]] = {name: [] for name in calls}
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        for number in range(count + 10):
            for name, (tool, arguments) in calls.items():
                began = time.perf_counter()
                result = await session.call_tool(tool, arguments=arguments)
                if getattr(result, "is_error", False):
                    raise SystemExit(str(result))
                if number >= 10:
                    times[name].append(time.perf_counter() - began)
    return times


async def main(repeat: int) -> None:
    """Measure and print."""
    models = {f"m{n}": Behaviour() for n in range(1, 10)}
    with tempfile.TemporaryDirectory() as folder:
        async with SimulatedProvider("openai-chat", models=models) as upstream:
            manifest = Path(folder) / "rightmodel.toml"
            text = MANIFEST.format(url=upstream.base_url)
            manifest.write_text(text + "".join(MODEL.format(number=n) for n in range(1, 10)))
            bare = Path(folder) / "bare.py"
            bare.write_text(BARE)
            bare_command = [sys.executable, str(bare)]
            ours = [sys.executable, "-m", "rightmodel", "serve"]
            floors, starts = [], []
            for _ in range(repeat):
                floors.append(await start(bare_command, folder, "choose_model", {"task": PROMPT}))
                starts.append(await start(ours, folder, "choose_model", {"task": PROMPT}))
            no_op = await round_trips(
                bare_command, folder, {"no-op": ("choose_model", {"task": PROMPT})}, 200
            )
            calls: dict[str, tuple[str, dict[str, Any]]] = {
                "choose_model": ("choose_model", {"task": PROMPT}),
                "complete": ("complete", {"prompt": PROMPT}),
            }
            warm = await round_trips(ours, folder, calls, 200)
    report(floors, starts, no_op["no-op"], warm)


def report(
    floors: list[list[float]],
    starts: list[list[float]],
    no_op: list[float],
    warm: dict[str, list[float]],
) -> None:
    """Print medians in milliseconds and their ratio to the floor."""

    def row(name: str, value: float, floor: float) -> None:
        print(
            f"{name:42} {value * 1e3:8.2f} ms   floor {floor * 1e3:8.2f} ms   {value / floor:.2f} x"
        )

    median = statistics.median
    row("start to initialize answered", median(s[0] for s in starts), median(f[0] for f in floors))
    row(
        "start to first choose_model answered",
        median(s[1] for s in starts),
        median(f[1] for f in floors),
    )
    row("choose_model on a warm server", median(warm["choose_model"]), median(no_op))
    row("complete, upstream answers at once", median(warm["complete"]), median(no_op))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=15)
    asyncio.run(main(parser.parse_args().repeat))
