"""How clients reach the server: standard input and output, or streamable HTTP."""

from __future__ import annotations

import hmac
import sys
from typing import TYPE_CHECKING, Any, Final

from rightmodel.errors import TaskError

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH: Final = "/mcp"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


async def serve_stdio(server: Server[Any]) -> None:
    """Serve until the client closes our standard input."""
    from mcp.server.stdio import stdio_server

    # A print() that is still buffered at exit would otherwise land on the protocol's stream.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(line_buffering=True)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


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
    app: ASGIApp = server.streamable_http_app(
        streamable_http_path=PATH, host=host, transport_security=security
    )
    if token:
        app = BearerToken(app, token)
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False)
    await uvicorn.Server(config).serve()


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
