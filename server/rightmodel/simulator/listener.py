"""The listening socket: opened, refused, opened again on the same port; plain or with TLS."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from rightmodel.simulator.connection import Connection

HOST: Final = "127.0.0.1"
BACKLOG: Final = 1024


class Listener:
    """Accepts connections on one loopback port and knows those that are open."""

    def __init__(
        self,
        connection: Callable[[asyncio.Event, set[Connection]], Connection],
        *,
        port: int,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.port = port
        self.scheme = "https" if tls else "http"
        self._tls = tls
        self._make = connection
        self._server: asyncio.Server | None = None
        self._reserved: socket.socket | None = None
        self._opening: asyncio.Task[None] | None = None
        self._open: set[Connection] = set()
        self._stopped = asyncio.Event()

    async def start(self) -> None:
        """Open the port."""
        bound = self._bound()
        self.port = bound.getsockname()[1]
        await self._listen(bound)

    async def stop(self) -> None:
        """Close the port, end what stalls, drop every connection."""
        self._stopped.set()
        if self._opening is not None:
            await self._opening
        if self._server is not None:
            self._server.close()
        if self._reserved is not None:
            self._reserved.close()
        open_now = list(self._open)
        self.drop_connections()
        await asyncio.gather(*(c.lost for c in open_now), *(c.ended() for c in open_now))

    def refuse(self) -> None:
        """Close the port, so that connecting is refused; it stays reserved. Drops connections."""
        if self._server is None or self._reserved is not None:
            return
        self._server.close()
        self._server = None
        self.drop_connections()
        self._reserved = self._bound()  # bound but not listening: the kernel refuses

    def accept(self) -> None:
        """Open the port again."""
        if self._reserved is None:
            return
        bound, self._reserved = self._reserved, None
        bound.listen(BACKLOG)  # at once: whoever connects from here on waits to be accepted
        self._opening = asyncio.get_running_loop().create_task(self._listen(bound))

    def drop_connections(self) -> None:
        """Reset every open connection."""
        for connection in list(self._open):
            connection.reset()

    def _bound(self) -> socket.socket:
        """A socket that names its protocol: only then does asyncio set TCP_NODELAY."""
        bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            bound.bind((HOST, self.port))
        except OSError:
            bound.close()
            raise
        bound.setblocking(False)  # noqa: FBT003 - the socket's own signature
        return bound

    async def _listen(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: self._make(self._stopped, self._open),
            sock=bound,
            backlog=BACKLOG,
            ssl=self._tls,
        )
