"""A real Prometheus scrapes the server, and every panel of the dashboard has its figures there."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2
import pytest

from e2e.processes import background, free_port
from e2e.setup import two_models
from rightmodel.simulator import fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.e2e

DASHBOARD: Final = Path(__file__).parents[2] / "docs" / "grafana-dashboard.json"
WITHIN_S: Final = 50
NOTHING_YET: Final = frozenset({"Saved, net"})
"""Without a baseline nothing is saved."""
CONFIG: Final = """
global: {{ scrape_interval: 1s }}
scrape_configs:
  - job_name: rightmodel
    authorization: {{ credentials: {token} }}
    static_configs: [{{ targets: ["127.0.0.1:{port}"] }}]
"""
TOKEN: Final = "a-token-of-the-operator"


@contextlib.asynccontextmanager
async def scraped(folder: Path) -> AsyncIterator[tuple[httpx2.AsyncClient, str]]:
    """A client of the server, and the address of the Prometheus that scrapes it."""
    async with two_models(folder) as setup:
        setup.provider.script("first", [fault.overloaded()])
        port, own = free_port(), free_port()
        command = [*setup.serve, "--http", f"127.0.0.1:{port}", "--token-env", "TOKEN"]
        env = setup.env | {"TOKEN": TOKEN}
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(token=TOKEN, port=port))
        program = shutil.which("prometheus")
        assert program, "prometheus is not installed. Run: make e2e"
        observer = [
            program,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{own}",
        ]
        async with (
            background(command, env=env, cwd=folder, port=port),
            background(observer, env=env, cwd=folder, port=own),
            httpx2.AsyncClient(
                base_url=f"http://127.0.0.1:{port}",
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=WITHIN_S,
            ) as client,
        ):
            yield client, f"http://127.0.0.1:{own}"


def expressions() -> list[tuple[str, str]]:
    """Title and expression of every panel, with what Grafana would fill in."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    found = []
    for panel in panels:
        for target in panel["targets"]:
            filled = target["expr"].replace("$__rate_interval", "10s").replace("$__range", "1m")
            found.append((panel["title"], filled))
    return found


async def asked(prometheus: str, expression: str) -> list[Any]:
    async with httpx2.AsyncClient(timeout=WITHIN_S) as client:
        answer = await client.get(f"{prometheus}/api/v1/query", params={"query": expression})
    body = answer.json()
    assert body["status"] == "success", (expression, body)
    return list(body["data"]["result"])


async def test_every_panel_of_the_dashboard_has_figures(tmp_path: Path) -> None:
    body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}

    async with scraped(tmp_path) as (client, prometheus):
        missing = dict(expressions())
        async with asyncio.timeout(WITHIN_S):
            while missing.keys() - NOTHING_YET:
                answer = await client.post("/v1/chat/completions", json=body)
                assert answer.status_code == 200, answer.text
                for title, expression in expressions():
                    if await asked(prometheus, expression):
                        missing.pop(title, None)
                await asyncio.sleep(0.5)  # nothing tells when Prometheus has scraped
        total = await asked(prometheus, 'rightmodel_calls_total{outcome="answered"}')
        assert sum(float(row["value"][1]) for row in total) >= 1


def test_the_figures_are_as_prometheus_wants_them(tmp_path: Path) -> None:
    async def run() -> str:
        async with scraped(tmp_path) as (client, _):
            body = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
            await client.post("/v1/chat/completions", json=body)
            return (await client.get("/metrics")).text

    text = asyncio.run(run())
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
