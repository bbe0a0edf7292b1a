"""What an upstream may do to a connection, byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING, Any, cast

import httpcore2
import pytest
import trustme
import uvloop

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.upstream import http11
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from rightmodel.upstream.http11 import Http11Connection, _Exchange
from upstream.upstream import PATIENCE_S, request_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator
    from pathlib import Path

    from rightmodel.core.call import Completion

BODY = (
    b'{"id":"c","model":"m","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"content":"ok"}}]}'
)
JSON = b"content-type: application/json\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (JSON, len(BODY), BODY)
CHUNKED = b"HTTP/1.1 200 OK\r\n%btransfer-encoding: chunked\r\n\r\n" % JSON


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in pieces) + end


class Bytes:
    """A server that answers every request with the next script, then closes where told to."""

    def __init__(self, *scripts: bytes, closes: bool) -> None:
        self.scripts = list(scripts)
        self.closes = closes
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0
        self.tasks: set[asyncio.Task[None] | None] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while self.scripts:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().split(b"content-length:")[1].split()[0]
                self.requests.append(head + await reader.readexactly(int(length)))
                writer.write(self.scripts.pop(0))
                await writer.drain()
                if self.closes:
                    break
            else:
                await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(
    *scripts: bytes, closes: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Bytes, HttpClient]]:
    script, client = Bytes(*scripts, closes=closes), HttpClient()
    server = await asyncio.start_server(script.answer, "127.0.0.1", 0, ssl=tls)
    script.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield script, client
    finally:
        await client.close()
        server.close()
        await asyncio.gather(*(task for task in script.tasks if task))


async def ask(script: Bytes, client: HttpClient, origin: str = "http://127.0.0.1") -> Completion:
    request = request_of(f"{origin}:{script.port}")
    return await make_upstreams(client)[WireFormat.OPENAI_CHAT].complete(request)


def answered(*scripts: bytes, closes: bool = False, loop: Any = None) -> int:
    """The connections that so many good answers take."""

    async def test() -> int:
        async with serving(*scripts, closes=closes) as (script, client):
            for _ in range(len(scripts)):
                assert (await ask(script, client)).text == "ok"
            return script.connections

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(test())


def failed(script: bytes, *, closes: bool = True) -> ProviderError:
    async def test() -> ProviderError:
        async with serving(script, closes=closes) as (server, client):
            with pytest.raises(ProviderError) as caught:
                await ask(server, client)
            return caught.value

    return asyncio.run(test())


def test_head_and_body_leave_together_and_name_the_host() -> None:
    async def test() -> None:
        async with serving(WHOLE) as (script, client):
            await ask(script, client)
            head = script.requests[0].split(b"\r\n")
            assert head[0] == b"POST /v1/chat/completions HTTP/1.1"
            assert b"host: 127.0.0.1:%d" % script.port in head

    asyncio.run(test())


LOOPS = pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


@LOOPS
def test_lengths_and_chunks_leave_the_connection_for_the_next_request(loop: Any) -> None:
    assert answered(WHOLE, chunked(BODY), chunked(BODY[:9], BODY[9:]), WHOLE, loop=loop) == 1


@LOOPS
def test_tls_is_spoken_to_the_name_in_the_url(
    loop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def test() -> None:
        async with serving(WHOLE, chunked(BODY), tls=context) as (script, client):
            for _ in range(2):
                assert (await ask(script, client, "https://localhost")).text == "ok"
            assert script.connections == 1
            with pytest.raises(ProviderError, match="certificate") as caught:
                await ask(script, client, "https://127.0.0.1")
            assert caught.value.fault is Fault.CONNECTION

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(test())


@LOOPS
def test_a_body_that_nobody_takes_waits_with_the_upstream(loop: Any) -> None:
    """A slow reader of a stream must not fill this process's memory."""
    size = 40_000_000

    async def test() -> None:
        async with serving(chunked(b" " * size)) as (script, client):
            connection = Http11Connection(
                httpcore2.Origin(b"http", b"127.0.0.1", script.port), ssl.create_default_context()
            )
            request = httpcore2.Request(
                b"POST",
                f"http://127.0.0.1:{script.port}/",
                headers=[(b"content-length", b"2")],
                content=b"{}",
                extensions={"timeout": {"connect": 5.0}},
            )
            response = await connection.handle_async_request(request)
            pieces = aiter(cast("AsyncIterable[bytes]", response.stream))
            await asyncio.sleep(0.2)  # it sends as long as somebody reads
            first = await anext(pieces)
            assert len(first) < 2_000_000
            assert len(first) + sum([len(piece) async for piece in pieces]) == size
            assert client is not None
            await response.aclose()
            await connection.aclose()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(test())


def test_an_address_that_does_not_answer_gives_way_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test() -> None:
        async with serving(WHOLE) as (script, client):
            loop = asyncio.get_running_loop()
            ipv4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "")

            async def addresses(*_: Any, **__: Any) -> Any:
                return [(*ipv4, (host, script.port)) for host in ("127.0.0.9", "127.0.0.1")]

            monkeypatch.setattr(loop, "getaddrinfo", addresses)
            assert (await ask(script, client, "http://localhost")).text == "ok"

    asyncio.run(test())


def test_a_trailer_is_no_header_and_no_body() -> None:
    assert answered(chunked(BODY, end=b"0\r\nx-sum: 7\r\n\r\n"), WHOLE) == 1


def test_an_extension_of_a_chunk_is_no_body() -> None:
    extended = CHUNKED + b"%x;sum=7\r\n%b\r\n0;last\r\n\r\n" % (len(BODY), BODY)
    assert answered(extended, WHOLE) == 1


@pytest.mark.parametrize(
    "script",
    [
        WHOLE,
        chunked(BODY[:9], BODY[9:], end=b"0\r\nx-sum: 7\r\n\r\n"),
        b"HTTP/1.1 100 Continue\r\n\r\n" + WHOLE,
    ],
    ids=["length", "chunks", "informational"],
)
def test_a_response_may_be_cut_anywhere_on_its_way(script: bytes) -> None:
    class Nowhere:
        def read_on(self, *, reads: bool) -> None:
            raise AssertionError(reads)

    for cut in range(1, len(script)):
        exchange = _Exchange(cast("Any", Nowhere()))
        exchange.feed(script[:cut])
        assert not exchange.is_complete
        exchange.feed(script[cut:])
        assert (exchange.status, exchange.is_complete, exchange.is_reusable) == (200, True, True)
        assert asyncio.run(exchange.body()) == BODY


@pytest.mark.parametrize("status", [b"100 Continue", b"103 Early Hints"])
def test_what_comes_before_the_response_is_passed_over(status: bytes) -> None:
    early = b"HTTP/1.1 %b\r\nlink: </x>; rel=preload\r\n\r\n" % status
    assert answered(early + WHOLE, WHOLE) == 1


def test_a_response_without_a_length_lasts_to_the_end_of_the_connection() -> None:
    until_closed = b"HTTP/1.1 200 OK\r\n%b\r\n%b" % (JSON, BODY)
    assert answered(until_closed, until_closed, closes=True) == 2


def test_a_connection_that_is_to_be_closed_is_not_used_again() -> None:
    closing = WHOLE.replace(b"200 OK\r\n", b"200 OK\r\nconnection: close\r\n")
    assert answered(closing, WHOLE) == 2


def test_bytes_after_the_response_belong_to_no_request() -> None:
    assert answered(WHOLE + WHOLE, WHOLE) == 2
    assert answered(WHOLE + b"\x00nonsense", WHOLE) == 2


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-ty",
        WHOLE[:-5],
        chunked(BODY[:20], end=b""),
        chunked(BODY[:20], end=b"zz\r\n"),
        b"220 smtp.example.com ESMTP\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x-more: 1234567890\r\n" * 10_000,
    ],
    ids=["nothing", "half head", "half body", "no end", "bad chunk", "smtp", "length", "long head"],
)
def test_what_is_not_a_whole_response_is_a_fault_of_the_connection(script: bytes) -> None:
    assert failed(script).fault is Fault.CONNECTION


def test_an_upstream_that_refuses_before_it_has_read_all_is_heard() -> None:
    refusal = b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno"
    assert failed(refusal).status == 413


def test_without_its_parser_the_pool_below_httpx2_does_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http11, "IS_AVAILABLE", False)
    assert answered(WHOLE, chunked(BODY), WHOLE) == 1
    assert failed(WHOLE[:-5]).fault is Fault.CONNECTION
