"""Proxies between, which the environment names: what they answer, and what they do not."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.upstream import httpcore_adapter
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from rightmodel.wire.request import ModelRequest
from upstream.raw import WHOLE, serving
from upstream.upstream import PATIENCE_S, request_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HOST = "models.invalid"
CONNECTED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@pytest.fixture(autouse=True)
def no_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@contextlib.asynccontextmanager
async def proxied(answer: Handler) -> AsyncIterator[int]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def complete(client: HttpClient) -> str:
    provider = Provider("p", WireFormat.OPENAI_CHAT, f"https://{HOST}/v1")
    request = ModelRequest(provider, "m", request_of("").messages)
    return (await make_upstreams(client)[WireFormat.OPENAI_CHAT].complete(request)).text


async def refused() -> ProviderError:
    client = HttpClient()
    with pytest.raises(ProviderError) as caught:
        await complete(client)
    await client.close()
    assert caught.value.fault is Fault.CONNECTION
    return caught.value


async def through(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A proxy that connects to the port, whatever host it is asked for."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(CONNECTED)
    up, down = await asyncio.open_connection("127.0.0.1", port)

    async def copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65_536):
                sink.write(data)
        sink.close()

    await asyncio.gather(copy(reader, down), copy(up, writer))


@pytest.mark.parametrize("scheme", ["http://", ""])
async def test_a_proxy_may_be_named_without_a_scheme(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str
) -> None:
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(tls)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with (
        serving(WHOLE, WHOLE, tls=tls) as (server, client),
        proxied(lambda *streams: through(server.port, *streams)) as port,
    ):
        monkeypatch.setenv("https_proxy", f"{scheme}127.0.0.1:{port}")
        assert [await complete(client) for _ in range(2)] == ["ok", "ok"]
        assert server.connections == 1
        await client.close()


async def test_a_proxy_that_does_not_connect_is_given_up_like_a_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(httpcore_adapter, "CONNECT_S", 0.05)
    async with proxied(silent) as port:
        monkeypatch.setenv("https_proxy", f"http://user:word@127.0.0.1:{port}")
        error = str(await refused())
    assert f"no connection to https://{HOST}/v1 through the proxy 127.0.0.1:{port} within" in error
    assert "word" not in error


async def test_a_connection_that_closes_while_it_is_made_is_named_as_such(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CONNECTED)
        await reader.read(10)
        writer.close()

    async with proxied(leave) as port:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{port}")
        assert str(await refused()).endswith(f"127.0.0.1:{port}: the connection was closed")


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "http://[", "odd://127.0.0.1:9"])
async def test_a_proxy_that_cannot_be_used_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv("https_proxy", proxy)
    assert f"(https_proxy is {proxy})" in str(await refused())
