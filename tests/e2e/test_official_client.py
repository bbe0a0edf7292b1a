"""The official Python client: over standard input and output, and over HTTP with a token."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.session import ClientSession
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

from e2e.install import machine_env
from e2e.processes import background, free_port
from e2e.setup import (
    KEY,
    MODEL,
    PROVIDER,
    Setup,
    build,
    called,
    stdio_session,
    texts,
    two_models,
)
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.surfaces.mcp.tasks import TASK_AFTER_S
from surfaces.mcp.test_tasks import Tasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e]

TOKEN = "a-token-of-some-length"


@contextlib.asynccontextmanager
async def http_url(setup: Setup) -> AsyncIterator[str]:
    port = free_port()
    command = [*setup.serve, "--http", f"127.0.0.1:{port}", "--token-env", "RM_TOKEN"]
    env = machine_env(setup.folder) | setup.env | {"RM_TOKEN": TOKEN}
    async with background(command, env=env, cwd=setup.folder, port=port):
        yield f"http://127.0.0.1:{port}/mcp"


@contextlib.asynccontextmanager
async def http_session(url: str) -> AsyncIterator[ClientSession]:
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as http,
        streamable_http_client(url, http_client=http) as (read, write),
        ClientSession(read, write) as session,
    ):
        await session.initialize()
        yield session


async def calls_both(session: ClientSession) -> None:
    chosen = await called(session, "choose_model", task="What is six times seven?")
    completed = await called(session, "complete", prompt="What is six times seven?")
    assert chosen.structured_content is not None
    assert chosen.structured_content["model"] == "p/first"
    answer, line = texts(completed)
    assert answer == "forty-two, says first"
    assert "model=p/first" in line


async def test_both_tools_work_over_standard_input_and_output(tmp_path: Path) -> None:
    async with two_models(tmp_path) as setup:
        async with stdio_session(setup) as session:
            await calls_both(session)
        assert [r.model for r in setup.provider.requests] == ["first"]


async def test_both_tools_work_over_http_with_the_token(tmp_path: Path) -> None:
    async with (
        two_models(tmp_path) as setup,
        http_url(setup) as url,
        http_session(url) as session,
    ):
        await calls_both(session)


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN])
async def test_http_without_the_token_is_refused(tmp_path: Path, header: str) -> None:
    async with (
        two_models(tmp_path) as setup,
        http_url(setup) as url,
        httpx2.AsyncClient(timeout=30) as http,
    ):
        refused = await http.post(url, json={}, headers={"Authorization": header})
    assert refused.status_code == 401
    assert TOKEN not in refused.text


async def test_calls_at_the_same_time_over_http_do_not_mix(tmp_path: Path) -> None:
    async with (
        two_models(tmp_path) as setup,
        http_url(setup) as url,
        http_session(url) as one,
        http_session(url) as other,
    ):
        results = await asyncio.gather(
            *(called(one, "complete", prompt="hi", model="p/first") for _ in range(8)),
            *(called(other, "complete", prompt="hi", model="p/second") for _ in range(8)),
        )
    said = [texts(result)[0].rpartition(" ")[2] for result in results]
    assert said == ["first"] * 8 + ["second"] * 8


@pytest.mark.parametrize("over", ["stdio", "http"])
async def test_a_call_of_six_seconds_is_a_task_for_a_client_that_takes_tasks(
    tmp_path: Path, over: str
) -> None:
    tasks = Tasks()

    slow = Behaviour(answers="slowly", first_token_s=TASK_AFTER_S + 1)
    async with (
        SimulatedProvider(key=KEY, models={"slow": slow}) as provider,
        contextlib.AsyncExitStack() as stack,
    ):
        section = PROVIDER.format(name="p", url=provider.base_url, key_env="P_KEY")
        setup = build(tmp_path, section, MODEL.format(id="p/slow", price=1), P_KEY=KEY)
        server: Any = StdioServerParameters(
            command=setup.serve[0], args=setup.serve[1:], env=setup.env, cwd=tmp_path
        )
        if over == "http":
            url = await stack.enter_async_context(http_url(setup))
            headers = {"Authorization": f"Bearer {TOKEN}"}
            http = httpx2.AsyncClient(headers=headers, timeout=30)
            await stack.enter_async_context(http)
            server = streamable_http_client(url, http_client=http)
        async with Client(server, mode="auto", extensions=[tasks]) as client:
            result = await client.call_tool("complete", {"prompt": "hi"})
            assert texts(result)[0] == "slowly"
    assert len(tasks.created) == 1
    assert tasks.polls[0]["status"] == "working"
