"""The HTTP server: one application behind bounds on connections, time and access."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING, Any

from rightmodel.surfaces.http.connections import Connections, most_connections
from rightmodel.surfaces.http.mcp_app import mcp_app
from rightmodel.surfaces.mcp.shutdown import CLOSE_S

if TYPE_CHECKING:
    import socket

    from mcp.server.lowlevel import Server
    from starlette.types import ASGIApp, Receive, Scope, Send


async def serve(server: Server[Any], listener: socket.socket, host: str, token: str) -> None:
    """Serve until the process ends. `host`: as it was given, for the check of `Host` headers."""
    import uvicorn
    from uvicorn.protocols.http.auto import AutoHTTPProtocol

    app = mcp_app(server, host)
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
