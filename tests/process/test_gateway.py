"""The gateway as a process: who may start it where, and a turn from end to end."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx2

from process.server_process import GUARD_S, Folders, manifest
from process.test_http import serving
from rightmodel.simulator import Behaviour, SimulatedProvider

if TYPE_CHECKING:
    from pathlib import Path

TOKEN = "a-token-of-alice-0"
CLIENTS = '[clients.alice]\ntoken_env = "ALICE"\n'
BODY = {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "hi"}]}


async def test_a_turn_of_a_client_from_end_to_end(tmp_path: Path) -> None:
    async with SimulatedProvider("anthropic-messages", models={"m": Behaviour()}) as upstream:
        folders = Folders(tmp_path, env={"ALICE": TOKEN})
        folders.write(manifest(upstream, extra=CLIENTS))
        async with (
            serving(folders, "none") as (process, client),
            httpx2.AsyncClient(timeout=GUARD_S) as http,
        ):
            url = f"http://127.0.0.1:{client.port}/v1/chat/completions"
            assert (await http.post(url, json=BODY)).status_code == 401
            headers = {"authorization": f"Bearer {TOKEN}"}
            answer = await http.post(url, json=BODY, headers=headers)
            assert answer.text.endswith("data: [DONE]\n\n")
            assert "This is a simulated answer." in answer.text
            process.terminate()
            await asyncio.wait_for(process.wait(), GUARD_S)
        command = [sys.executable, "-m", "rightmodel", "usage", "--by", "client", "--json"]
        shown = await asyncio.to_thread(
            subprocess.run,
            [*command, "--manifest", str(tmp_path / "manifest.toml")],
            env=folders.environment,
            capture_output=True,
            check=True,
        )
        rows = {row["key"]: row["answered"] for row in json.loads(shown.stdout)["by_client"]}
        assert rows == {"alice": 1}


async def test_an_open_address_needs_a_token_or_clients_with_one(tmp_path: Path) -> None:
    async def listens(env: dict[str, str], text: str) -> str:
        folders = Folders(tmp_path, env=env)
        folders.write(text)
        async with folders.process("--http", "0.0.0.0:0") as process:
            assert process.stderr is not None
            return (await asyncio.wait_for(process.stderr.readline(), GUARD_S)).decode()

    text = f"version = 1\n{CLIENTS}"
    assert "listening on" in await listens({"ALICE": TOKEN}, text)
    for env, without in (({}, text), ({"ALICE": "short"}, text), ({}, "version = 1")):
        assert "needs a token" in await listens(env, without)


def test_serving_standard_streams_loads_nothing_of_the_http_server(tmp_path: Path) -> None:
    code = """
import sys
from rightmodel.surfaces.mcp.process import UPSTREAM, load
import rightmodel.surfaces.serve
load(*UPSTREAM)
print([name for name in sys.modules if "surfaces.http" in name or name == "uvloop"])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"


async def never(_: float) -> None:
    await asyncio.Event().wait()


async def test_a_signal_ends_turns_with_an_error_that_clients_retry(tmp_path: Path) -> None:
    models = {"m": Behaviour("word " * 50, tokens_per_s=1.0)}
    async with SimulatedProvider("openai-chat", models=models, sleep=never) as upstream:
        folders = Folders(tmp_path)
        folders.write(manifest(upstream))
        async with (
            serving(folders, "none") as (process, client),
            httpx2.AsyncClient(timeout=GUARD_S) as http,
        ):
            url = f"http://127.0.0.1:{client.port}/v1/messages"
            body = {**BODY, "max_tokens": 1000}
            whole = asyncio.create_task(http.post(url, json={**body, "stream": False}))
            await upstream.until(lambda: upstream.in_flight == 1)
            async with http.stream("POST", url, json=body) as answer:
                process.terminate()
                text = (await answer.aread()).decode()
            assert text.endswith("\n\n")
            last = json.loads(text.rstrip().rpartition("data: ")[2])
            assert last["type"] == "error"
            assert "shutting down" in last["error"]["message"]
            answer = await whole
            assert (answer.status_code, answer.headers["x-should-retry"]) == (503, "true")
            await asyncio.wait_for(process.wait(), GUARD_S)
            await upstream.until(lambda: upstream.in_flight == 0)
            assert process.stderr is not None
            assert b"Traceback" not in await process.stderr.read()
        assert [request.cancelled for request in upstream.requests] == [True, True]
    rows = sqlite3.connect(folders.ledger).execute("SELECT outcome FROM calls").fetchall()
    assert rows == [("cancelled",), ("cancelled",)]
