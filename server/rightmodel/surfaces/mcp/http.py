"""MCP over streamable HTTP, with bounds on connections and on how long a request may take."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import TaskError
from rightmodel.manifest.base_url import BaseUrl
from rightmodel.surfaces.mcp.shutdown import CLOSE_S
from rightmodel.surfaces.mcp.wire import HALF_PAIR, well_formed_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.lowlevel import Server
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH: Final = "/mcp"
MOST_BODY_BYTES: Final = 80_000_000
"""Of an HTTP request: the longest prompt, were every character of it four bytes long."""
SESSION_IDLE_S: Final = 30 * 60
MOST_SESSIONS: Final = 1000
LEAST_TOKEN_CHARS: Final = 16
HEAD_S: Final = 10.0
"""Until the head of a request is complete."""
BODY_S: Final = 30.0
"""Between two pieces of a request's body."""
MOST_CONNECTIONS: Final = 512
_UNAVAILABLE: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\n"
    b"connection: close\r\n\r\n"
)

logger = logging.getLogger("rightmodel")


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[::1]:PORT` or a port alone. Raises `TaskError`."""
    host, colon, port = text.rpartition(":")
    host = (host or "127.0.0.1").strip("[]")
    if not port.isdigit() or not 0 <= int(port) <= 65535 or (colon and not host):  # noqa: PLR2004
        raise TaskError(f"--http {text}: not an address like 127.0.0.1:8765", argument="http")
    return host, int(port)


def check_token(host: str, token: str) -> None:
    """Any address but loopback needs a token. Raises `TaskError`."""
    if BaseUrl(secure=False, host=host).loopback:
        return
    if not token:
        raise TaskError(
            f"serving on {host} needs a token: put one into an environment variable and name it "
            "with --token-env NAME; clients send it as Authorization: Bearer TOKEN",
            argument="token-env",
        )
    if len(token) < LEAST_TOKEN_CHARS:
        raise TaskError(
            f"the token has {len(token)} characters; serving on {host} needs at least "
            f"{LEAST_TOKEN_CHARS}, for instance those of: openssl rand -hex 16",
            argument="token-env",
        )


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, announced on standard error. Raises `TaskError`.

    Clients may connect from now on; they are answered as soon as `serve_http` runs.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise TaskError(
            f"--http: cannot listen on {host}, port {port}: {error.strerror or error}; "
            "choose another address, or port 0 for any free one",
            argument="http",
        ) from error
    # Accepted sockets take it over: asyncio sets it only on those of which the protocol is named.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    shown = f"[{host}]" if ":" in host else host
    print(  # noqa: T201 - for whoever started it; standard output stays empty
        f"rightmodel: listening on http://{shown}:{listener.getsockname()[1]}{PATH}",
        file=sys.stderr,
        flush=True,
    )
    return listener


async def serve_http(server: Server[Any], listener: socket.socket, host: str, token: str) -> None:
    """Serve streamable HTTP at `/mcp`. `host`: as it was given, for the check of `Host` headers."""
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    names = {"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host}
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=BaseUrl(secure=False, host=host).loopback,
        allowed_hosts=[f"{name}:*" for name in names],
        allowed_origins=[f"http://{name}:*" for name in names],
    )
    app: ASGIApp = WellFormedBodies(
        CancelOnDisconnect(
            server.streamable_http_app(
                streamable_http_path=PATH,
                host=host,
                transport_security=security,
                max_request_body_size=MOST_BODY_BYTES,
                session_idle_timeout=SESSION_IDLE_S,
                max_sessions=MOST_SESSIONS,
            )
        )
    )
    if token:
        app = BearerToken(app, token)
    most = most_connections()
    config = uvicorn.Config(
        app,
        # Any factory will do, whatever its annotation says.
        http=Connections(most, AutoHTTPProtocol).protocol,  # type: ignore[arg-type]
        backlog=min(1024, most),
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=round(CLOSE_S),
    )
    await uvicorn.Server(config).serve(sockets=[listener])


class WellFormedBodies:
    """Replaces halves of surrogate pairs in requests: the SDK refuses a body that holds one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        body, more = bytearray(), True
        while more and len(body) <= MOST_BODY_BYTES:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        content: bytes | None = bytes(body)
        if not more and HALF_PAIR.search(body):
            content = well_formed_json(body.decode("utf-8", "replace")).encode()
            headers = [(k, v) for k, v in scope["headers"] if k != b"content-length"]
            length = (b"content-length", str(len(content)).encode())
            scope = {**scope, "headers": [*headers, length]}

        async def replayed() -> Message:
            nonlocal content
            if content is None:
                return await receive()
            first, content = content, None
            return {"type": "http.request", "body": first, "more_body": more}

        await self._app(scope, replayed, send)


class CancelOnDisconnect:
    """Cancels the call of a client that disconnects before it is answered.

    The protocol of 2026 demands it and the SDK does it. Before that, in sessions, a client had to
    send a cancellation, because a stream may be resumed; ours cannot be, and no client would ever
    get the answer. So this sends the cancellation in the client's place.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        in_session = any(name == b"mcp-session-id" for name, _ in scope.get("headers", ()))
        if scope["type"] != "http" or scope["method"] != "POST" or not in_session:
            await self._app(scope, receive, send)
            return
        body, answered, gone = bytearray(), False, False

        async def watched_receive() -> Message:
            nonlocal gone
            message = await receive()
            body.extend(message.get("body", b""))
            gone = gone or (message["type"] == "http.disconnect" and not answered)
            return message

        async def watched_send(message: Message) -> None:
            nonlocal answered
            ends = message["type"] == "http.response.body" and not message.get("more_body")
            answered = answered or ends
            await send(message)

        await self._app(scope, watched_receive, watched_send)
        if gone:
            await self._cancel(scope, bytes(body))

    async def _cancel(self, scope: Scope, body: bytes) -> None:
        """Cancel the request in its session."""
        with contextlib.suppress(ValueError, TypeError, KeyError):
            params = {"requestId": json.loads(body)["id"], "reason": "the client disconnected"}
            notice = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            content = json.dumps(notice).encode()
            headers = [(k, v) for k, v in scope["headers"] if k != b"content-length"]
            length = (b"content-length", str(len(content)).encode())

            async def receive() -> Message:
                return {"type": "http.request", "body": content, "more_body": False}

            async def send(_: Message) -> None:
                return

            await self._app({**scope, "headers": [*headers, length]}, receive, send)


class BearerToken:
    """Refuses every HTTP request that does not carry the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            header = dict(scope["headers"]).get(b"authorization", b"")
            scheme, _, token = header.partition(b" ")
            valid = hmac.compare_digest(token.strip(), self._expected)
            if scheme.lower() != b"bearer" or not valid:
                headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                body = b"This server needs the header Authorization: Bearer TOKEN.\n"
                await send({"type": "http.response.body", "body": body})
                return
        await self._app(scope, receive, send)


def most_connections() -> int:
    """At most `MOST_CONNECTIONS`, or half of the files that the process may open."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST_CONNECTIONS
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


class Guard(asyncio.Protocol):
    """uvicorn's protocol for one connection, which is closed when a request is too long in coming.

    uvicorn itself bounds the time between two requests, but not that of a half-sent one.
    """

    def __init__(self, connections: Connections, inner: Any) -> None:
        self._connections = connections
        self._inner = inner
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.address = ""

    @property
    def waiting(self) -> bool:
        """Whether no complete request is there to be answered."""
        return self._head_missing or bool(self._inner.cycle.more_body)

    @property
    def _head_missing(self) -> bool:
        cycle = self._inner.cycle
        return cycle is None or bool(cycle.response_complete)

    def abort(self) -> None:
        """Close at once."""
        self._connections.forget(self)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - TCP, for the type checker
        self._transport = transport
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        self._inner.connection_made(transport)
        if self._connections.admit(self):
            self._wait(HEAD_S)
        else:
            transport.write(_UNAVAILABLE)
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Asyncio."""
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
        self._connections.forget(self)
        self._inner.connection_lost(exc)

    def pause_writing(self) -> None:
        """Asyncio."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """Asyncio."""
        self._inner.resume_writing()

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self.abort)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
