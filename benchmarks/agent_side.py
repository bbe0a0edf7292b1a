"""The agent's side: start, memory, CPU and round trips, each against a floor in the same run.

    python benchmarks/agent_side.py [--repeat 15] [--idle 10] [-- SERVE_OPTIONS]

The floor is a bare server on the same SDK with two tools that do nothing. Medians over interleaved
pairs. The upstream of `complete` is a simulated provider in this process that answers at once; its
own time is measured with the same client library and taken off. On a machine that others use, the
rows of CPU time hold where those of wall time are noise.
"""

from __future__ import annotations

import argparse
import asyncio
import compileall
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import rightmodel
from rightmodel.core.task import Task
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
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "benchmark", "version": "1"},
}
GOALS = {
    "initialize": 0.12,
    "tools/list": 0.12,
    "first choose_model": 1.1,
    "  its CPU": 1.1,
    "memory": 0.3,
    "CPU": 0.15,
    "warm choose_model": 1.3,
    "  CPU of each": 1.3,
}
FIRST = ("initialize", "tools/list", "first choose_model", "  its CPU")
WARM_UP_CALLS = 10
CHOOSE = ("choose_model", {"task": PROMPT})


class Server:
    """A server process and the raw lines that go to and fro."""

    def __init__(self, command: list[str], cwd: str) -> None:
        self.began = time.perf_counter()
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=cwd)
        self._number = 0

    def request(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """A request and its answer."""
        self._number += 1
        self.send({"id": self._number, "method": method, "params": params})
        assert self.process.stdout is not None
        while True:
            message: dict[str, Any] = json.loads(self.process.stdout.readline())
            if message.get("id") == self._number:
                return message

    def send(self, message: dict[str, Any]) -> None:
        """One line."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        self.process.stdin.flush()

    def start(self) -> tuple[float, float]:
        """Seconds from spawning to `initialize`, and to `tools/list`, answered."""
        self.request("initialize", HELLO)
        initialized = time.perf_counter() - self.began
        self.send({"method": "notifications/initialized"})
        self.request("tools/list", {})
        return initialized, time.perf_counter() - self.began

    def call(self, tool: str, arguments: dict[str, Any]) -> float:
        """Seconds since spawning, when a call is answered."""
        result = self.request("tools/call", {"name": tool, "arguments": arguments})["result"]
        if result.get("isError"):
            raise SystemExit(str(result))
        return time.perf_counter() - self.began

    def unique_kb(self) -> int:
        """Memory that belongs to this process alone."""
        text = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text()
        return sum(int(kb) for kb in re.findall(r"^Private_\w+: +(\d+)", text, re.MULTILINE))

    def cpu_s(self) -> float:
        """CPU seconds of all threads so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9

    def end(self) -> float:
        """CPU seconds of the whole process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        _, _, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = 0
        return usage.ru_utime + usage.ru_stime


def starts(command: list[str], cwd: str) -> list[float]:
    """Seconds to `initialize`, `tools/list` and the first call, and CPU seconds to that."""
    server = Server(command, cwd)
    try:
        return [*server.start(), server.call(*CHOOSE), server.cpu_s()]
    finally:
        server.end()


def idle(commands: list[list[str]], cwd: str, seconds: float) -> list[tuple[float, float]]:
    """Memory in MB and CPU seconds of sessions that never call."""
    servers = [Server(command, cwd) for command in commands]
    for server in servers:
        server.start()
    time.sleep(seconds)
    memory = [server.unique_kb() / 1024 for server in servers]
    return [(mb, server.end()) for mb, server in zip(memory, servers, strict=True)]


def round_trips(server: Server, tool: str, arguments: dict[str, Any], count: int) -> list[float]:
    """Seconds of each call."""
    times = []
    for number in range(count + WARM_UP_CALLS):
        began = time.perf_counter()
        server.call(tool, arguments)
        if number >= WARM_UP_CALLS:
            times.append(time.perf_counter() - began)
    return times


async def upstream_alone(catalog_file: Path, count: int) -> tuple[list[float], float]:
    """Seconds of the same exchange with the upstream, without a server around it; CPU of each."""
    from rightmodel.manifest.load import load_catalog
    from rightmodel.upstream.exchange import make_upstreams
    from rightmodel.upstream.http import HttpClient
    from rightmodel.wire.request import ModelRequest

    catalog = load_catalog(catalog_file, has_key=lambda _: True)
    endpoint = catalog.find("sim/m1").endpoints[0]
    client = HttpClient()
    upstream = make_upstreams(client)[endpoint.provider.protocol]
    times, before = [], 0.0
    for number in range(count + WARM_UP_CALLS):
        if number == WARM_UP_CALLS:
            before = time.thread_time()
        began = time.perf_counter()
        request = ModelRequest(endpoint.provider, endpoint.name, Task(PROMPT).content.messages)
        await upstream.complete(request)
        if number >= WARM_UP_CALLS:
            times.append(time.perf_counter() - began)
    cpu_s = (time.thread_time() - before) / count
    await client.close()
    return times, cpu_s


class Upstream(threading.Thread):
    """The simulated provider, in a thread of its own."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ready = threading.Event()
        self.url = ""

    def run(self) -> None:
        """Until the process ends."""

        async def serve() -> None:
            models = {f"m{n}": Behaviour() for n in range(1, 10)}
            async with SimulatedProvider("openai-chat", models=models) as provider:
                self.url = provider.base_url
                self.ready.set()
                await asyncio.Event().wait()

        asyncio.run(serve())


def main(repeat: int, idle_s: float, options: list[str]) -> None:
    """Measure and print."""
    # As pip does for the SDK, whatever PYTHONDONTWRITEBYTECODE says.
    compileall.compile_dir(Path(rightmodel.__file__).parent, quiet=1)
    upstream = Upstream()
    upstream.start()
    upstream.ready.wait()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RIGHTMODEL_STATE_DIR"] = f"{folder}/state"
        manifest = Path(folder) / "rightmodel.toml"
        text = MANIFEST.format(url=upstream.url)
        manifest.write_text(text + "".join(MODEL.format(number=n) for n in range(1, 10)))
        bare_file = Path(folder) / "bare.py"
        bare_file.write_text(BARE)
        bare = [sys.executable, str(bare_file)]
        ours = [str(Path(sys.executable).with_name("rightmodel")), "serve", *options]
        pairs = [(starts(bare, folder), starts(ours, folder)) for _ in range(repeat)]
        for place, name in enumerate(FIRST):
            row(name, [p[1][place] for p in pairs], [p[0][place] for p in pairs])
        rests = [idle([bare, ours], folder, idle_s) for _ in range(max(1, repeat // 5))]
        row("memory", [r[1][0] for r in rests], [r[0][0] for r in rests], "MB", 1)
        row("CPU", [r[1][1] for r in rests], [r[0][1] for r in rests])
        trips(bare, ours, folder)
        complete(ours, folder, manifest)


def complete(ours: list[str], folder: str, manifest: Path, count: int = 200) -> None:
    """What a warm server adds to an upstream call."""
    alone, alone_cpu_s = asyncio.run(upstream_alone(manifest, count))
    server = Server(ours, folder)
    server.start()
    call = ("complete", {"prompt": PROMPT, "model": "sim/m1"})
    round_trips(server, *call, 1)
    before = server.cpu_s()
    times = round_trips(server, *call, count)
    cpu_s = (server.cpu_s() - before) / (count + WARM_UP_CALLS)
    server.end()
    added = statistics.median(times) - statistics.median(alone)
    print(f"complete over the upstream's own time: {added * 1e3:.2f} ms   goal 1.5 ms")
    print(f"complete over the upstream's own CPU: {(cpu_s - alone_cpu_s) * 1e3:.2f} ms")


def trips(bare: list[str], ours: list[str], folder: str) -> None:
    """Round trips on warm servers, interleaved by tens."""
    servers = [Server(command, folder) for command in (bare, ours)]
    for server in servers:
        server.start()
    times: tuple[list[float], list[float]] = ([], [])
    cpu_s: tuple[list[float], list[float]] = ([], [])
    for _ in range(10):
        for server, kept, used in zip(servers, times, cpu_s, strict=True):
            round_trips(server, *CHOOSE, 0)
            before = server.cpu_s()
            kept.extend(round_trips(server, *CHOOSE, 20))
            used.append((server.cpu_s() - before) / (20 + WARM_UP_CALLS))
    for server in servers:
        server.end()
    row("warm choose_model", times[1], times[0])
    row("  CPU of each", cpu_s[1], cpu_s[0])


def row(
    name: str, ours: list[float], floor: list[float], unit: str = "ms", by: float = 1e3
) -> None:
    """Print medians and their ratio."""
    value, least = statistics.median(ours) * by, statistics.median(floor) * by
    print(
        f"{name:20} {value:8.2f} {unit}   floor {least:8.2f} {unit}   {value / least:.3f} x   "
        f"goal {GOALS[name]} x",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--idle", type=float, default=10.0)
    parser.add_argument("options", nargs="*")
    given = parser.parse_args()
    main(given.repeat, given.idle, given.options)
