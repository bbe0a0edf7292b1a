"""HTTP/1.1 to an origin without a proxy between: asyncio's transports and llhttp's parser.

httpcore2's own connection parses in Python and opens anyio's scopes around each read and write: ten
times the CPU. This one takes and returns the same objects and raises the same errors.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

import httpcore2

try:
    import httptools
except ImportError:  # PyPy
    httptools = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterator

IS_AVAILABLE: Final = httptools is not None
MOST_HEAD_BYTES: Final = 100_000
MOST_BUFFERED: Final = 65_536
"""Bytes of a body that nobody has taken; beyond that the upstream waits."""
NEXT_ADDRESS_S: Final = 0.3
"""How long one of several addresses of a host has to connect before the next is tried."""


class Http11Connection(httpcore2.AsyncConnectionInterface):
    """A connection for one request at a time. It connects with the first."""

    def __init__(self, origin: httpcore2.Origin, context: ssl.SSLContext) -> None:
        self._origin = origin
        self._context = context
        self._socket: _Socket | None = None
        self._is_idle = False

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send a request; its response once the head is there. Raises httpcore2's errors."""
        self._is_idle = False
        try:
            if self._socket is None:
                self._socket = await self._connect(request.extensions["timeout"]["connect"])
            exchange = self._socket.exchange = _Exchange(self._socket)
            await self._socket.send(request)
            await exchange.head()
        except BaseException:
            self._close()
            raise
        content = _Body(self, exchange)
        return httpcore2.Response(exchange.status, headers=exchange.headers, content=content)

    def ended(self, exchange: _Exchange) -> None:
        """The response is no longer read; the connection is kept where it has ended."""
        self._is_idle = exchange.is_complete and exchange.is_reusable
        if self._is_idle and self._socket is not None:
            self._socket.exchange = None
        else:
            self._close()

    def is_idle(self) -> bool:
        """Whether it can take another request."""
        return self._is_idle and self._socket is not None and not self._socket.is_lost

    async def aclose(self) -> None:
        """Close it."""
        self._close()

    def _close(self) -> None:
        self._is_idle = False
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _connect(self, timeout_s: float) -> _Socket:
        loop, host = asyncio.get_running_loop(), self._origin.host.decode()
        context = self._context if self._origin.scheme == b"https" else None
        with _connecting():
            async with asyncio.timeout(timeout_s):
                plain = await _connected(host, self._origin.port)
                try:
                    _, made = await loop.create_connection(
                        _Socket, sock=plain, ssl=context, server_hostname=host if context else None
                    )
                except BaseException:
                    plain.close()
                    raise
        return made


@contextmanager
def _connecting() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(str(error)) from error
    except OSError as error:  # ssl's errors, and those of resolving a name, are among them
        why, code = str(error), error.errno
        if code and code in errno.errorcode and not isinstance(error, ssl.SSLError):
            why = os.strerror(code)  # without the address: messages name the base_url
        raise httpcore2.ConnectError(why) from error


async def _connected(host: str, port: int) -> socket.socket:
    """A connected socket, to the first address of the host that answers. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for number, (family, kind, protocol, _, address) in enumerate(found, 1):
        made = socket.socket(family, kind, protocol)
        try:
            made.setblocking(False)  # noqa: FBT003 - socket's
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(NEXT_ADDRESS_S if number < len(found) else None):
                await loop.sock_connect(made, address)
        except BaseException as error:
            made.close()
            if number == len(found) or not isinstance(error, OSError):  # a timeout is one
                raise
        else:
            return made
    raise OSError(f"no address for {host}")


class _Socket(asyncio.Protocol):
    """The transport's other end. `exchange`: what is under way, `None` while idle."""

    def __init__(self) -> None:
        self.exchange: _Exchange | None = None
        self.is_lost = False
        self._transport: asyncio.Transport
        self._drained: asyncio.Future[None] | None = None

    async def send(self, request: httpcore2.Request) -> None:
        """Send it, head and body at once. Returns when it has left this process.

        An upstream that closes meanwhile may have answered before: that is read then.
        """
        lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.url.target)]
        lines += [b"%b: %b\r\n" % header for header in request.headers]
        head = b"".join((*lines, b"\r\n"))
        async for chunk in cast("AsyncIterable[bytes]", request.stream):
            self._transport.write(head + chunk)
            head = b""
            if self._drained is not None:
                await self._drained

    def read_on(self, *, reads: bool) -> None:
        """Go on reading, or leave what comes to the network."""
        if not self.is_lost:
            (self._transport.resume_reading if reads else self._transport.pause_reading)()

    def close(self) -> None:
        """Close at once: what is not sent yet is of no use."""
        self.exchange = None
        self._transport.abort()

    # --- asyncio calls these ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is connected."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)

    def pause_writing(self) -> None:
        """Not all of it has left."""
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """All of it has."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def data_received(self, data: bytes) -> None:
        """More of a response; without a request, the connection is of no use any more."""
        if self.exchange is None:
            self._transport.abort()
        else:
            self.exchange.feed(data)

    def connection_lost(self, error: Exception | None) -> None:
        """It was closed, by either side."""
        self.is_lost = True
        self.resume_writing()
        if self.exchange is not None:
            self.exchange.lost(error)


class _Exchange:
    """A response on its way in."""

    def __init__(self, wire: _Socket) -> None:
        self._wire = wire
        self._parser = httptools.HttpResponseParser(self)
        self._received = 0
        self._buffered = 0
        self._pieces: list[bytes] = []
        self._more: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self._has_length = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_complete = False
        self.is_reusable = False

    async def head(self) -> None:
        """Wait for the end of the head. Raises `RemoteProtocolError`, `ReadError`."""
        while not self.status:
            await self._wait()

    async def body(self) -> bytes:
        """What has come of the body, b"" at its end. Raises as `head`."""
        while not self._pieces:
            if self.is_complete:
                return b""
            await self._wait()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._buffered > MOST_BUFFERED:
            self._wire.read_on(reads=True)
        self._buffered = 0
        return data

    def feed(self, data: bytes) -> None:
        """Bytes from the network."""
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.is_reusable = False
            self._error = httpcore2.RemoteProtocolError(str(error))
        if not self.status and self._received > MOST_HEAD_BYTES:
            self._error = httpcore2.RemoteProtocolError(f"a head over {MOST_HEAD_BYTES} bytes")
        self._wake()

    def lost(self, error: Exception | None) -> None:
        """The connection is closed: without a length, that ends the body."""
        self.is_reusable = False
        if error is not None:
            self._error = self._error or httpcore2.ReadError(str(error))
        elif not self.status:
            what = "Server disconnected without sending a response."
            self._error = self._error or httpcore2.RemoteProtocolError(what)
        elif self._has_length:
            what = "peer closed connection without sending the whole body"
            self._error = self._error or httpcore2.RemoteProtocolError(what)
        else:
            self.is_complete = True
        self._wake()

    async def _wait(self) -> None:
        """Wait for more; what was received before an error has been taken by then."""
        if self._error is not None:
            raise self._error
        self._more = asyncio.get_running_loop().create_future()
        await self._more

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    # --- the parser calls these ---

    def on_message_begin(self) -> None:
        """A response begins; after this one's end it belongs to no request."""
        self.is_reusable = self.is_reusable and not self.is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the head, or of a trailer."""
        if not self.status:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete; an informational one precedes the response's."""
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004
            self.headers.clear()
        elif not self.status:
            self.status = status
            names = {name.lower() for name, _ in self.headers}
            self._has_length = not names.isdisjoint({b"content-length", b"transfer-encoding"})

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self.is_complete:
            return
        self._pieces.append(body)
        before, self._buffered = self._buffered, self._buffered + len(body)
        if before <= MOST_BUFFERED < self._buffered:
            self._wire.read_on(reads=False)

    def on_message_complete(self) -> None:
        """The response is complete."""
        if self.status and not self.is_complete:
            self.is_complete = True
            self.is_reusable = self._parser.should_keep_alive()


class _Body:
    """The body of a response, as it arrives."""

    def __init__(self, connection: Http11Connection, exchange: _Exchange) -> None:
        self._connection = connection
        self._exchange = exchange

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        while data := await self._exchange.body():
            yield data

    async def aclose(self) -> None:
        """The response is no longer read."""
        self._connection.ended(self._exchange)
