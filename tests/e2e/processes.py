"""Real processes for tests: every wait is bounded, and nothing outlives its test."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Finished:
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"ended with {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err[-4000:]}"


async def run(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path, within_s: float = 60
) -> Finished:
    """Run to the end. Raises `TimeoutError` after `within_s` seconds, the process is gone then."""
    pipe, null = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, env=env, cwd=cwd, stdin=null, stdout=pipe, stderr=pipe, start_new_session=True
    )
    try:
        async with asyncio.timeout(within_s):
            out, err = await process.communicate()
    finally:
        _end_group(process.pid, signal.SIGKILL)
        await process.wait()
    return Finished(process.returncode or 0, out.decode(), err.decode())


@contextlib.asynccontextmanager
async def background(
    command: Sequence[str], *, env: Mapping[str, str], cwd: Path, port: int, says: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A server, from when it takes connections on `port` and has written `says`."""
    log = cwd / f"server-{port}.log"
    null = asyncio.subprocess.DEVNULL
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *command, env=env, cwd=cwd, stdin=null, stdout=out, stderr=out, start_new_session=True
        )
    try:
        if not await _ready(process, log, port, says):
            raise AssertionError(f"not ready on {port}:\n{_log_text(log)}")
        yield process
    finally:
        _end_group(process.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            _end_group(process.pid, signal.SIGKILL)
            await process.wait()


async def _ready(process: asyncio.subprocess.Process, log: Path, port: int, says: str) -> bool:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(40):
            while process.returncode is None:
                if says in _log_text(log) and await _listens(port):
                    return True
                await asyncio.sleep(0.05)  # nothing tells when another process is ready
    return False


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


def _log_text(log: Path) -> str:
    return log.read_text(errors="replace")


def _end_group(pid: int, how: signal.Signals) -> None:
    """The process leads its group: what it started ends with it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, how)


def free_port() -> int:
    """An unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: Any = probe.getsockname()[1]
    return int(port)
