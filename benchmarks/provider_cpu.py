"""CPU and Python calls of one upstream call through the provider layer, beside raw httpx2.

    python benchmarks/provider_cpu.py [--repeats 7] [--json]

Both POST the same body to a server on loopback in another process and read the same streamed
answer of 23 events. `raw` is `httpx2.AsyncClient.stream` without a bound on connections, reading
the bytes and no more. Repetitions are interleaved; the medians are shown. In flight: as many
workers as that, each with its next call as soon as the last one is over.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import resource
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx2

from rightmodel.core.task import Message, WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Call = Callable[[], Awaitable[object]]

PROMPT: Final = "Summarise the following in one sentence. " + "lorem ipsum " * 60
CALLS: Final = {1: 200, 16: 640, 1000: 3000}
MOST_CALLS: Final = 700
MOST_RATIO: Final = 0.5
MOST_GROWTH: Final = 2.0


def _chunk(text: str = "", finish: str | None = None) -> bytes:
    delta = {"content": text} if text else {}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return _event({"choices": choices})


def _event(more: dict[str, object]) -> bytes:
    head = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return b"data: " + json.dumps({**head, **more}).encode() + b"\n\n"


USAGE: Final = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
EVENTS: Final = (
    *(_chunk(f"word{i} ") for i in range(20)),
    _chunk(finish="stop"),
    _event({"choices": [], "usage": USAGE}),
    b"data: [DONE]\n\n",
)


async def _serve() -> None:
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
        b"transfer-encoding: chunked\r\ncache-control: no-cache\r\nx-request-id: r-1\r\n\r\n"
    )
    writes = [
        b"".join(b"%x\r\n%s\r\n" % (len(e), e) for e in EVENTS[i : i + 6]) for i in (0, 6, 12)
    ]
    writes.append(b"".join(b"%x\r\n%s\r\n" % (len(e), e) for e in EVENTS[18:]) + b"0\r\n\r\n")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                asked = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(asked.split(b"content-length:")[1].split()[0]))
                writer.write(head)
                for part in writes:
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=2048)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


@contextmanager
def served() -> Iterator[str]:
    """The base URL of the server, in a process of its own."""
    with subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        finally:
            server.terminate()


def _candidates(base: str, client: HttpClient, raw: httpx2.AsyncClient) -> dict[str, Call]:
    provider = Provider("bench", WireFormat.OPENAI_CHAT, base)
    chat = make_upstreams(client)[WireFormat.OPENAI_CHAT]
    request = ModelRequest(
        provider, "m", (Message.of("user", PROMPT),), key="sk-bench", max_output_tokens=500
    )
    body = json.dumps(
        {
            "model": "m",
            "messages": [{"role": "user", "content": PROMPT}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_tokens": 500,
        }
    ).encode()
    headers = {"content-type": "application/json", "authorization": "Bearer sk-bench"}

    async def raw_call() -> int:
        url = f"{base}/chat/completions"
        async with raw.stream("POST", url, headers=headers, content=body) as response:
            return sum([len(chunk) async for chunk in response.aiter_bytes()])

    async def provider_call() -> str:
        return (await chat.complete(request)).text

    return {"raw httpx2": raw_call, "openai_chat.complete": provider_call}


async def _python_calls(call: Call, times: int = 20) -> float:
    counted = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal counted
        counted += event == "call"

    for _ in range(3):
        await call()
    sys.setprofile(count)
    for _ in range(times):
        await call()
    sys.setprofile(None)
    return counted / times


async def _cpu_us(call: Call, in_flight: int) -> float:
    total = CALLS[in_flight]
    left = iter(range(total))

    async def work() -> None:
        for _ in left:
            await call()

    gc.collect()
    began = time.process_time()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return (time.process_time() - began) / total * 1e6


async def _measure(base: str, repeats: int) -> dict[str, dict[str, float]]:
    client = HttpClient()
    raw = httpx2.AsyncClient(
        timeout=httpx2.Timeout(None, connect=10.0),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=None),
    )
    found: dict[str, dict[str, float]] = {}
    try:
        calls = _candidates(base, client, raw)
        for name, call in calls.items():
            found[name] = {"calls": await _python_calls(call)}
        for in_flight in CALLS:
            taken: dict[str, list[float]] = {name: [] for name in calls}
            for _ in range(repeats):
                for name, call in calls.items():
                    taken[name].append(await _cpu_us(call, in_flight))
            for name, times in taken.items():
                found[name][f"us@{in_flight}"] = statistics.median(times)
    finally:
        await client.close()
        await raw.aclose()
    return found


def _show(found: dict[str, dict[str, float]]) -> None:
    print(
        f"{'':22}{'Python calls':>13}" + "".join(f"{f'µs @{n}':>11}" for n in CALLS) + "   growth"
    )
    for name, figures in found.items():
        growth = figures["us@1000"] / figures["us@16"]
        cells = "".join(f"{figures[f'us@{n}']:>11.0f}" for n in CALLS)
        print(f"{name:22}{figures['calls']:>13.0f}{cells}{growth:>8.2f}x")
    raw, own = found["raw httpx2"], found["openai_chat.complete"]
    for what, value, most in (
        ("Python calls", own["calls"], MOST_CALLS),
        ("CPU against raw, one call at a time", own["us@1"] / raw["us@1"], MOST_RATIO),
        ("CPU against raw, 16 in flight", own["us@16"] / raw["us@16"], MOST_RATIO),
        ("CPU at 1,000 in flight against 16", own["us@1000"] / own["us@16"], MOST_GROWTH),
    ):
        print(f"{'ok  ' if value <= most else 'FAIL'} {what}: {value:.4g} (at most {most})")


def main() -> None:
    """Start the server, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 20_000), most))
    if options.serve:
        asyncio.run(_serve())
        return
    with served() as base:
        found = asyncio.run(_measure(base, options.repeats))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        _show(found)


if __name__ == "__main__":
    main()
