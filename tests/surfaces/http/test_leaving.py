"""Clients that wait, leave, or stop reading in the middle of a stream."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, cast

import pytest

from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.surfaces.http import connections, stream
from surfaces.http.gateway import KEY, gateway, manifest
from surfaces.http.test_turns import BODIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from surfaces.http.gateway import Gateway


async def open_stream(
    gw: Gateway, dialect: str, *, stream: bool = True, limit: int = 65_536, **more: object
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request on a connection of its own. `limit`: bytes that are read ahead."""
    host, _, port = gw.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=limit)
    path, body = BODIES[dialect]
    content = json.dumps({**body, "stream": stream, **more}).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {len(content)}\r\n\r\n"
    writer.write(head.encode() + content)
    return reader, writer


async def never(_: float) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("streams", [True, False])
@pytest.mark.parametrize("protocol", ["openai-chat", "anthropic-messages"])
async def test_a_client_that_leaves_ends_the_upstreams_request(
    tmp_path: Path, protocol: str, *, streams: bool
) -> None:
    models = {"m": Behaviour("word " * 50, tokens_per_s=1.0)}
    async with (
        SimulatedProvider(protocol, key=KEY, models=models, sleep=never) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        _, writer = await open_stream(gw, "openai-chat", stream=streams)
        await up.until(lambda: up.in_flight == 1)
        writer.close()
        await up.until(lambda: up.in_flight == 0)
        assert [request.cancelled for request in up.requests] == [True]
        engine = await gw.app.engine()
        await asyncio.wait_for(_until(lambda: engine.health.in_flight == 0), 5)
        text = (await gw.http.get("/metrics")).text
        assert 'rightmodel_calls_total{client="http",model="",outcome="cancelled"} 1' in text
        assert 'rightmodel_breaker_open{provider="p",model="p/m"} 0' in text


async def test_a_client_that_leaves_after_a_large_body_is_noticed(tmp_path: Path) -> None:
    """The server stops reading while a large body waits."""
    models = {"m": Behaviour("word " * 50, tokens_per_s=1.0)}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models, sleep=never) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        _, writer = await open_stream(gw, "openai-chat", user="x" * 300_000)
        await up.until(lambda: up.in_flight == 1)
        writer.close()
        await up.until(lambda: up.in_flight == 0)


async def _until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - the engine has no event for it
        await asyncio.sleep(0.01)


async def test_a_client_that_reads_nothing_is_let_go_and_no_provider_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "WRITE_S", 0.3)

    models = {"m": Behaviour("word " * 1_000_000, chunk_tokens=500)}
    up = SimulatedProvider("openai-chat", key=KEY, models=models)
    async with up, gateway(tmp_path, manifest({"p": up})) as gw:
        _, writer = await open_stream(gw, "openai-responses", limit=1024)
        await up.until(lambda: up.in_flight == 1)
        await up.until(lambda: up.in_flight == 0)
        writer.close()
        engine = await gw.app.engine()
        await asyncio.wait_for(_until(lambda: engine.health.in_flight == 0), 5)
        shown = (await gw.http.get("/metrics")).text
        assert 'model="",outcome="cancelled"} 1' in shown
        assert 'rightmodel_breaker_open{provider="p",model="p/m"} 0' in shown


@pytest.mark.parametrize(
    ("dialect", "beat"),
    [
        ("openai-chat", b": keep-alive\n\n"),
        ("openai-responses", b": keep-alive\n\n"),
        ("anthropic-messages", b'event: ping\ndata: {"type":"ping"}\n\n'),
    ],
)
async def test_a_client_that_waits_for_the_first_event_is_kept_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dialect: str, beat: bytes
) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 0.05)

    release = asyncio.Event()

    async def held(_: float) -> None:
        await release.wait()

    models = {"m": Behaviour(first_token_s=1.0)}
    async with (
        SimulatedProvider("gemini", key=KEY, models=models, sleep=held) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        reader, writer = await open_stream(gw, dialect)
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
        for _ in range(2):
            await reader.readuntil(beat)
        release.set()
        await reader.readuntil(b"simulated answer")
        writer.close()


async def test_an_error_after_a_keep_alive_is_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "KEEP_ALIVE_S", 0.05)

    once = "[routing]\nmax_attempts = 1\ndeadline_s = 1\ngive_up_s = 1\n"
    models = {"m": Behaviour(first_token_s=1.0)}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models, sleep=never) as up,
        gateway(tmp_path, manifest({"p": up}, extra=once)) as gw,
    ):
        path, body = BODIES["anthropic-messages"]
        answer = await gw.post(path, {**body, "stream": True})
        assert answer.status_code == 200
        *_, last = [line for line in answer.text.split("\n") if line.startswith("data: ")]
        error = json.loads(last.removeprefix("data: "))
        assert error["type"] == "error"
        assert "no first token" in error["error"]["message"]


@pytest.mark.parametrize("apart", [False, True])
async def test_an_offer_of_another_protocol_is_passed_over(tmp_path: Path, *, apart: bool) -> None:
    """Java's HttpClient offers HTTP/2 with its first request, and sends its body apart."""
    path, body = BODIES["openai-chat"]
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nconnection: Upgrade, HTTP2-Settings\r\nhost: 127.0.0.1\r\n"
        f"content-length: {len(content)}\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABk\r\n"
        "Upgrade: h2c\r\n\r\n"
    ).encode()
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):
        host, _, port = gw.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head)
        if apart:
            await asyncio.sleep(0.05)
        writer.write(content)
        assert b" 200 " in await reader.readuntil(b"\r\n")
        writer.close()


class Written:
    """A transport that keeps what each write sends."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.writes.append(b"".join(pieces))

    def close(self) -> None:
        self.writes.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.writes


async def test_the_head_of_a_response_leaves_with_the_body_behind_it_or_alone() -> None:
    sent = Written()
    transport = connections._OneWrite(cast("asyncio.Transport", sent))
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    transport.write(b"body")
    transport.write(b"more")
    transport.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await asyncio.sleep(0)
    transport.write(b"late")
    transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    transport.close()
    assert sent.writes == [
        b"HTTP/1.1 200 OK\r\n\r\nbody",
        b"more",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"late",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"closed",
    ]
