"""A real server process spoken to line by line: every byte of its standard output is looked at."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rightmodel.ledger.paths import FILE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from rightmodel.simulator import SimulatedProvider

GUARD_S = 25.0
"""A bound on what would otherwise hang, never a measure."""
LINE_BYTES = 32 * 2**20
VERSION = "2025-06-18"
HELLO = {
    "protocolVersion": VERSION,
    "capabilities": {},
    "clientInfo": {"name": "tests", "version": "1"},
}
WRAPPER = """
import json, os, sys, time
from rightmodel.execution.engine import App

close = App.close

async def reporting_close(self):
    engine = self._engine
    if engine is not None:
        facts = {
            "running": engine.calls.running,
            "kept": len(engine.calls._entries),
            "in_flight": engine.health.in_flight,
        }
        print("FACTS " + json.dumps(facts), file=sys.stderr, flush=True)
    began = time.monotonic()
    await close(self)
    print(f"CLOSED {time.monotonic() - began:.3f}", file=sys.stderr, flush=True)

App.close = reporting_close
"""
"""Reports on standard error what is in flight when the server closes."""
MAIN = "\nfrom rightmodel.__main__ import main\nmain()\n"


def manifest(provider: SimulatedProvider, models: Sequence[str] = ("m",), extra: str = "") -> str:
    tables = [
        f'[[models]]\nid = "p/{name}"\ncost = {{input = 1, output = 2}}\n'
        "limits = {context = 10000000, output = 1000000}\nskills = {general = 8}\n"
        for name in models
    ]
    head = f'version = 1\n{extra}\n[providers.p]\nprotocol = "{provider.protocol.value}"\n'
    return head + f'base_url = "{provider.base_url}"\n' + "".join(tables)


@dataclass
class Folders:
    """Folders of a server: everything that it may and may not write to lies below `root`."""

    root: Path
    code: str = WRAPPER
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in ("home", "cwd", "state", "config", "cache", "data", "xdg-state", "tmp"):
            (self.root / folder).mkdir(exist_ok=True)

    def write(self, text: str) -> None:
        (self.root / "manifest.toml").write_text(text)

    @property
    def ledger(self) -> Path:
        return self.root / "state" / FILE

    @property
    def command(self) -> list[str]:
        script = [sys.executable, "-c", self.code + MAIN]
        return [*script, "serve", "--manifest", str(self.root / "manifest.toml")]

    @property
    def environment(self) -> Mapping[str, str]:
        root = self.root
        kept = {k: v for k, v in os.environ.items() if k.startswith("COV") or k == "PATH"}
        return kept | {
            "HOME": str(root / "home"),
            "TMPDIR": str(root / "tmp"),
            "XDG_CONFIG_HOME": str(root / "config"),
            "XDG_CACHE_HOME": str(root / "cache"),
            "XDG_DATA_HOME": str(root / "data"),
            "XDG_STATE_HOME": str(root / "xdg-state"),
            "RIGHTMODEL_STATE_DIR": str(root / "state"),
            "PYTHONDONTWRITEBYTECODE": "1",
            **self.env,
        }

    @contextlib.asynccontextmanager
    async def process(
        self, *options: str, stdout: int = asyncio.subprocess.PIPE
    ) -> AsyncIterator[asyncio.subprocess.Process]:
        """A server with `options`; killed at the end, if it still runs."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *options,
            stdin=pipe,
            stdout=stdout,
            stderr=pipe,
            env=self.environment,
            cwd=self.root / "cwd",
            limit=LINE_BYTES,
        )
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    @contextlib.asynccontextmanager
    async def server(self, *options: str) -> AsyncIterator[Server]:
        """A server on standard input and output, introduced."""
        async with self.process(*options) as process:
            server = Server(process)
            await server.request("initialize", HELLO)
            server.notify("notifications/initialized")
            yield server
            await server.exit_code()


class Server:
    """A client's end: requests and their answers, what came besides, and what was no JSON."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.invalid_lines: list[bytes] = []
        self.progress: dict[str, list[str]] = {}
        self.reported = asyncio.Event()
        self.errors = bytearray()
        self._numbers = itertools.count(1)
        self._waiting: dict[int | str, asyncio.Future[dict[str, Any]]] = {}
        self._readers = [asyncio.create_task(self._read()), asyncio.create_task(self._listen())]

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            try:
                message = json.loads(line)
                assert message["jsonrpc"] == "2.0"
            except (ValueError, KeyError, TypeError, AssertionError):
                self.invalid_lines.append(line)
                continue
            if message.get("method") == "notifications/progress":
                params = message["params"]
                self.progress.setdefault(params["progressToken"], []).append(params["message"])
                self.reported.set()
            elif message.get("id") is not None:
                self._waiting.pop(message["id"]).set_result(message)
        for future in self._waiting.values():
            future.cancel(f"the server ended: {self.errors.decode()[-2000:]}")

    async def _listen(self) -> None:
        assert self.process.stderr is not None
        while chunk := await self.process.stderr.read(65_536):
            self.errors += chunk

    def send(self, message: dict[str, Any]) -> None:
        self.send_line(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def send_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")

    def expect(self, request_id: int | str) -> asyncio.Future[dict[str, Any]]:
        """The reply to a request that is sent as a line."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        return future

    def notify(self, method: str, **params: object) -> None:
        self.send({"method": method, "params": params})

    def request(self, method: str, params: dict[str, Any]) -> asyncio.Future[dict[str, Any]]:
        number = next(self._numbers)
        future = self.expect(number)
        future.number = number  # type: ignore[attr-defined]
        self.send({"id": number, "method": method, "params": params})
        return future

    def call(self, tool: str = "complete", **arguments: object) -> asyncio.Future[dict[str, Any]]:
        token = f"token of {arguments.get('prompt')!s:.40}"
        params = {"name": tool, "arguments": arguments, "_meta": {"progressToken": token}}
        return self.request("tools/call", params)

    def cancel(self, call: asyncio.Future[dict[str, Any]]) -> None:
        number = call.number  # type: ignore[attr-defined]
        self._waiting.pop(number)
        self.notify("notifications/cancelled", requestId=number)

    async def until_reported(self, token: str, times: int) -> list[str]:
        """The progress of a call, once it was reported so many times."""
        while len(self.progress.get(token, ())) < times:
            self.reported.clear()
            await self.reported.wait()
        return self.progress[token]

    def disconnect(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    async def exit_code(self) -> int:
        """Close its standard input unless that was done, and wait for its end."""
        self.disconnect()
        await self.process.wait()
        await asyncio.gather(*self._readers)
        assert self.process.returncode is not None
        return self.process.returncode

    @property
    def facts(self) -> dict[str, int]:
        """What was in flight when it closed."""
        lines = self.errors.decode().splitlines()
        return next(json.loads(x.removeprefix("FACTS ")) for x in lines if x.startswith("FACTS "))

    @property
    def log_lines(self) -> list[str]:
        """Standard error without our own lines."""
        lines = self.errors.decode().splitlines()
        return [x for x in lines if not x.startswith(("FACTS ", "CLOSED "))]


def texts(message: dict[str, Any]) -> list[str]:
    """The text blocks of a call's answer; fails for an error."""
    result = message["result"]
    assert not result.get("isError"), result
    return [block["text"] for block in result["content"]]


async def seconds_to_exit(process: asyncio.subprocess.Process) -> float:
    """From now to the end of the process."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await process.wait()
    return loop.time() - began
