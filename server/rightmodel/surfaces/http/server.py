"""The server: an application behind bounds on connections and time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from rightmodel.surfaces.http.connections import Connections, most_connections
from rightmodel.surfaces.mcp.shutdown import CLOSE_S

if TYPE_CHECKING:
    from starlette.types import ASGIApp


def make_server(app: ASGIApp) -> uvicorn.Server:
    """The server; `serve(sockets=[…])` runs it."""
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
