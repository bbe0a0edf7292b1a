"""The client disconnects, or the server gets a signal, in the middle of a call."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
from typing import TYPE_CHECKING

import pytest

from process.server_process import GUARD_S, HELLO, Folders, manifest, seconds_to_exit, texts
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from process.server_process import Server

SLOW = Behaviour(first_token_s=3600.0)
CALL = {"name": "complete", "arguments": {"prompt": "at length"}}


async def never(_: float) -> None:
    await asyncio.Event().wait()


def with_calls_under_way(
    tmp_path: Path, then: Callable[[Folders, Server, SimulatedProvider], Awaitable[None]]
) -> None:
    """Three calls that will not end by themselves, then what the test does to the server."""

    async def run() -> None:
        async with SimulatedProvider(
            "openai-chat", models={"m": SLOW, "quick": Behaviour()}, sleep=never
        ) as upstream:
            folders = Folders(tmp_path)
            folders.write(manifest(upstream, ("m", "quick")))
            async with folders.server() as server:
                for n in range(3):
                    server.call(prompt=f"call {n}", model="p/m")
                await upstream.until(lambda: upstream.in_flight == 3)
                await then(folders, server, upstream)
            assert upstream.in_flight == 0
            assert server.invalid_lines == []

    asyncio.run(asyncio.wait_for(run(), 3 * GUARD_S))


@pytest.mark.parametrize("how", ["stdin closed", "SIGTERM", "SIGINT"])
def test_what_runs_is_cancelled_and_recorded_and_the_process_ends(
    tmp_path: Path, how: str, record_property: Callable[[str, object], None]
) -> None:
    async def then(folders: Folders, server: Server, upstream: SimulatedProvider) -> None:
        if how == "stdin closed":
            server.disconnect()
        else:
            server.process.send_signal(signal.Signals[how])
        took = await asyncio.wait_for(seconds_to_exit(server.process), GUARD_S)
        record_property("seconds", took)
        print(f"{how}: ended after {took:.3f} s with {server.process.returncode}")  # noqa: T201
        await upstream.until(lambda: upstream.in_flight == 0)
        assert all(r.cancelled for r in upstream.requests)
        await server.exit_code()
        assert "CLOSED" in server.errors.decode(), "the engine was not closed"
        assert server.log_lines == []
        with contextlib.closing(sqlite3.connect(folders.ledger)) as ledger:
            assert [*ledger.execute("SELECT outcome FROM calls")] == [("cancelled",)] * 3
            assert [*ledger.execute("SELECT fault FROM attempts")] == [("cancelled",)] * 3

    with_calls_under_way(tmp_path, then)


def test_after_kill_9_a_new_server_starts_clean_and_answers(tmp_path: Path) -> None:
    async def then(folders: Folders, server: Server, upstream: SimulatedProvider) -> None:
        server.process.kill()
        await upstream.until(lambda: upstream.in_flight == 0)
        assert all(r.cancelled for r in upstream.requests)
        async with folders.server() as second:
            answer, line = texts(await second.call(prompt="again", model="p/quick"))
            assert answer == "This is a simulated answer."
            assert "attempts=1" in line
        assert second.log_lines == []
        assert second.facts["in_flight"] == 0

    with_calls_under_way(tmp_path, then)


async def test_a_client_that_reads_nothing_more_does_not_keep_the_server(tmp_path: Path) -> None:
    """An answer of 160 kB fills the pipe when its end of standard input is closed."""
    big = Behaviour("\U0001f642" * 39_000)
    async with SimulatedProvider("openai-chat", models={"m": big}) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        unread, written = os.pipe()
        try:
            async with folders.process(stdout=written) as process:
                os.close(written)
                assert process.stdin is not None
                for line in (
                    {"id": 0, "method": "initialize", "params": HELLO},
                    {"id": 1, "method": "tools/call", "params": CALL},
                ):
                    message = {"jsonrpc": "2.0", **line}
                    process.stdin.write(json.dumps(message).encode() + b"\n")
                read = b""
                while read.count(b"\n") < 1 or read.endswith(b"\n"):  # until it has begun
                    read += await asyncio.to_thread(os.read, unread, 4096)
                process.stdin.close()
                took = await asyncio.wait_for(seconds_to_exit(process), GUARD_S)
                print(f"output not read: ended after {took:.3f} s")  # noqa: T201
        finally:
            os.close(unread)


async def test_the_end_of_the_input_ends_64_calls_with_answers_that_are_not_read(
    tmp_path: Path,
) -> None:
    release = asyncio.Event()

    async def held(_: float) -> None:
        await release.wait()

    big = Behaviour("\U0001f642" * 30_000, first_token_s=1.0)
    async with SimulatedProvider("openai-chat", models={"m": big}, sleep=held) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        unread, written = os.pipe()
        try:
            async with folders.process(stdout=written) as process:
                os.close(written)
                assert process.stdin is not None
                lines = [{"id": 0, "method": "initialize", "params": HELLO}]
                lines += [{"id": n, "method": "tools/call", "params": CALL} for n in range(64)]
                for line in lines:
                    message = {"jsonrpc": "2.0", **line}
                    process.stdin.write(json.dumps(message).encode() + b"\n")
                await upstream.until(lambda: upstream.in_flight == 64)
                release.set()
                await upstream.until(lambda: upstream.in_flight < 64)
                process.stdin.close()
                took = await asyncio.wait_for(seconds_to_exit(process), GUARD_S)
                print(f"64 calls, output not read: ended after {took:.3f} s")  # noqa: T201
        finally:
            os.close(unread)


async def test_the_end_of_the_input_ends_checks_that_would_take_years(tmp_path: Path) -> None:
    """They run in processes of their own, which end with the server."""
    schema = json.dumps({"type": "string", "pattern": "^(a+)+$"})
    endless = Behaviour(json.dumps("a" * 40 + "!"))

    async with SimulatedProvider("openai-chat", models={"m": endless}) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with folders.process() as process:
            assert process.stdin is not None
            lines = [{"id": 0, "method": "initialize", "params": HELLO}]
            arguments = {"prompt": "at length", "schema": schema}
            call = {"name": "complete", "arguments": arguments}
            lines += [{"id": n, "method": "tools/call", "params": call} for n in range(1, 9)]
            for line in lines:
                message = {"jsonrpc": "2.0", **line}
                process.stdin.write(json.dumps(message).encode() + b"\n")
            await upstream.until(lambda: len(upstream.requests) == 8)
            process.stdin.close()
            took = await asyncio.wait_for(seconds_to_exit(process), GUARD_S)
            assert took < 2
            print(f"8 endless checks: ended after {took:.3f} s")  # noqa: T201


async def test_a_client_that_leaves_before_its_first_call_ends_the_process_at_once(
    tmp_path: Path,
) -> None:
    folders = Folders(tmp_path, code="")
    folders.write("version = 1\n")
    async with folders.process() as process:
        assert process.stdin is not None
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), GUARD_S) == 0
    async with folders.server() as server:
        assert await asyncio.wait_for(server.exit_code(), GUARD_S) == 0
    async with folders.server("--warm-up") as server:
        tools = (await server.request("tools/list", {}))["result"]["tools"]
        assert [tool["name"] for tool in tools] == [
            "complete",
            "choose_model",
            "report_outcome",
        ]
        assert "result" in await server.call("choose_model", task="x")
