"""How clients reach the server: standard input and output, or streamable HTTP; and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import TaskError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from mcp.server.lowlevel import Server
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    Close = Callable[[], Awaitable[None]]

PATH: Final = "/mcp"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
CLOSE_S: Final = 1.0
"""What closing may take once there is nobody left to serve."""
END_S: Final = 0.5
"""And ending after that."""
MOST_BODY_BYTES: Final = 80_000_000
"""Of an HTTP request: the longest prompt, were every character of it four bytes long."""

logger = logging.getLogger("rightmodel")


async def serve_stdio(server: Server[Any], close: Close) -> None:
    """Serve until the client closes our standard input; then `close`, and end in any case.

    A client that reads no more of what we write would otherwise keep us for ever.
    """
    from mcp.server.stdio import stdio_server

    with _only_the_protocol():
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
            await _closed(close)
            asyncio.get_running_loop().call_later(END_S, os._exit, 0)


@contextlib.contextmanager
def _only_the_protocol() -> Iterator[None]:
    """Standard output carries nothing else: what is printed before and after goes elsewhere.

    In between the SDK sees to it.
    """
    with contextlib.suppress(AttributeError, OSError, ValueError):
        wire = os.dup(1)
        os.dup2(2, 1)
        sys.stdout.flush()
        os.dup2(wire, 1)
        os.close(wire)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            os.dup2(2, 1)


def end_on_signals(close: Close) -> None:
    """From now on SIGINT and SIGTERM `close` and end the process; a second one ends it at once.

    Ends it hard: the thread that waits for standard input cannot be woken.
    """
    loop = asyncio.get_running_loop()
    leaving: list[asyncio.Task[None]] = []

    async def leave(code: int) -> None:
        await _closed(close)
        os._exit(code)

    def told(number: int) -> None:
        if leaving:
            os._exit(128 + number)
        leaving.append(loop.create_task(leave(128 + number)))

    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(number, told, number)


async def _closed(close: Close) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await close()
    except Exception:
        logger.exception("not everything could be closed")


def parse_address(text: str) -> tuple[str, int]:
    """`HOST:PORT`, `[::1]:PORT` or a port alone. Raises `TaskError`."""
    host, colon, port = text.rpartition(":")
    host = (host or "127.0.0.1").strip("[]")
    if not port.isdigit() or not 0 <= int(port) <= 65535 or (colon and not host):  # noqa: PLR2004
        raise TaskError(f"--http {text}: not an address like 127.0.0.1:8765", argument="http")
    return host, int(port)


async def serve_http(server: Server[Any], host: str, port: int, token: str) -> None:
    """Serve streamable HTTP at `/mcp`. Any address but loopback needs a token.

    Raises `TaskError` when it has none.
    """
    import uvicorn
    from mcp.server.transport_security import TransportSecuritySettings

    if host not in LOOPBACK and not token:
        raise TaskError(
            f"serving on {host} needs a token: put one into an environment variable and name it "
            "with --token-env NAME; clients send it as Authorization: Bearer TOKEN",
            argument="token-env",
        )
    security = TransportSecuritySettings(
        enable_dns_rebinding_protection=host in LOOPBACK,
        allowed_hosts=["127.0.0.1:*", "localhost:*", "[::1]:*"],
        allowed_origins=["http://127.0.0.1:*", "http://localhost:*", "http://[::1]:*"],
    )
    app: ASGIApp = HangUps(
        server.streamable_http_app(
            streamable_http_path=PATH,
            host=host,
            transport_security=security,
            max_request_body_size=MOST_BODY_BYTES,
        )
    )
    if token:
        app = BearerToken(app, token)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=round(CLOSE_S)
    )
    with _listening(host, port) as listener:
        shown = f"[{host}]" if ":" in host else host
        print(  # noqa: T201 - for whoever started it; standard output stays empty
            f"rightmodel: listening on http://{shown}:{listener.getsockname()[1]}{PATH}",
            file=sys.stderr,
            flush=True,
        )
        await uvicorn.Server(config).serve(sockets=[listener])


def _listening(host: str, port: int) -> socket.socket:
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
    return listener


class HangUps:
    """Cancels the call of a client that hangs up before it is answered.

    The protocol of 2026 says so and the SDK does it. Before that, in sessions, a client had to say
    that it cancels, because a stream may be resumed; ours cannot be, and nobody would ever get the
    answer. So what it has not said is said in its place.
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

        async def heard() -> Message:
            nonlocal gone
            message = await receive()
            body.extend(message.get("body", b""))
            gone = gone or (message["type"] == "http.disconnect" and not answered)
            return message

        async def said(message: Message) -> None:
            nonlocal answered
            ends = message["type"] == "http.response.body" and not message.get("more_body")
            answered = answered or ends
            await send(message)

        await self._app(scope, heard, said)
        if gone:
            await self._cancel(scope, bytes(body))

    async def _cancel(self, scope: Scope, body: bytes) -> None:
        """Say in its session that the request is cancelled."""
        with contextlib.suppress(ValueError, TypeError, KeyError):
            params = {"requestId": json.loads(body)["id"], "reason": "the client hung up"}
            said = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
            content = json.dumps(said).encode()
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
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._expected):
                headers = [(b"www-authenticate", b"Bearer"), (b"content-type", b"text/plain")]
                await send({"type": "http.response.start", "status": 401, "headers": headers})
                body = b"This server needs the header Authorization: Bearer TOKEN.\n"
                await send({"type": "http.response.body", "body": body})
                return
        await self._app(scope, receive, send)
