"""HTTP/1.1 client of all wire formats: POST JSON over pooled connections, hand the response on.

Two timers only: connecting ends after 10 s, and an upstream that sent its last event has a quarter
of a second to end the response. All other deadlines belong to the caller; cancelling closes the
connection. It stands on asyncio's transports and llhttp's parser: httpx2's stack parses in Python,
opens anyio's scopes around each read and write, and looks at every connection of its pool whenever
a request starts or ends. It serves where there is a proxy between, see `connect`.
"""

from __future__ import annotations

import asyncio
import select
import time
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.upstream.answer import Answer, broken
from rightmodel.upstream.connect import (
    BrokenError,
    NoConnectionError,
    Request,
    UnansweredError,
    connect,
    target_of,
    tls_context,
    why_no_connection,
)

try:
    import httptools
except ImportError:  # PyPy
    httptools = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from rightmodel.upstream.connect import Connection, Origin, Target
    from rightmodel.upstream.live import Watch
    from rightmodel.wire.request import ModelRequest

IS_AVAILABLE: Final = httptools is not None
MOST_HEAD_BYTES: Final = 100_000
MOST_BUFFERED: Final = 65_536
"""Bytes of a body that nobody has taken; beyond that the upstream waits."""
STALE_S: Final = 2.0
"""A kept-alive connection that fails later than this after sending was not stale: the upstream had
the request, and sending it again might be billed twice."""

KEEP_S: Final = 60.0
"""Seconds that an idle connection is kept; the large providers keep theirs longer."""

MOST_IDLE: Final = 128
"""Idle connections kept per origin; further ones are closed."""

MOST_URLS: Final = 1024
_ALWAYS: Final = {
    "accept": "text/event-stream, application/json",
    "accept-encoding": "identity",  # compression would delay single tokens
    "content-type": "application/json",
    "user-agent": "rightmodel",
}


class _Pool(NamedTuple):
    """The idle connections to the origin of a URL, latest used last."""

    target: Target
    idle: deque[Connection]


class HttpClient:
    """Sends requests of all wire formats. Acquiring and releasing a connection pops and pushes."""

    def __init__(self) -> None:
        self._pools: dict[str, _Pool] = {}
        self._idle: dict[Origin, deque[Connection]] = {}
        self._busy: set[Connection] = set()
        self._context: ssl.SSLContext | None = None

    async def close(self) -> None:
        """Close every connection, idle or not."""
        connections = [*self._busy, *(c for idle in self._idle.values() for c in idle)]
        self._pools.clear()
        self._idle.clear()
        self._busy.clear()
        for connection in connections:
            await connection.close()

    async def post(
        self, url: str, headers: Mapping[str, str], content: bytes, answer: Answer
    ) -> None:
        """Send the answer's request and read the response to its end. Raises `ProviderError`.

        `headers`: lower-case names; they carry the key. `content`: the JSON body.
        """
        own = _headers(answer.request, headers)
        try:
            pool = self._pools.get(url) or self._pool(url)
            connection = await self._acquire(pool)
        except Exception as error:  # a proxy without its library, certificates that are not there
            raise broken(answer.request, why_no_connection(url, error)) from error
        request = Request(pool.target, own, content)
        try:
            self._busy.add(connection)
            began = time.monotonic()
            try:
                response = await connection.send(request, answer.watch)
            except UnansweredError:
                if not connection.used or time.monotonic() - began > STALE_S:
                    raise
                # The upstream has closed a connection that was kept: replaced, once.
                self._busy.discard(connection)
                await connection.close()
                connection = self._connect(pool.target.origin)
                self._busy.add(connection)
                response = await connection.send(request, answer.watch)
            await answer.read(response)
        except NoConnectionError as error:
            where = answer.request.provider.base_url + pool.target.origin.via
            raise broken(answer.request, f"no connection to {where}{error}") from error
        except BrokenError as error:
            if not answer.decoder.finish:
                raise broken(answer.request, f"the connection broke: {error}") from error
        finally:
            self._busy.discard(connection)
            if connection.is_idle():
                await self._release(pool, connection)
            else:
                await connection.close()

    async def _acquire(self, pool: _Pool) -> Connection:
        """An idle connection, the latest used; else a new one, which connects when it sends."""
        while pool.idle:
            connection = pool.idle.pop()
            if connection.is_idle() and time.monotonic() - connection.idle_since <= KEEP_S:
                return connection
            await connection.close()
        return self._connect(pool.target.origin)

    def _connect(self, origin: Origin) -> Connection:
        is_secure = origin.secure or bool(origin.proxy)
        if is_secure and self._context is None:
            self._context = tls_context()
        context = self._context if is_secure else None
        if IS_AVAILABLE and not origin.proxy:
            return _Direct(origin, context)
        from rightmodel.upstream.httpcore_adapter import HttpcoreConnection

        return HttpcoreConnection(origin, context)

    async def _release(self, pool: _Pool, connection: Connection) -> None:
        """Return a connection to the pool; close the one that has been idle for too long."""
        idle, now = pool.idle, time.monotonic()
        connection.used, connection.idle_since = True, now
        idle.append(connection)
        if len(idle) > MOST_IDLE or now - idle[0].idle_since > KEEP_S:
            await idle.popleft().close()

    def _pool(self, url: str) -> _Pool:
        """The pool of a URL, kept for the next request."""
        if len(self._pools) >= MOST_URLS:
            self._pools.clear()
        target = target_of(url)
        idle = self._idle.setdefault(target.origin, deque())
        self._pools[url] = pool = _Pool(target, idle)
        return pool


def _headers(request: ModelRequest, headers: Mapping[str, str]) -> Mapping[str, str]:
    """All headers that the provider is sent. Raises `ProviderError` for what none may carry."""
    provider = request.provider
    own = {name.lower(): value for name, value in provider.headers.items()}
    headers = {**_ALWAYS, **own, **headers}
    values = "".join(headers.values())
    if not (values.isascii() and values.isprintable()):
        wrong = (n for n, v in headers.items() if not (v.isascii() and v.isprintable()))
        raise ProviderError(
            Fault.AUTH,
            f"{provider.name}: the key or the value of header {next(wrong)!r} holds characters "
            "that no header may carry: check for line breaks and quotes",
            provider=provider.name,
        )
    return headers


class _Direct(asyncio.Protocol):
    """A connection without a proxy between."""

    def __init__(self, origin: Origin, context: ssl.SSLContext | None) -> None:
        self._origin = origin
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._response: _Response | None = None
        self._watch: Watch | None = None
        self._is_sending = False
        self._is_lost = False
        self.used = False
        self.idle_since = 0.0

    async def send(self, request: Request, watch: Watch | None) -> _Response:
        """Head and body at once. An upstream may answer, or close, before it has read all."""
        if self._transport is None:
            await connect(self._origin, self._context, lambda: self)
        if self._is_lost or (self.used and self._has_unread()):
            raise UnansweredError("the upstream closed it, or spoke first")
        self._response = response = _Response(self)
        target = request.target
        lines = [f"{name}: {value}\r\n" for name, value in request.headers.items()]
        lines.append(f"content-length: {len(request.content)}\r\n\r\n")
        head = b"POST %b HTTP/1.1\r\nhost: %b\r\n" % (target.path, target.host)
        transport = cast("asyncio.Transport", self._transport)
        transport.write(b"".join((head, "".join(lines).encode(), request.content)))
        if self._is_sending:
            self._watch = watch
        elif watch is not None:
            watch.is_sent = True
        while not response.status:
            await response.more()
        return response

    def is_idle(self) -> bool:
        is_over = self._response is not None and self._response.is_over
        return is_over and not self._is_sending and not self._is_lost

    async def close(self) -> None:
        """As in `Connection`: what is not sent yet is of no use."""
        self._is_lost, self._watch = True, None
        if self._transport is not None:
            self._transport.abort()

    def _has_unread(self) -> bool:
        """Whether the upstream has closed it or sent more, which the event loop has yet to read."""
        if not hasattr(select, "poll"):  # Windows
            return False
        unread = select.poll()
        unread.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)  # type: ignore[union-attr]
        return bool(unread.poll(0))

    def read_on(self, *, reads: bool) -> None:
        """Go on reading, or leave what comes to the network."""
        if self._transport is not None and not self._is_lost:
            (self._transport.resume_reading if reads else self._transport.pause_reading)()

    # --- asyncio calls these ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1, low=0)

    def pause_writing(self) -> None:
        """Not all of it has left."""
        self._is_sending = True

    def resume_writing(self) -> None:
        """All of it has."""
        self._is_sending = False
        if self._watch is not None:
            self._watch.is_sent = True
            self._watch = None

    def data_received(self, data: bytes) -> None:
        """More of a response; after its end, the connection is of no use any more."""
        response = self._response
        if response is None or (response.is_complete and response.is_reusable):
            self._is_lost = True
            self._transport.abort()  # type: ignore[union-attr]  # it is connected
        else:
            response.feed(data)

    def connection_lost(self, error: Exception | None) -> None:
        """It was closed, by either side."""
        self._is_lost = True
        if self._is_sending:  # who knows how much the upstream has
            self.resume_writing()
        if self._response is not None:
            self._response.lost(error)


class _Response:
    """A response on its way in; see `connect.Response`."""

    __slots__ = (
        "_buffered", "_connection", "_error", "_has_length", "_more", "_parser", "_pieces",
        "_received", "headers", "is_complete", "is_reusable", "status",
    )  # fmt: skip

    def __init__(self, connection: _Direct) -> None:
        self._connection = connection
        self._parser = httptools.HttpResponseParser(self)
        self._received = 0
        self._buffered = 0
        self._pieces: list[bytes] = []
        self._more: asyncio.Future[None] | None = None
        self._error = ""
        self._has_length = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.is_complete = False
        self.is_reusable = False

    @property
    def is_over(self) -> bool:
        """Whether it is complete and all of it was taken, on a connection that can go on."""
        return self.is_complete and self.is_reusable and not self._pieces

    async def more(self) -> None:
        """Wait for more; what was received before an error has been taken by then."""
        if self._error:
            raise (BrokenError if self._received else UnansweredError)(self._error)
        self._more = asyncio.get_running_loop().create_future()
        await self._more

    async def body(self) -> bytes:
        while not self._pieces:
            if self.is_complete:
                return b""
            await self.more()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._buffered > MOST_BUFFERED:
            self._connection.read_on(reads=True)
        self._buffered = 0
        return data

    def feed(self, data: bytes) -> None:
        """Bytes from the network."""
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.is_reusable = False
            self._error = str(error)
        except httptools.HttpParserUpgrade:  # 101, which no one asked for; it is no parser error
            self._error = "the upstream switched to another protocol"
        if not self.status and self._received > MOST_HEAD_BYTES:
            self._error = f"a head over {MOST_HEAD_BYTES} bytes"
        self._wake()

    def lost(self, error: Exception | None) -> None:
        """The connection is closed: without a length, that ends the body."""
        self.is_reusable = False
        if error is not None:
            self._error = self._error or str(error) or type(error).__name__
        elif not self.status:
            self._error = self._error or "Server disconnected without sending a response."
        elif self._has_length:
            what = "peer closed connection without sending the whole body"
            self._error = self._error or what
        else:
            self.is_complete = True
        self._wake()

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
            self.headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """The head is complete; an informational one precedes the response's."""
        status = self._parser.get_status_code()
        if status < 200:  # noqa: PLR2004
            self.headers.clear()
        elif not self.status:
            self.status = status
            is_chunked = b"chunked" in self.headers.get(b"transfer-encoding", b"").lower()
            self._has_length = is_chunked or b"content-length" in self.headers

    def on_body(self, body: bytes) -> None:
        if self.is_complete:
            return
        self._pieces.append(body)
        before, self._buffered = self._buffered, self._buffered + len(body)
        if before <= MOST_BUFFERED < self._buffered:
            self._connection.read_on(reads=False)

    def on_message_complete(self) -> None:
        if self.status and not self.is_complete:
            self.is_complete = True
            self.is_reusable = self._parser.should_keep_alive()
