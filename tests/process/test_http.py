"""Over HTTP: a client that hangs up, large prompts, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from process.server_process import GUARD_S, HELLO, VERSION, Folders, manifest, seconds_to_exit
from process.test_sizes import large
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

MODERN = "2026-07-28"
PREFIX = "io.modelcontextprotocol/"
ENVELOPE = {
    f"{PREFIX}protocolVersion": MODERN,
    f"{PREFIX}clientInfo": HELLO["clientInfo"],
    f"{PREFIX}clientCapabilities": {},
}
CLIENTS = """
[clients.alice]
token_env = "ALICE"
[clients.bob]
token_env = "BOB"
"""


async def never(_: float) -> None:
    await asyncio.Event().wait()


@dataclass
class Post:
    """One HTTP request on a connection of its own."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> str:
        return (await self.reader.readuntil(b"\r\n\r\n")).decode()

    async def answer(self) -> dict[str, Any]:
        """The JSON-RPC answer, be it an event of a stream or the body."""
        rest = (await self.reader.read()).decode()
        found = re.findall(r"^(?:data: )?(\{.*\})\r?$", rest, re.MULTILINE)
        answer: dict[str, Any] = json.loads(found[-1])
        return answer

    def disconnect(self) -> None:
        self.writer.close()


@dataclass
class Client:
    port: int
    session: str = ""
    token: str = ""
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def post(self, message: dict[str, Any], **headers: str) -> Post:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        named = {
            "host": f"127.0.0.1:{self.port}",
            "content-type": "application/json",
            "content-length": str(len(body)),
            "accept": "application/json, text/event-stream",
            "connection": "close",
            **({"mcp-session-id": self.session} if self.session else {}),
            **({"authorization": f"Bearer {self.token}"} if self.token else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        writer.write(f"POST /mcp HTTP/1.1\r\n{lines}\r\n".encode() + body)
        await writer.drain()
        return Post(reader, writer)

    async def initialize(self) -> None:
        post = await self.post({"id": 0, "method": "initialize", "params": HELLO})
        head = await post.head()
        found = re.search(r"^mcp-session-id: (\S+)", head, re.MULTILINE | re.IGNORECASE)
        assert found, head
        self.session = found.group(1)
        assert (await post.answer())["result"]["protocolVersion"] == VERSION
        accepted = await self.post({"method": "notifications/initialized"})
        assert " 202 " in await accepted.head()

    async def call(self, number: int, **arguments: str) -> Post:
        """A call, in the session where there is one, else as the protocol of 2026 has it."""
        params = {"name": "complete", "arguments": arguments}
        message = {"id": number, "method": "tools/call", "params": params}
        if self.session:
            return await self.post(message, mcp_protocol_version=VERSION)
        headers = {"mcp_method": "tools/call", "mcp_name": "complete"}
        message["params"] = params | {"_meta": ENVELOPE}
        return await self.post(message, mcp_protocol_version=MODERN, **headers)


async def test_whoever_starts_the_server_is_told_that_the_manifest_is_wrong(
    tmp_path: Path,
) -> None:
    folders = Folders(tmp_path)
    folders.write("version = 1\n[routing]\ntire = 1\n")
    async with folders.process("--http", "127.0.0.1:0") as process:
        assert process.stderr is not None
        async with asyncio.timeout(GUARD_S):
            told = b"".join([await process.stderr.readline() for _ in range(4)]).decode()
        process.terminate()
    assert "toml:3: routing.tire: unknown key; did you mean 'tier'?" in told
    assert told.endswith("rightmodel: requests are refused until this is corrected\n")


@contextlib.asynccontextmanager
async def serving(
    folders: Folders, era: str, *options: str
) -> AsyncIterator[tuple[asyncio.subprocess.Process, Client]]:
    async with folders.process("--http", "127.0.0.1:0", *options) as process:
        assert process.stderr is not None
        line = (await asyncio.wait_for(process.stderr.readline(), GUARD_S)).decode()
        found = re.fullmatch(r"rightmodel: listening on http://127\.0\.0\.1:(\d+)/mcp\n", line)
        assert found, line
        client = Client(int(found.group(1)))
        if era == "session":
            await client.initialize()
        try:
            yield process, client
        finally:
            for writer in client.writers:
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()


@pytest.mark.parametrize("era", ["session", "2026"])
async def test_a_client_that_hangs_up_cancels_its_call_and_no_other(
    tmp_path: Path, era: str
) -> None:
    release = asyncio.Event()

    async def held(_: float) -> None:
        await release.wait()

    models = {"m": Behaviour(lambda r: f"answer to {r.prompt}", first_token_s=1.0)}
    async with SimulatedProvider("openai-chat", models=models, sleep=held) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with serving(folders, era) as (_, client):
            stays = await client.call(1, prompt="stays")
            leaves = await client.call(2, prompt="goes")
            await upstream.until(lambda: upstream.in_flight == 2)
            leaves.disconnect()
            # At once: the SDK's own keep-alive would find out after 15 s.
            await asyncio.wait_for(upstream.until(lambda: upstream.in_flight == 1), GUARD_S)
            release.set()
            answer = (await stays.answer())["result"]["content"][0]["text"]
            assert answer == "answer to stays"
        assert {r.prompt: r.cancelled for r in upstream.requests} == {
            "stays": False,
            "goes": True,
        }


async def test_a_session_that_the_process_does_not_know_goes_on(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def held(_: float) -> None:
        await release.wait()

    models = {"m": Behaviour(lambda r: f"answer to {r.prompt}", first_token_s=1.0)}
    async with SimulatedProvider("openai-chat", models=models, sleep=held) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with serving(folders, "session") as (_, client):
            client.session = "1" * 32  # of the process before a restart
            calls = [await client.call(number, prompt=f"{number}") for number in (1, 2, 3)]
            await upstream.until(lambda: upstream.in_flight == 3)
            calls[0].disconnect()
            notice = {"method": "notifications/cancelled", "params": {"requestId": 2}}
            assert " 202 " in await (await client.post(notice)).head()
            await asyncio.wait_for(upstream.until(lambda: upstream.in_flight == 1), GUARD_S)
            release.set()
            answer = (await calls[2].answer())["result"]["content"][0]["text"]
            assert answer == "answer to 3"
        assert [r.prompt for r in upstream.requests if not r.cancelled] == ["3"]


@pytest.mark.parametrize("known", [False, True])
async def test_a_session_of_one_client_answers_no_other(tmp_path: Path, *, known: bool) -> None:
    release = asyncio.Event()

    async def held(_: float) -> None:
        await release.wait()

    models = {"m": Behaviour(lambda r: f"answer to {r.prompt}", first_token_s=1.0)}
    async with SimulatedProvider("openai-chat", models=models, sleep=held) as upstream:
        folders = Folders(tmp_path, env={"ALICE": "a" * 16, "BOB": "b" * 16})
        folders.write(manifest(upstream) + CLIENTS)
        async with serving(folders, "none") as (_, alice):
            alice.token = "a" * 16
            if known:
                await alice.initialize()
            else:
                alice.session = "1" * 32  # of the process before a restart
            bob = Client(alice.port, alice.session, "b" * 16, alice.writers)
            asked = []
            for client, prompt in ((alice, "hers"), (bob, "his")):
                asked.append(await client.call(1, prompt=prompt))
                await upstream.until(lambda: upstream.in_flight == len(asked))
            release.set()
            answers = [(await post.answer())["result"]["content"][0]["text"] for post in asked]
            assert answers == ["answer to hers", "answer to his"]


async def test_only_requests_open_a_lost_session_anew_and_only_an_issued_one(
    tmp_path: Path,
) -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with serving(folders, "session") as (_, client):
            notice = {"method": "notifications/cancelled", "params": {"requestId": 2}}
            client.session = "1" * 32  # of the process before a restart
            assert " 404 " in await (await client.post(notice)).head()
            client.session = "made-up"
            assert " 404 " in await (await client.call(1, prompt="hello")).head()
        assert not upstream.requests


async def test_a_prompt_of_5_mb_over_http(tmp_path: Path) -> None:
    prompt = large(5_000_000, seed=3)

    models = {"m": Behaviour()}
    async with SimulatedProvider("anthropic-messages", models=models) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with serving(folders, "session") as (_, client):
            post = await client.call(1, prompt=prompt)
            assert "isError" not in str(await post.answer()).replace("'isError': False", "")
        assert [r.prompt == prompt for r in upstream.requests] == [True]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_over_http_cancels_what_runs_and_ends_the_process(
    tmp_path: Path, how: signal.Signals
) -> None:
    models = {"m": Behaviour(first_token_s=1.0)}
    async with SimulatedProvider("openai-chat", models=models, sleep=never) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with serving(folders, "session") as (process, client):
            await client.call(1, prompt="x")
            await upstream.until(lambda: upstream.in_flight == 1)
            process.send_signal(how)
            took = await asyncio.wait_for(seconds_to_exit(process), GUARD_S)
            print(f"HTTP, {how.name}: ended after {took:.3f} s")  # noqa: T201
            await upstream.until(lambda: upstream.in_flight == 0)
            assert process.stderr is not None
            assert b"CLOSED" in await process.stderr.read()
        assert [r.cancelled for r in upstream.requests] == [True]


async def test_half_a_surrogate_pair_in_a_body_costs_no_call(tmp_path: Path) -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with serving(folders, "session") as (_, client):
            post = await client.call(1, prompt="cut \ud83d here")
            assert "This is a simulated answer." in str(await post.answer())
        assert [r.prompt for r in upstream.requests] == ["cut \ufffd here"]


HALF_A_HEAD = b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nx-slow: "
HALF_A_BODY = b"POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 100\r\n\r\n{"
QUICK = """
from rightmodel.surfaces.http import connections as http
http.HEAD_S = 0.5
http.BODY_S = 0.5
http.MOST_CONNECTIONS = 8
"""


async def test_requests_that_never_end_are_closed_and_keep_no_other_client_out(
    tmp_path: Path,
) -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as upstream:
        folders = Folders(tmp_path, QUICK)
        folders.write(manifest(upstream))
        async with serving(folders, "session") as (_, client):
            halves = []
            for half in (HALF_A_HEAD, HALF_A_BODY, b"") * 10:
                reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
                client.writers.append(writer)
                writer.write(half)
                halves.append(reader)
            post = await client.call(1, prompt="an honest one")
            assert "This is a simulated answer." in str(await post.answer())
            for reader in halves:
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""


async def test_the_scheme_of_a_token_is_read_in_any_case(tmp_path: Path) -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as upstream:
        folders = Folders(tmp_path, env={"TOKEN": "t" * 16})
        folders.write(manifest(upstream))
        options = ("--token-env", "TOKEN")
        async with serving(folders, "none", *options) as (_, client):
            message = {"id": 0, "method": "initialize", "params": HELLO}
            heads = []
            for scheme in ("Bearer", "bearer", "BEARER", "Basic"):
                post = await client.post(message, authorization=f"{scheme} {'t' * 16}")
                heads.append((await post.head()).split()[1])
            assert heads == ["200", "200", "200", "401"]
