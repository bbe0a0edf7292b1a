"""MCP over streamable HTTP."""

from __future__ import annotations

import contextlib
import hmac
import json
import logging
import socket
import sys
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import TaskError
from rightmodel.surfaces.mcp.shutdown import CLOSE_S

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH: Final = "/mcp"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
MOST_BODY_BYTES: Final = 80_000_000
"""Of an HTTP request: the longest prompt, were every character of it four bytes long."""

logger = logging.getLogger("rightmodel")


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
