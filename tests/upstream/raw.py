"""A server of raw bytes on loopback, and a client of it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.errors import ProviderError
from rightmodel.core.task import Message, WireFormat
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from upstream.upstream import PATIENCE_S, request_of

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from rightmodel.core.call import Completion
    from rightmodel.upstream.live import Watch

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
    """A server that answers every request with the next script, then closes where told to.

    `closes`: after each script; `ends`: after the last one. `arrived`: released by each request.
    """

    def __init__(self, *scripts: bytes, closes: bool, ends: bool) -> None:
        self.scripts = list(scripts)
        self.closes = closes
        self.ends = ends
        self.arrived = asyncio.Semaphore(0)
        self.writers: list[asyncio.StreamWriter] = []
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0
        self.tasks: set[asyncio.Task[None] | None] = set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while self.scripts:
                head = await reader.readuntil(b"\r\n\r\n")
                length = head.lower().split(b"content-length:")[1].split()[0]
                self.requests.append(head + await reader.readexactly(int(length)))
                self.arrived.release()
                writer.write(self.scripts.pop(0))
                await writer.drain()
                if self.closes or (self.ends and not self.scripts):
                    break
            else:
                await reader.read()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def serving(
    *scripts: bytes,
    closes: bool = False,
    ends: bool = False,
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
) -> AsyncIterator[tuple[Bytes, HttpClient]]:
    script, client = Bytes(*scripts, closes=closes, ends=ends), HttpClient()
    server = await asyncio.start_server(script.answer, host, 0, ssl=tls)
    script.port = server.sockets[0].getsockname()[1]
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield script, client
    finally:
        await client.close()
        server.close()
        await asyncio.gather(*(task for task in script.tasks if task))


async def ask(
    script: Bytes,
    client: HttpClient,
    origin: str = "http://127.0.0.1",
    *,
    prompt: str = "hi",
    watch: Watch | None = None,
) -> Completion:
    request = request_of(f"{origin}:{script.port}", messages=(Message.of("user", prompt),))
    return await make_upstreams(client)[WireFormat.OPENAI_CHAT].complete(request, watch)


async def refused(script: Bytes, client: HttpClient, **asked: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await ask(script, client, **asked)
    return caught.value
