"""HTTP/1.1 to an origin without a proxy between: llhttp's parser over anyio's connection.

httpcore2's own connection parses in Python, which takes twice the CPU of everything else that a
call does to the network. This one takes and returns the same objects and raises the same errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

import anyio
import httpcore2

from rightmodel.upstream.network import Network

try:
    import httptools
except ImportError:  # PyPy
    httptools = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, AsyncIterable

IS_AVAILABLE: Final = httptools is not None
READ_BYTES: Final = 65_536
MOST_HEAD_BYTES: Final = 100_000
_NETWORK: Final = Network()


class Http11Connection(httpcore2.AsyncConnectionInterface):
    """A connection for one request at a time. It connects with the first."""

    def __init__(self, origin: httpcore2.Origin, context: ssl.SSLContext) -> None:
        self._origin = origin
        self._context = context
        self._stream: httpcore2.AsyncNetworkStream | None = None
        self._is_idle = False

    async def handle_async_request(self, request: httpcore2.Request) -> httpcore2.Response:
        """Send a request; its response once the head is there. Raises httpcore2's errors."""
        self._is_idle = False
        if self._stream is None:
            self._stream = await self._connect(request)
        exchange = _Exchange(self._stream)
        try:
            await exchange.send(request)
            await exchange.receive_head()
        except BaseException:
            await self.aclose()
            raise
        body = _Body(self, exchange)
        return httpcore2.Response(exchange.status, headers=exchange.headers, content=body)

    def ended(self, *, is_reusable: bool) -> None:
        """The response has been read to its end."""
        self._is_idle = is_reusable

    def is_idle(self) -> bool:
        """Whether it can take another request."""
        return self._is_idle

    async def aclose(self) -> None:
        """Close it, also while the caller is being cancelled."""
        self._is_idle = False
        stream, self._stream = self._stream, None
        if stream is not None:
            with anyio.CancelScope(shield=True):
                await stream.aclose()

    async def _connect(self, request: httpcore2.Request) -> httpcore2.AsyncNetworkStream:
        timeout_s: float | None = request.extensions["timeout"]["connect"]
        host = self._origin.host.decode()
        stream = await _NETWORK.connect_tcp(host, self._origin.port, timeout_s)
        if self._origin.scheme != b"https":
            return stream
        return await stream.start_tls(self._context, host, timeout_s)


class _Exchange:
    """One request and its response on a connection."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream
        self._parser = httptools.HttpResponseParser(self)
        self._received = 0
        self._has_head = False
        self._has_length = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[bytes] = []
        self.is_complete = False
        self.is_reusable = False

    async def send(self, request: httpcore2.Request) -> None:
        """Send it, head and body at once.

        An upstream that closes meanwhile may have answered before: that is read then.
        """
        lines = [b"%b %b HTTP/1.1\r\n" % (request.method, request.url.target)]
        lines += [b"%b: %b\r\n" % header for header in request.headers]
        head = b"".join((*lines, b"\r\n"))
        try:
            async for chunk in cast("AsyncIterable[bytes]", request.stream):
                await self._stream.write(head + chunk)
                head = b""
        except httpcore2.WriteError:
            return

    async def receive_head(self) -> None:
        """Read up to the end of the head."""
        while not self._has_head:
            await self.receive()
            if self._received > MOST_HEAD_BYTES and not self._has_head:
                raise httpcore2.RemoteProtocolError(f"a head over {MOST_HEAD_BYTES} bytes")

    async def receive(self) -> None:
        """Read once from the connection. Raises `RemoteProtocolError`, `ReadError`."""
        data = await self._stream.read(READ_BYTES)
        if not data:
            self._end()
            return
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self.is_complete:
                raise httpcore2.RemoteProtocolError(str(error)) from error
            self.is_reusable = False

    def _end(self) -> None:
        """The upstream has closed the connection: without a length, that ends the body."""
        if not self._has_head:
            raise httpcore2.RemoteProtocolError("Server disconnected without sending a response.")
        if self._has_length:
            raise httpcore2.RemoteProtocolError("peer closed connection without the whole body")
        self.is_complete = True

    # --- the parser calls these ---

    def on_message_begin(self) -> None:
        """A response begins; after this one's end it belongs to no request."""
        if self.is_complete:
            self.is_reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header of the head, or of a trailer."""
        if not self._has_head:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete; an informational one precedes the response's."""
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004
            self.headers.clear()
        elif not self.is_complete:
            self._has_head, self.status = True, status
            names = {name.lower() for name, _ in self.headers}
            self._has_length = not names.isdisjoint({b"content-length", b"transfer-encoding"})

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self.is_complete:
            self.pieces.append(body)

    def on_message_complete(self) -> None:
        """The response is complete."""
        if self._has_head and not self.is_complete:
            self.is_complete = True
            self.is_reusable = self._parser.should_keep_alive()


class _Body:
    """The body of a response, as it arrives."""

    def __init__(self, connection: Http11Connection, exchange: _Exchange) -> None:
        self._connection = connection
        self._exchange = exchange

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        exchange = self._exchange
        try:
            while True:
                if exchange.pieces:
                    data = b"".join(exchange.pieces)
                    exchange.pieces.clear()
                    yield data
                elif exchange.is_complete:
                    return
                else:
                    await exchange.receive()
        except BaseException:
            await self._connection.aclose()
            raise

    async def aclose(self) -> None:
        """The response is no longer read."""
        exchange = self._exchange
        if exchange.is_complete and exchange.is_reusable:
            self._connection.ended(is_reusable=True)
        else:
            await self._connection.aclose()
