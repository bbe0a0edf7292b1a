"""A team: two servers behind nginx, one PostgreSQL, and what happens when a part of it dies."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx2
import pytest
from mcp.client.session import ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp_types import TextContent

from e2e.nginx_server import nginx
from e2e.postgres_server import postgres
from e2e.processes import background, free_port
from e2e.setup import RIGHTMODEL
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from e2e.postgres_server import PostgresServer

pytestmark = pytest.mark.e2e

CLIENTS: Final = 200
WITHIN_S: Final = 60
TOKEN: Final = "a-token-of-the-whole-team"
MANIFEST: Final = """
version = 1
[ledger]
url = "{url}"
[privacy]
store_text = true
[budget]
per_day_usd = {budget}
[clients.team]
token_env = "TEAM_TOKEN"
[providers.p]
protocol = "openai-chat"
base_url = "{base_url}"
[[models]]
id = "p/m"
cost = {{input = 1, output = 100}}
limits = {{context = 100000, output = 1000}}
features = ["tools"]
skills = {{general = 8}}
"""


@dataclass
class Team:
    url: str
    provider: SimulatedProvider
    database: PostgresServer
    servers: list[asyncio.subprocess.Process]
    ports: list[int]

    async def ask(self, client: httpx2.AsyncClient, prompt: str, **more: Any) -> httpx2.Response:
        body = {"model": "auto", "messages": [{"role": "user", "content": prompt}], **more}
        return await client.post(f"{self.url}/v1/chat/completions", json=body)

    def calls(self) -> list[tuple[Any, ...]]:
        return self.database.ask("SELECT host, outcome, cost_usd FROM rightmodel.calls")


def http() -> httpx2.AsyncClient:
    limits = httpx2.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx2.AsyncClient(timeout=WITHIN_S, limits=limits, headers=headers)


@contextlib.asynccontextmanager
async def team(
    tmp_path: Path, behaviour: Behaviour, budget: float = 100.0, *options: str
) -> AsyncIterator[Team]:
    async with SimulatedProvider("openai-chat", models={"m": behaviour}) as provider:
        with postgres() as database:
            manifest = tmp_path / "rightmodel.toml"
            manifest.write_text(
                MANIFEST.format(url=database.url, base_url=provider.base_url, budget=budget)
            )
            ports = [free_port(), free_port()]
            async with contextlib.AsyncExitStack() as stack:
                servers = []
                for number, port in enumerate(ports):
                    home = tmp_path / f"server{number}"
                    home.mkdir()
                    env = {"HOME": str(home), "RIGHTMODEL_STATE_DIR": str(home)}
                    command = [RIGHTMODEL, "serve", "--http", f"127.0.0.1:{port}", *options]
                    servers.append(
                        await stack.enter_async_context(
                            background(
                                [*command, "--manifest", str(manifest)],
                                env=env | {"TEAM_TOKEN": TOKEN},
                                cwd=home,
                                port=port,
                            )
                        )
                    )
                url = stack.enter_context(nginx(ports))
                await answers(url)
                yield Team(url, provider, database, servers, ports)


async def answers(url: str) -> None:
    async with asyncio.timeout(WITHIN_S), httpx2.AsyncClient() as client:
        while True:
            with contextlib.suppress(httpx2.HTTPError):
                if (await client.get(f"{url}/health")).status_code == 200:
                    return
            await asyncio.sleep(0.05)


async def until(condition: Any) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110
            await asyncio.sleep(0.1)  # nothing tells when another process has written


async def test_two_hundred_clients_share_two_servers_and_every_call_is_in_one_ledger(
    tmp_path: Path,
) -> None:
    behaviour = Behaviour(answers=lambda r: f"echo {r.prompt}", first_token_s=0.2)
    async with team(tmp_path, behaviour) as t, http() as client:
        got = await asyncio.gather(*(t.ask(client, f"number {n}") for n in range(CLIENTS)))
        assert Counter(r.status_code for r in got) == {200: CLIENTS}, got[0].text
        texts = [r.json()["choices"][0]["message"]["content"] for r in got]
        assert texts == [f"echo number {n}" for n in range(CLIENTS)]
        await until(lambda: len(t.calls()) == CLIENTS)
        assert {outcome for _, outcome, _ in t.calls()} == {"answered"}


async def test_a_budget_holds_whichever_server_is_hit(tmp_path: Path) -> None:
    # The worst case of a call is a little over 0.1 USD: 1,000 tokens of output.
    async with team(tmp_path, Behaviour(answers="word " * 300), 1.0) as t, http() as client:
        got = await asyncio.gather(*(t.ask(client, f"number {n}") for n in range(60)))
        statuses = Counter(r.status_code for r in got)
        assert set(statuses) <= {200, 402, 429}  # 429: reservations may leave room yet
        assert 0 < statuses[200] < 60
        refused = {r.json()["error"]["code"] for r in got if r.status_code != 200}
        assert refused == {"budget_exhausted"}
        await until(lambda: len(t.calls()) == 60)
        spent = sum(cost or 0 for _, _, cost in t.calls())
        assert 0 < spent <= 1


async def test_a_server_that_is_killed_in_mid_call_loses_nothing_for_its_clients(
    tmp_path: Path,
) -> None:
    slow = Behaviour(answers="done", first_token_s=3.0)
    async with team(tmp_path, slow) as t, http() as client:
        jobs = [asyncio.create_task(t.ask(client, f"number {n}")) for n in range(40)]
        await t.provider.until(lambda: t.provider.in_flight == 40)
        t.servers[0].send_signal(signal.SIGKILL)
        got = await asyncio.gather(*jobs)
        assert Counter(r.status_code for r in got) == {200: 40}
        # And later calls go to the one that lives.
        assert (await t.ask(client, "after")).status_code == 200


async def complete(port: int, **arguments: str) -> list[str]:
    """Call the tool at one server, as the official client does."""
    async with (
        http() as client,
        streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=client) as streams,
        ClientSession(*streams[:2]) as session,
    ):
        await session.initialize()
        result = await session.call_tool("complete", arguments)
        return [block.text for block in result.content if isinstance(block, TextContent)]


async def test_a_pending_answer_is_collected_and_gone_on_with_at_either_server(
    tmp_path: Path,
) -> None:
    slow = Behaviour(answers=lambda r: f"echo {r.prompt}", first_token_s=9.0)
    async with team(tmp_path, slow, 100.0, "--deadline", "5") as t:
        here, there = t.ports
        pending, line = await complete(here, prompt="the question")
        assert pending.startswith("pending: ")
        ref = line.partition("ref=")[2].partition(" ")[0]
        answer, line = await complete(there, ref=ref)
        assert answer == "echo the question"
        assert f"ref={ref} " in line
        pending, line = await complete(there, ref=ref, prompt="and then?")
        assert pending.startswith("pending: ")
        ref = line.partition("ref=")[2].partition(" ")[0]
        answer, _ = await complete(here, ref=ref)
        assert answer == "echo and then?"
        sent = t.provider.requests[-1].body["messages"]
        assert [m["content"] for m in sent] == [
            "the question",
            "echo the question",
            "and then?",
        ]


async def test_a_stream_whose_server_dies_ends_and_the_next_request_is_answered(
    tmp_path: Path,
) -> None:
    slow = Behaviour(answers="word " * 400, tokens_per_s=50, chunk_tokens=1)
    async with team(tmp_path, slow) as t, http() as client:
        body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
        request = client.build_request(
            "POST", f"{t.url}/v1/chat/completions", json={**body, "stream": True}
        )
        response = await client.send(request, stream=True)
        lines = response.aiter_lines()
        first = await anext(lines)
        assert first.startswith("data: ")
        for server in t.servers[:1]:
            server.send_signal(signal.SIGKILL)
        whole = True
        try:
            got = [line async for line in lines]
            whole = "data: [DONE]" in got
        except httpx2.HTTPError:
            whole = False
        again = await t.ask(client, "again", max_tokens=5)
        assert again.status_code == 200
        # Either the other server had it, or the client is told by the broken transfer.
        assert whole or len(t.provider.requests) >= 2


async def test_the_database_restarts_in_mid_call_and_nothing_is_lost(tmp_path: Path) -> None:
    slow = Behaviour(answers="done", first_token_s=4.0)
    async with team(tmp_path, slow) as t, http() as client:
        jobs = [asyncio.create_task(t.ask(client, f"number {n}")) for n in range(20)]
        await t.provider.until(lambda: t.provider.in_flight == 20)
        await asyncio.to_thread(t.database.stop, mode="immediate")
        got = await asyncio.gather(*jobs)
        assert Counter(r.status_code for r in got) == {200: 20}
        await asyncio.to_thread(t.database.start)
        # Its rows come with the next one that is written.
        assert (await t.ask(client, "after")).status_code == 200
        await until(lambda: len(t.calls()) == 21)
