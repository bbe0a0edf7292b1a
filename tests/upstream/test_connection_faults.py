"""What must not leave a connection in a state that another request would suffer from."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme
import uvloop

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.upstream import http
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from rightmodel.wire.request import ModelRequest
from upstream.raw import BODY, WHOLE, ask, chunked, refused, serving
from upstream.upstream import PATIENCE_S, request_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LARGE = "word " * 2_000_000
HALF_HEAD = b"HTTP/1.1 200 OK\r\ncontent-ty"
HALF_BODY = WHOLE[:-5]

LOOPS = pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


class Sent:
    """A watch that notes when the request has left."""

    shows_text = False
    relays = False

    def __init__(self) -> None:
        self.is_out = asyncio.Event()

    @property
    def is_sent(self) -> bool:
        return self.is_out.is_set()

    @is_sent.setter
    def is_sent(self, _: bool) -> None:
        self.is_out.set()

    def received(self, chars: int, text: str = "") -> None:
        pass

    async def relay(self, raw: bytes, events: object) -> None:
        raise AssertionError(raw, events)


@contextlib.asynccontextmanager
async def listening(answer: Any, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port of a server, which answers each connection so."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


# -- connections that were kept -------------------------------------------------------------------


@pytest.mark.parametrize("part", [HALF_HEAD, b"HTTP/1.1 100 Continue\r\n\r\n", HALF_BODY])
async def test_a_request_of_which_something_was_answered_is_not_sent_again(part: bytes) -> None:
    """The upstream may have begun to work on it, and may bill it."""
    async with serving(WHOLE, part, ends=True) as (server, client):
        assert (await ask(server, client)).text == "ok"
        error = await refused(server, client)
        assert error.fault is Fault.CONNECTION
        assert len(server.requests) == 2


async def test_an_upstream_that_speaks_while_idle_is_not_sent_the_next_request() -> None:
    late = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"

    async with serving(WHOLE) as (server, client):
        await ask(server, client)
        server.writers[0].write(late)
        await asyncio.gather(*filter(None, server.tasks))  # the client has closed it
        server.scripts.append(WHOLE)
        assert (await ask(server, client)).text == "ok"
        assert server.connections == 2


@LOOPS
async def test_a_response_that_came_before_the_request_is_not_its_answer(loop: Any) -> None:
    """Nor is one that the event loop has not read yet."""
    async with serving(WHOLE, WHOLE) as (server, client):
        await ask(server, client)
        server.writers[0].write(WHOLE.replace(b'"ok"', b'"of another request"'))
        assert (await ask(server, client)).text == "ok"
        assert (server.connections, len(server.requests)) == (2, 2)


@LOOPS
async def test_a_connection_that_was_closed_a_moment_ago_costs_no_request(loop: Any) -> None:
    async with serving(WHOLE, WHOLE) as (server, client):
        await ask(server, client)
        server.writers[0].close()
        assert (await ask(server, client)).text == "ok"
        assert (server.connections, len(server.requests)) == (2, 2)


async def test_a_header_that_cannot_be_sent_costs_no_connection() -> None:
    async with serving(WHOLE, WHOLE) as (server, client):
        await ask(server, client)
        request = request_of(f"http://127.0.0.1:{server.port}", key="sk\n")
        with pytest.raises(ProviderError):
            await make_upstreams(client)[WireFormat.OPENAI_CHAT].complete(request)
        await ask(server, client)
        assert server.connections == 1


@LOOPS
@pytest.mark.parametrize("first", [b"220 smtp\r\n", b""], ids=["speaks", "closes"])
@pytest.mark.parametrize("is_tls", [False, True], ids=["plain", "tls"])
async def test_an_upstream_that_does_not_wait_for_the_request_is_a_fault_at_once(
    loop: Any, first: bytes, is_tls: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    tls = _authority(monkeypatch, tmp_path) if is_tls else None

    async def at_once(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        writer.close()

    client = HttpClient()
    async with listening(at_once, tls) as port:
        request = request_of(f"{'https' if is_tls else 'http'}://localhost:{port}")
        for _ in range(20):
            with pytest.raises(ProviderError) as caught:
                await make_upstreams(client)[WireFormat.OPENAI_CHAT].complete(request)
            assert caught.value.fault is Fault.CONNECTION


# -- sending --------------------------------------------------------------------------------------


@LOOPS
async def test_a_request_over_tls_counts_as_sent_before_anything_is_answered(
    loop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was sent may be billed, however long the upstream thinks about it."""
    tls = _authority(monkeypatch, tmp_path)

    async with serving(WHOLE, b"", tls=tls) as (server, client):
        await ask(server, client, "https://localhost")
        watch = Sent()
        call = asyncio.create_task(ask(server, client, "https://localhost", watch=watch))
        await watch.is_out.wait()
        call.cancel()
        await asyncio.wait([call])


@LOOPS
async def test_an_upstream_that_refuses_a_large_request_without_reading_it_is_heard(
    loop: Any,
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await done.wait()
        writer.transport.abort()

    done = asyncio.Event()

    client = HttpClient()
    async with listening(refuse) as port:
        request = request_of(f"http://127.0.0.1:{port}", system=LARGE)
        with pytest.raises(ProviderError) as caught:
            await make_upstreams(client)[WireFormat.OPENAI_CHAT].complete(request)
        assert caught.value.status == 413
        assert not any(client._idle.values())  # half a request went over it
        done.set()


# -- cancelled ------------------------------------------------------------------------------------


@LOOPS
@pytest.mark.parametrize(
    "part",
    [b"", HALF_HEAD, b"HTTP/1.1 103 Early\r\n\r\n", HALF_BODY, chunked(BODY, end=b"0\r\nx: y\r\n")],
    ids=["no head", "half a head", "informational", "half a body", "half a trailer"],
)
@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept"])
async def test_a_request_that_was_cancelled_closes_its_connection(
    loop: Any, part: bytes, kept: bool
) -> None:
    scripts = (WHOLE, part, WHOLE) if kept else (part, WHOLE)
    async with serving(*scripts) as (server, client):
        if kept:
            await ask(server, client)
            await server.arrived.acquire()
        watch = Sent()
        call = asyncio.create_task(ask(server, client, watch=watch))
        await watch.is_out.wait()
        await server.arrived.acquire()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert not client._busy
        assert not any(client._idle.values())
        assert (await ask(server, client)).text == "ok"
        assert server.connections == 2


@LOOPS
async def test_a_request_that_is_cancelled_while_it_connects_leaves_no_connection(
    loop: Any,
) -> None:
    async with serving(*[WHOLE] * 100) as (server, client):
        for steps in range(40):
            call = asyncio.create_task(ask(server, client))
            for _ in range(steps):
                await asyncio.sleep(0)
            if call.done():
                break
            call.cancel()
            await asyncio.wait([call])
            assert not client._busy
            assert not any(client._idle.values())
        assert (await ask(server, client)).text == "ok"


@LOOPS
async def test_a_request_that_is_cancelled_while_it_is_sent_closes_its_connection(
    loop: Any,
) -> None:
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        begun.set()
        await cancelled.wait()
        with contextlib.suppress(ConnectionError):
            while await reader.read(1_000_000):
                pass
        ended.set()
        writer.close()

    begun, cancelled, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    client, watch = HttpClient(), Sent()
    async with listening(hold) as port:
        request = request_of(f"http://127.0.0.1:{port}", system=LARGE)
        asking = make_upstreams(client)[WireFormat.OPENAI_CHAT].complete(request, watch)
        call = asyncio.create_task(asking)
        await begun.wait()
        call.cancel()
        await asyncio.wait([call])
        cancelled.set()
        await ended.wait()
        assert not watch.is_out.is_set()
        assert not any(client._idle.values())


@LOOPS
async def test_closing_the_client_ends_the_requests_that_wait(loop: Any) -> None:
    async with serving(b"") as (server, client):
        watch = Sent()
        call = asyncio.create_task(ask(server, client, watch=watch))
        await watch.is_out.wait()
        await server.arrived.acquire()
        await client.close()
        with pytest.raises(ProviderError):
            await call


# -- where it leads -------------------------------------------------------------------------------


@pytest.mark.parametrize("is_available", [True, False], ids=["own", "httpcore2"])
async def test_an_address_of_ipv6_is_reached_and_named_in_brackets(
    monkeypatch: pytest.MonkeyPatch, is_available: bool
) -> None:
    monkeypatch.setattr(http, "IS_AVAILABLE", is_available)

    async with serving(WHOLE, host="::1") as (server, client):
        await ask(server, client, "http://[::1]")
        assert b"host: [::1]:%d\r\n" % server.port in server.requests[0]


async def test_a_proxy_that_wants_a_password_is_named_as_the_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    asked: list[bytes] = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    client = HttpClient()
    provider = Provider("p", WireFormat.OPENAI_CHAT, "https://models.invalid/v1")
    request = ModelRequest(provider, "m", request_of("").messages)
    async with listening(proxy) as port:
        monkeypatch.setenv("https_proxy", f"http://user:word@127.0.0.1:{port}")
        with pytest.raises(ProviderError, match="407 Proxy Authentication") as caught:
            await make_upstreams(client)[WireFormat.OPENAI_CHAT].complete(request)
    assert caught.value.fault is Fault.CONNECTION
    assert asked[0].startswith(b"CONNECT models.invalid:443 HTTP/1.1\r\n")
    assert b"Basic dXNlcjp3b3Jk" in asked[0]


def _authority(monkeypatch: pytest.MonkeyPatch, folder: Path) -> ssl.SSLContext:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(folder / "ca.pem"))
    return context
