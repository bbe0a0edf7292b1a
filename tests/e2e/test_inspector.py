"""The MCP Inspector and the conformance suite of the Model Context Protocol."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from e2e.install import client, machine_env
from e2e.processes import Finished, background, free_port, run
from e2e.setup import Setup, two_models

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]


async def inspector(setup: Setup, *arguments: str) -> Finished:
    return await run(
        [client("mcp-inspector"), "--cli", *arguments],
        env=machine_env(setup.folder) | setup.env,
        cwd=setup.folder,
    )


@contextlib.asynccontextmanager
async def http_server(setup: Setup, *options: str, **env: str) -> AsyncIterator[str]:
    port = free_port()
    command = [*setup.serve, "--http", f"127.0.0.1:{port}", *options]
    async with background(
        command, env=machine_env(setup.folder) | setup.env | env, cwd=setup.folder, port=port
    ):
        yield f"http://127.0.0.1:{port}/mcp"


async def test_the_inspector_has_no_complaint_about_the_tools(tmp_path: Path) -> None:
    async with two_models(tmp_path) as setup:
        listed = await inspector(setup, *setup.serve, "--method", "tools/list", "--strict")
    assert (listed.code, listed.err) == (0, ""), str(listed)
    names = [tool["name"] for tool in json.loads(listed.out)["tools"]]
    assert names[:2] == ["complete", "choose_model"]


async def test_the_inspector_calls_complete(tmp_path: Path) -> None:
    async with two_models(tmp_path) as setup:
        called = await inspector(
            setup, *setup.serve, "--method", "tools/call",
            "--tool-name", "complete", "--tool-arg", "prompt=hi",
        )  # fmt: skip
    assert called.code == 0, str(called)
    result = json.loads(called.out)
    assert result["isError"] is False
    assert result["content"][0]["text"] == "forty-two, says first"
    assert result["_meta"]["rightmodel/receipt"]["model"] == "p/first"


async def test_the_inspector_is_let_in_over_http_with_the_token_alone(tmp_path: Path) -> None:
    async with (
        two_models(tmp_path) as setup,
        http_server(setup, "--token-env", "TOKEN", TOKEN="a-token") as url,
    ):
        ask = [url, "--transport", "http", "--method", "tools/list"]
        refused = await inspector(setup, *ask)
        listed = await inspector(setup, *ask, "--header", "Authorization: Bearer a-token")
    assert refused.code != 0, str(refused)
    assert "tools" not in refused.out
    assert listed.code == 0, str(listed)
    assert json.loads(listed.out)["tools"]


@pytest.mark.parametrize(
    "scenario",
    ["server-initialize", "ping", "tools-list", "tools-call-error", "dns-rebinding-protection"],
)
async def test_the_server_conforms(tmp_path: Path, scenario: str) -> None:
    """These apply to every server; the suite's others expect tools of their own."""
    async with two_models(tmp_path) as setup, http_server(setup) as url:
        checked = await run(
            [client("conformance"), "server", "--url", url, "--scenario", scenario],
            env=machine_env(setup.folder),
            cwd=setup.folder,
        )
    assert checked.code == 0, str(checked)
    assert "0 failed, 0 warnings" in checked.out, str(checked)
    assert "SUCCESS" in checked.out
