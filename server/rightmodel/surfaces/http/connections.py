"""The server's bounds on connections and on how long a request may take to arrive."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING, Any, Final, cast

from rightmodel.surfaces.mcp.shutdown import CLOSE_S

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import uvicorn
    from starlette.types import ASGIApp, Receive, Scope, Send

HEAD_S: Final = 10.0
"""Until the head of a request is complete."""
BODY_S: Final = 30.0
"""Between two pieces of a request's body."""
WRITE_S: Final = 60.0
"""A client that reads nothing of a response for so long is gone."""
MOST_CONNECTIONS: Final = 2048
"""Open at once: every stream is one."""
CONNECTION: Final = "rightmodel.connection"
"""Where the ASGI scope holds the `Guard` of the connection that a request came on."""
_HEAD_END: Final = b"\r\n\r\n"
_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_UNAVAILABLE: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)


def make_server(app: ASGIApp) -> uvicorn.Server:
    """The application behind these bounds; `serve(sockets=[…])` runs it."""
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    most = most_connections()
    config = uvicorn.Config(
        app,
        # Any factory will do, whatever its annotation says.
        http=Connections(most, AutoHTTPProtocol).protocol,  # type: ignore[arg-type]
        ws="none",
        backlog=min(1024, most),
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=round(CLOSE_S),
    )
    return uvicorn.Server(config)


def most_connections() -> int:
    """At most `MOST_CONNECTIONS`, or half of the files that the process may open.

    Raises the process's limit towards the one it may set itself: a stream needs a file for its
    client and one for its upstream.
    """
    try:
        import resource
    except ImportError:  # Windows
        return MOST_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with contextlib.suppress(ValueError, OSError):  # it stays as it was
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MOST_CONNECTIONS, soft // 2)


class Connections:
    """The open connections, oldest first. One address gets three quarters of them at most.

    A new connection takes the place of the oldest one that has sent no complete request.
    """

    def __init__(self, most: int, inner: Callable[..., Any]) -> None:
        self._inner = inner
        self._most = most
        self._most_of_one = max(1, most * 3 // 4)
        self._open: dict[Guard, None] = {}

    def protocol(self, **options: Any) -> Guard:
        """Uvicorn's factory of protocols."""
        return Guard(self, self._inner(**options))

    def admit(self, new: Guard) -> bool:
        """Make room for a connection; `False` if every other one is busy."""
        same = [c for c in self._open if c.address == new.address]
        full = same if len(same) >= self._most_of_one else list(self._open)
        if len(same) >= self._most_of_one or len(self._open) >= self._most:
            oldest = next((c for c in full if c.waiting), None)
            if oldest is None:
                return False
            oldest.abort()
        self._open[new] = None
        return True

    def forget(self, connection: Guard) -> None:
        """Its connection is closed."""
        self._open.pop(connection, None)


def _without_upgrade(data: bytes) -> bytes:
    """A request whose offer of another protocol, which is never accepted, has another name.

    uvicorn's parser would read no body behind it. Java's HttpClient offers HTTP/2 so.
    """
    head, end, rest = data.partition(_HEAD_END)
    return _UPGRADE.sub(b"\r\nx-upgrade:", head) + end + rest


class _OneWrite:
    """A transport that sends the head of a response together with the body behind it.

    uvicorn writes them one after the other; each write is a system call, and a packet.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def write(self, data: bytes) -> None:
        """Asyncio."""
        if self._head:
            self._transport.writelines((self._head, data))
            self._head = b""
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Asyncio."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        """No body came along."""
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class Guard(asyncio.Protocol):
    """uvicorn's protocol for one connection, which is closed when a request is too long in coming.

    uvicorn itself bounds the time between two requests, but not that of a half-sent one.
    """

    def __init__(self, connections: Connections, inner: Any) -> None:
        self._connections = connections
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        self._when_lost: Callable[[], object] | None = None
        self._is_lost = False
        self.address = ""
        app = inner.app

        def with_connection(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            scope[CONNECTION] = self
            return app(scope, receive, send)  # type: ignore[no-any-return]

        inner.app = with_connection

    @property
    def waiting(self) -> bool:
        """Whether no complete request is there to be answered."""
        return self._head_missing or bool(self._inner.cycle.more_body)

    @property
    def _head_missing(self) -> bool:
        cycle = self._inner.cycle
        return cycle is None or bool(cycle.response_complete)

    def watch(self, when_lost: Callable[[], object] | None) -> None:
        """Call this when the client has disconnected; `None`: no more.

        It is cheaper than a task per turn that waits for ASGI's `http.disconnect`.
        """
        self._when_lost = when_lost
        if when_lost is not None:
            self._inner.flow.resume_reading()  # it pauses after a large body
            if self._is_lost:
                when_lost()

    def abort(self) -> None:
        """Close at once."""
        self._connections.forget(self)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio."""
        self._transport = tcp = cast("asyncio.Transport", transport)
        peer = tcp.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        self._inner.connection_made(_OneWrite(tcp))
        if self._connections.admit(self):
            self._wait(HEAD_S)
        else:
            tcp.write(_UNAVAILABLE)
            tcp.close()

    def data_received(self, data: bytes) -> None:
        """Asyncio."""
        if self._head_missing and data.find(b"pgrade:", 0, data.find(_HEAD_END)) >= 0:
            data = _without_upgrade(data)
        self._inner.data_received(data)
        if not self.waiting:
            self._stop()
        elif not self._head_missing:
            self._stop()
            self._wait(BODY_S)
        elif self._timer is None:
            self._wait(HEAD_S)

    def eof_received(self) -> None:
        """Asyncio."""
        self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio."""
        self._stop()
        self._read_again()
        self._connections.forget(self)
        self._inner.connection_lost(exc)
        self._is_lost = True
        if self._when_lost is not None:
            self._when_lost()

    def pause_writing(self) -> None:
        """Asyncio."""
        self._unread = asyncio.get_running_loop().call_later(WRITE_S, self.abort)
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Asyncio."""
        self._read_again()
        self._inner.resume_writing()

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _read_again(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
