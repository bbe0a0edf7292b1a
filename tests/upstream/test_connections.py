"""What an upstream may do to a connection, byte by byte."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
import trustme
import uvloop

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.upstream import connect, http
from rightmodel.upstream.connect import Request, target_of
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import _Direct, _Response
from upstream.raw import BODY, CHUNKED, JSON, WHOLE, ask, chunked, refused, serving
from upstream.upstream import request_of

if TYPE_CHECKING:
    from pathlib import Path


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


async def test_head_and_body_leave_together_and_name_the_host() -> None:
    async with serving(WHOLE) as (script, client):
        await ask(script, client)
        head = script.requests[0].split(b"\r\n")
        assert head[0] == b"POST /v1/chat/completions HTTP/1.1"
        assert b"host: 127.0.0.1:%d" % script.port in head


@pytest.mark.parametrize("is_available", [True, False], ids=["own", "httpcore2"])
async def test_a_connection_that_is_used_again_sends_each_request_to_its_own_path(
    monkeypatch: pytest.MonkeyPatch, is_available: bool
) -> None:
    monkeypatch.setattr(http, "IS_AVAILABLE", is_available)

    async with serving(WHOLE, WHOLE) as (script, client):
        for path in ("one", "two"):
            request = request_of(f"http://127.0.0.1:{script.port}/{path}")
            await make_upstreams(client)[WireFormat.OPENAI_CHAT].complete(request)
        paths = [sent.split(b" ")[1] for sent in script.requests]
        assert paths == [b"/one/v1/chat/completions", b"/two/v1/chat/completions"]
        assert script.connections == 1


LOOPS = pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])


@LOOPS
def test_lengths_and_chunks_leave_the_connection_for_the_next_request(loop: Any) -> None:
    assert answered(WHOLE, chunked(BODY), chunked(BODY[:9], BODY[9:]), WHOLE, loop=loop) == 1


@LOOPS
def test_an_upstream_that_offers_another_protocol_keeps_its_connection(loop: Any) -> None:
    """Apache does, in every response."""
    offers = [
        script.replace(b"200 OK\r\n", b"200 OK\r\nUpgrade: h2,h2c\r\nConnection: %b\r\n" % how)
        for script in (WHOLE, chunked(BODY))
        for how in (b"Upgrade", b"Upgrade, Keep-Alive")
    ]
    assert answered(*offers, loop=loop) == 1


@LOOPS
async def test_tls_is_spoken_to_the_name_in_the_url(
    loop: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, context = trustme.CA(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async with serving(WHOLE, chunked(BODY), tls=context) as (script, client):
        for _ in range(2):
            assert (await ask(script, client, "https://localhost")).text == "ok"
        assert script.connections == 1
        with pytest.raises(ProviderError, match="certificate") as caught:
            await ask(script, client, "https://127.0.0.1")
        assert caught.value.fault is Fault.CONNECTION


@LOOPS
async def test_a_body_that_nobody_takes_waits_with_the_upstream(loop: Any) -> None:
    """A slow reader of a stream must not fill this process's memory."""
    size = 40_000_000

    async with serving(chunked(b" " * size)) as (script, client):
        target = target_of(f"http://127.0.0.1:{script.port}/")
        connection = _Direct(target.origin, None)
        response = await connection.send(Request(target, {}, b"{}"), None)
        await asyncio.sleep(0.2)  # it sends as long as somebody reads
        first = len(await response.body())
        assert first < 2_000_000
        while piece := await response.body():
            first += len(piece)
        assert first == size
        assert client is not None
        await connection.close()


async def test_an_address_that_does_not_answer_gives_way_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with serving(WHOLE) as (script, client):
        ipv4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "")

        def addresses(*_: Any, **__: Any) -> Any:
            return [(*ipv4, (host, script.port)) for host in ("127.0.0.9", "127.0.0.1")]

        monkeypatch.setattr(connect, "look_up", addresses)
        assert (await ask(script, client, "http://localhost")).text == "ok"


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
        exchange = _Response(cast("Any", Nowhere()))
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
    monkeypatch.setattr(http, "IS_AVAILABLE", False)
    assert answered(WHOLE, chunked(BODY), WHOLE) == 1
    assert failed(WHOLE[:-5]).fault is Fault.CONNECTION


async def test_an_address_that_is_slow_is_taken_where_the_next_one_is_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened, closed = connect._open, asyncio.Event()

    async def slow(*address: Any) -> socket.socket:
        if address[-1][0] == "192.0.2.1":
            try:
                await asyncio.Event().wait()  # a black hole
            finally:
                closed.set()
        await asyncio.sleep(0.1)
        return await opened(*address)

    async with serving(WHOLE) as (script, client):
        ipv4 = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
        found = [(*ipv4, (host, script.port)) for host in ("127.0.0.1", "192.0.2.1")]
        monkeypatch.setattr(connect, "NEXT_ADDRESS_S", 0.01)
        monkeypatch.setattr(connect, "_open", slow)
        monkeypatch.setattr(connect, "look_up", lambda *_: found)
        assert (await ask(script, client, "http://localhost")).text == "ok"
        await closed.wait()


async def test_a_name_whose_lookup_hangs_holds_up_no_other_host_and_no_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer, looked_up = threading.Event(), asyncio.Semaphore(0)
    loop, look_up = asyncio.get_running_loop(), connect.look_up

    def hangs(host: str, port: int, flags: int = 0) -> Any:
        if host != "slow.example" or flags:
            return look_up(host, port, flags)
        loop.call_soon_threadsafe(looked_up.release)
        answer.wait()
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(connect, "look_up", hangs)
    async with serving(WHOLE) as (script, client):
        waiting = [
            asyncio.create_task(refused(script, client, origin="http://slow.example"))
            for _ in range(40)
        ]
        for _ in waiting:
            await looked_up.acquire()
        assert (await ask(script, client, "http://localhost")).text == "ok"
        await loop.shutdown_default_executor()
        answer.set()
        assert {error.fault for error in await asyncio.gather(*waiting)} == {Fault.CONNECTION}


@pytest.mark.parametrize("code", [socket.EAI_NONAME, 8], ids=["of this system", "of macOS"])
async def test_an_unknown_host_is_named_so_whatever_number_the_system_gives_it(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """8 is also "Exec format error", which is what another call would mean by it."""

    def unknown(*_: object) -> Any:
        raise socket.gaierror(code, "Name or service not known")

    monkeypatch.setattr(connect, "look_up", unknown)
    async with serving(WHOLE) as (script, client):
        error = await refused(script, client, origin="http://unknown.example")
    assert "Name or service not known" in str(error)
