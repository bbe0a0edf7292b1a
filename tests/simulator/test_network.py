"""Connections: kept alive, cut, reset, stalled, refused, hung up on."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import Any

import pytest

from loopback import of_unknown_authority
from rightmodel.simulator import Behaviour, SimulatedProvider, answer, fault
from simulator.raw import Client, ask, body_of, path_of

PROTOCOLS = ("openai-chat", "anthropic-messages", "gemini")
SHORT_S = 0.05


def provider_of(protocol: str = "openai-chat", **details: Any) -> SimulatedProvider:
    return SimulatedProvider(protocol, models={"m": Behaviour(chunk_tokens=1)}, **details)


async def is_silent(client: Client) -> bool:
    """Whether nothing (more) comes, although the connection is open."""
    try:
        return not await asyncio.wait_for(client.reader.read(1), SHORT_S) and False
    except TimeoutError:
        return True


async def test_a_connection_is_kept_alive_for_many_requests() -> None:
    async with provider_of() as provider:
        client = await Client.to(provider)
        for stream in (False, True) * 3:
            await client.send(path_of("openai-chat"), body_of("openai-chat", stream=stream))
            assert (await client.read()).status == 200
        await client.close()
        assert provider.connections == 1
        assert len(provider.requests) == 6


async def test_small_writes_are_sent_at_once() -> None:
    """Else each chunk of a stream would wait for the last one's acknowledgement, 40 ms and more."""
    async with provider_of() as provider:
        client = await Client.to(provider)
        await client.send(path_of("openai-chat"), body_of("openai-chat"))
        assert (await client.read()).status == 200
        (connection,) = provider._listener._open
        accepted = connection._tcp.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        await client.close()


async def test_a_client_that_asks_to_close_is_closed() -> None:
    async with provider_of() as provider:
        client = await Client.to(provider)
        headers = {"connection": "close"}
        await client.send(path_of("openai-chat"), body_of("openai-chat"), headers)
        assert (await client.read()).status == 200
        assert await client.reader.read() == b""
        await client.close()


async def test_a_chunked_request_and_expect_continue_are_understood() -> None:
    async with provider_of() as provider:
        client = await Client.to(provider)
        head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
        client.writer.write(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
        assert (await client.head()).status == 100
        half = b'{"model":"m","messages":[{"role":"user","content":"half and half"}]}'
        for piece in (half[:10], half[10:], b""):
            client.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        assert (await client.read()).status == 200
        assert provider.requests[0].prompt == "half and half"
        await client.close()


async def test_a_large_prompt_and_a_large_answer_go_through() -> None:
    async with provider_of() as provider:
        provider.script("m", [answer("y" * 200_000)])
        seen = await ask(provider, "x" * 5_000_000, max_tokens=50_000)
        assert len(provider.requests[0].prompt) == 5_000_000
        assert len(seen.json["choices"][0]["message"]["content"]) == 200_000


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", sorted(fault.STALLS))
async def test_a_stall_holds_until_the_client_hangs_up(
    name: str, protocol: str, stream: bool
) -> None:
    async with provider_of(protocol) as provider:
        provider.script("m", [fault.find(name)])
        client = await Client.to(provider)
        await client.send(path_of(protocol, stream=stream), body_of(protocol, stream=stream))
        if name == "comments_forever" and not stream:  # has no comments
            assert (await client.read()).status == 200
            await client.close()
            return
        await provider.until(lambda: provider.in_flight == 1)
        if name == "no_first_byte":
            assert await is_silent(client)
        await client.close()
        await provider.until(lambda: provider.in_flight == 0)
        assert provider.requests[-1].cancelled
        assert provider.requests[-1].fault == name


async def test_stopping_the_provider_ends_a_stall_and_is_no_cancellation() -> None:
    provider = await provider_of().start()
    provider.script("m", [fault.no_first_byte()])
    client = await Client.to(provider)
    await client.send(path_of("openai-chat"), body_of("openai-chat"))
    await provider.until(lambda: provider.in_flight == 1)
    await provider.stop()
    assert provider.in_flight == 0
    assert not provider.requests[0].cancelled
    await client.close()


async def test_a_stall_in_the_middle_comes_after_some_of_the_answer() -> None:
    async with provider_of() as provider:
        provider.script("m", [fault.stall(0.5)])
        client = await Client.to(provider)
        await client.send(path_of("openai-chat"), body_of("openai-chat", stream=True))
        assert (await client.head()).status == 200
        assert b"data: {" in await client.reader.read(1000)
        while not await is_silent(client):
            await client.reader.read(1000)
        await client.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_cut_leaves_the_body_unfinished(protocol: str, stream: bool) -> None:
    async with provider_of(protocol) as provider:
        provider.script("m", [fault.cut_in_event(), fault.clean_cut_in_event()])
        cut = await ask(provider, stream=stream)
        assert cut.cut
        assert cut.body
        clean = await ask(provider, stream=stream)
        assert not clean.cut
        assert not clean.body.endswith((b"}", b"\n"))
        assert not provider.requests[0].answered


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reset_after_the_headers_shows_the_headers(stream: bool) -> None:
    async with provider_of() as provider:
        provider.script("m", [fault.reset_after_headers()])
        client = await Client.to(provider)
        await client.send(path_of("openai-chat"), body_of("openai-chat", stream=stream))
        with pytest.raises(ConnectionResetError):
            await client.reader.read(-1)
        await client.close()
        assert provider.requests[0].status == 200


async def test_a_stale_connection_answers_once_and_then_never() -> None:
    async with provider_of() as provider:
        provider.script("m", [fault.stale_connection()])
        client = await Client.to(provider)
        await client.send(path_of("openai-chat"), body_of("openai-chat"))
        assert (await client.read()).status == 200
        await client.send(path_of("openai-chat"), body_of("openai-chat", "again"))
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.read()
        await client.close()
        assert (await ask(provider, "again")).status == 200
        first, dropped, retried = provider.requests
        assert (first.answered, dropped.answered, retried.answered) == (True, False, True)
        assert dropped.prompt == "again"


async def test_a_connection_closed_after_the_answer_says_nothing_before() -> None:
    async with provider_of() as provider:
        provider.script("m", [fault.closed_after_answer()])
        client = await Client.to(provider)
        await client.send(path_of("openai-chat"), body_of("openai-chat"))
        seen = await client.read()
        assert seen.status == 200
        assert "connection" not in seen.headers
        assert await client.reader.read() == b""
        await client.close()


async def test_refused_means_that_the_port_is_closed_until_healed() -> None:
    async with provider_of() as provider:
        kept = await Client.to(provider)
        await kept.send(path_of("openai-chat"), body_of("openai-chat"))
        await kept.read()
        port = provider.port
        provider.fail_all(fault.refused())
        for _ in range(2):
            with pytest.raises(ConnectionRefusedError):
                await Client.to(provider)
        with pytest.raises(ConnectionResetError):
            await kept.reader.read()
        await kept.close()
        provider.heal()
        assert (await ask(provider)).status == 200
        assert provider.port == port


async def test_a_redirect_points_elsewhere() -> None:
    async with provider_of() as provider:
        provider.script("m", [fault.redirect("https://elsewhere.invalid/v1", 308)])
        seen = await ask(provider)
    assert (seen.status, seen.headers["location"]) == (308, "https://elsewhere.invalid/v1")


async def test_only_a_client_configured_to_trusts_the_certificate() -> None:
    async with provider_of(tls=of_unknown_authority()) as provider:
        assert provider.base_url.startswith("https://127.0.0.1:")
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(
                "127.0.0.1", provider.port, ssl=ssl.create_default_context()
            )
        careless = ssl.create_default_context()
        careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
        streams = await asyncio.open_connection("127.0.0.1", provider.port, ssl=careless)
        client = Client(*streams)
        await client.send(path_of("openai-chat"), body_of("openai-chat"))
        assert (await client.read()).status == 200
        await client.close()


async def test_a_port_without_tls_fails_the_handshake() -> None:
    async with provider_of() as provider:
        assert provider.base_url.startswith("http://")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.wait_for(
                asyncio.open_connection(
                    "127.0.0.1", provider.port, ssl=ssl.create_default_context()
                ),
                5,
            )


@pytest.mark.parametrize("name", ["reset_at_once", "closed_unanswered", "refused"])
async def test_no_byte_of_an_answer(name: str) -> None:
    async with provider_of() as provider:
        provider.script("m", [fault.find(name)])
        client = await Client.to(provider)
        await client.send(path_of("openai-chat"), body_of("openai-chat"))
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.head()
        await client.close()
        assert provider.requests[0].status == 0
        assert not provider.requests[0].cancelled


async def test_two_hundred_calls_at_once_are_all_in_flight() -> None:
    async with provider_of() as provider:
        provider.fail_all(fault.no_first_event())
        tasks = [asyncio.ensure_future(ask(provider)) for _ in range(200)]
        await provider.until(lambda: provider.in_flight == 200)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await provider.until(lambda: provider.in_flight == 0)
        assert provider.most_in_flight == 200
        assert all(request.cancelled for request in provider.requests)


async def test_it_is_fast() -> None:
    async with provider_of() as provider:
        client = await Client.to(provider)
        started = time.perf_counter()
        for _ in range(1000):
            await client.send(path_of("openai-chat"), body_of("openai-chat"))
            await client.read()
        await client.close()
        assert (time.perf_counter() - started) < 5


async def test_the_pace_is_kept_by_the_clock_that_was_handed_in() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))

    slow = Behaviour("12345678" * 2, tokens_per_s=10, first_token_s=2, chunk_tokens=1)
    thinking = Behaviour("1234", tokens_per_s=10, first_token_s=2, reasoning_tokens=30)
    models = {"m": slow, "n": thinking}
    async with SimulatedProvider("openai-chat", models=models, sleep=sleep) as provider:
        await ask(provider, stream=True)
        assert slept == [2, 0.1, 0.1, 0.1, 0.1]
        slept.clear()
        await ask(provider)
        assert slept == [2.4]
        slept.clear()
        await ask(provider, model="n", stream=True)
        assert slept == [5.0, 0.1]
        slept.clear()
        provider.script("m", [fault.late(7, fault.overloaded())])
        assert (await ask(provider)).status == 503
        assert slept == [7]


async def test_hanging_up_on_everyone_is_not_the_clients_doing() -> None:
    async with provider_of() as provider:
        provider.script("m", [fault.no_first_byte()])
        client = await Client.to(provider)
        await client.send(path_of("openai-chat"), body_of("openai-chat"))
        await provider.until(lambda: provider.in_flight == 1)
        provider.hang_up()
        with pytest.raises(ConnectionResetError):
            await client.reader.read()
        await client.close()
        await provider.until(lambda: provider.in_flight == 0)
        assert not provider.requests[0].cancelled
