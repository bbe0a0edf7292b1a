"""A session of an agent whose own model is the gateway: its turns over HTTP, one line each."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from rightmodel.core.errors import RightmodelError
from rightmodel.simulator.samples import INSTRUCTIONS, TURNS, Sample
from rightmodel.simulator.simulation import result_of
from rightmodel.surfaces.cli.show.run import CALL_S, START_S, environment_of, files_in

if TYPE_CHECKING:
    from pathlib import Path

    import httpx2


ADDRESS: Final = re.compile(r"listening on (http://\S+?)/mcp")
TOOL: Final = {
    "name": "read_file",
    "description": "Read a file of the project.",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}},
}
MOST_TOKENS: Final = 8000


class Shown(NamedTuple):
    """One turn. Amounts in USD, `None` unknown; `error`: the body of a failed one."""

    label: str
    model: str
    reason: str
    cached: int
    cost_usd: Decimal | None
    saved_usd: Decimal | None
    time_s: float
    error: str = ""


@contextlib.asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[str]:
    """The address of `rightmodel serve --http` on the files of `server_stage`, a child process.

    Raises `RightmodelError`.
    """
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "rightmodel", "serve", "--http", "127.0.0.1:0", *files_in(folder)),
        env=environment_of(folder),
        cwd=folder,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield await _address(child)
    finally:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        await child.communicate()


async def _address(child: asyncio.subprocess.Process) -> str:
    assert child.stderr is not None  # noqa: S101 - it is a pipe
    output = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            while line := await child.stderr.readline():
                output += line
                if found := ADDRESS.search(line.decode(errors="replace")):
                    return found[1]
    raise RightmodelError(f"the demo's gateway did not start: {output.decode(errors='replace')}")


async def session(url: str, samples: Sequence[Sample] = TURNS) -> AsyncIterator[Shown]:
    """Every turn of one session in Anthropic's dialect, as it ends."""
    import httpx2

    messages: list[dict[str, Any]] = []
    async with httpx2.AsyncClient(base_url=url, timeout=CALL_S, trust_env=False) as client:
        for sample in samples:
            messages.append({"role": "user", "content": sample.task.prompt})
            label = sample.label
            while label:
                shown, content = await _turn(client, label, messages)
                yield shown
                messages.append({"role": "assistant", "content": content})
                calls = [block for block in content if block["type"] == "tool_use"]
                label = f"{sample.label}, on" if calls else ""
                if calls:
                    messages.append({"role": "user", "content": _results(calls, sample)})


def _results(calls: Sequence[Mapping[str, Any]], sample: Sample) -> list[dict[str, Any]]:
    text = result_of(sample)
    return [{"type": "tool_result", "tool_use_id": c["id"], "content": text} for c in calls]


async def _turn(
    client: httpx2.AsyncClient, label: str, messages: Sequence[Mapping[str, Any]]
) -> tuple[Shown, list[dict[str, Any]]]:
    body = {
        "model": "auto",
        "max_tokens": MOST_TOKENS,
        "system": INSTRUCTIONS,
        "cache_control": {"type": "ephemeral"},
        "tools": [TOOL],
        "messages": messages,
    }
    began = time.monotonic()
    answer = await client.post("/v1/messages", json=body)
    took, headers, found = time.monotonic() - began, answer.headers, answer.json()
    if not answer.is_success:
        return Shown(label, "", "", 0, None, None, took, answer.text), []
    usage = found["usage"]
    shown = Shown(
        label,
        headers["x-rightmodel-model"],
        headers["x-rightmodel-reason"],
        int(usage.get("cache_read_input_tokens") or 0),
        _amount(headers.get("x-rightmodel-cost-usd")),
        _amount(headers.get("x-rightmodel-saved-usd")),
        took,
    )
    return shown, found["content"]


def _amount(text: str | None) -> Decimal | None:
    return Decimal(text) if text and text != "unknown" else None
