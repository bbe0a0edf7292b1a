"""A gateway on loopback, in this process, in front of simulated providers."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx2

from rightmodel.execution.engine import App
from rightmodel.manifest.settings import Settings
from rightmodel.surfaces.http.access import Access, Origins
from rightmodel.surfaces.http.app import HttpApp
from rightmodel.surfaces.http.connections import make_server
from rightmodel.surfaces.http.listening import listen
from rightmodel.surfaces.http.mcp_app import mcp_app
from rightmodel.surfaces.http.metrics import Metrics
from rightmodel.surfaces.mcp.server import make_server as make_mcp_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from rightmodel.simulator import SimulatedProvider

GUARD_S = 20.0
"""A bound on what would otherwise hang, never a measure."""
KEY = "sk-of-the-upstream-0123456789"


@dataclass
class Gateway:
    """A running one. `http`: a client of it. `url`: without a path."""

    app: App
    url: str
    http: httpx2.AsyncClient

    async def post(self, path: str, body: object, **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if isinstance(body, bytes):
            return await self.http.post(path, content=body, headers=named)
        return await self.http.post(path, json=body, headers=named)


def manifest(
    providers: Mapping[str, SimulatedProvider], *, models: str = "", extra: str = ""
) -> str:
    """Each provider with the models that it simulates, all alike: `name/model`."""
    text = f"version = 1\n{extra}\n"
    for name, provider in providers.items():
        text += f'[providers.{name}]\nprotocol = "{provider.protocol.value}"\n'
        text += f'base_url = "{provider.base_url}"\nkey_env = "KEY"\n'
    for name, provider in providers.items():
        for model in provider.models:
            text += (
                f'[[models]]\nid = "{name}/{model}"\ncost = {{ input = 1, output = 2 }}\n'
                "limits = { context = 200000, output = 32000 }\n"
                'input = ["text", "image"]\nfeatures = ["tools", "json_schema"]\n'
                "skills = { general = 8 }\n"
            )
    return text + models


@contextlib.asynccontextmanager
async def gateway(
    folder: Path,
    text: str,
    *,
    token: str = "",
    host: str = "127.0.0.1",
    env: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Gateway]:
    """`text`: the manifest. `headers`: that its client sends."""
    path = folder / "rightmodel.toml"
    path.write_text(text)
    state = {"RIGHTMODEL_STATE_DIR": str(folder / "state"), "KEY": KEY, **(env or {})}
    settings = Settings(path, state)
    metrics = Metrics()
    app = App(settings, metrics.row)
    mcp = mcp_app(make_mcp_server(app.engine, deadline_s=None), host)
    access, origins = Access(settings, token, host), Origins(host)
    server = make_server(
        HttpApp(mcp, app.engine, settings, access=access, origins=origins, metrics=metrics)
    )
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    running = asyncio.create_task(server._serve([listener]))
    try:
        async with httpx2.AsyncClient(base_url=url, headers=headers, timeout=GUARD_S) as http:
            yield Gateway(app, url, http)
    finally:
        server.should_exit = True
        await running
        listener.close()
        await app.close()


def run(work: Any) -> None:
    """Run a test's coroutine, bounded."""
    asyncio.run(asyncio.wait_for(work, 2 * GUARD_S))
