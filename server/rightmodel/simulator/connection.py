"""Sockets on bare asyncio: HTTP/1.1 connections that can stop, cut and reset at any byte.

And the port that they come in by: opened, refused, opened again; plain or with TLS.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from rightmodel.simulator.transport import End, Forever, Part, Pause, Response, Stall

if TYPE_CHECKING:
    import ssl

FLUSH_AT: Final = 65_536
"""Bytes gathered before they are handed to the socket."""
MOST_UNREAD: Final = 1 << 28
"""Bytes of a request: a limit that none reaches."""


class RawRequest(NamedTuple):
    """A request as it came. `headers`: names in lower case, the last of a name wins."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class HungUpError(Exception):
    """The client is gone."""


class Connection(asyncio.StreamReaderProtocol):
    """Reads requests, plays responses; knows at once when the client hangs up.

    `serve` runs as a task for the whole connection. While `busy`, a client that hangs up cancels
    it; `gone` then says why, `reset_here` that it was not the client. `sleep` waits for the
    pauses, `closing` ends every stall, `known` holds those that are open.
    """

    def __init__(
        self,
        serve: Callable[[Connection], Awaitable[None]],
        sleep: Callable[[float], Awaitable[object]],
        closing: asyncio.Event,
        known: set[Connection],
    ) -> None:
        self.gone = False
        self.busy = False
        self.reset_here = False
        self._serve = serve
        self._sleep = sleep
        self._closing = closing
        self._known = known
        self._reader = asyncio.StreamReader(MOST_UNREAD)
        super().__init__(self._reader)
        self.lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # --- called by the event loop ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start serving."""
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self._tcp = cast("asyncio.Transport", transport)
        self._writer = asyncio.StreamWriter(self._tcp, self, self._reader, loop)
        self._known.add(self)
        self._serving = loop.create_task(self._run())

    def eof_received(self) -> bool:
        """Treat a closed sending side as a client that hung up."""
        super().eof_received()
        self._hang_up()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of whoever waits."""
        super().connection_lost(exc)
        self._hang_up()
        self._known.discard(self)
        if not self.lost.done():
            self.lost.set_result(None)

    def _hang_up(self) -> None:
        if self.busy and not self.gone:
            self._serving.cancel()
        self.gone = True

    async def ended(self) -> None:
        """Wait until nothing of it runs any more."""
        await asyncio.wait([self._serving])

    async def _run(self) -> None:
        try:
            await self._serve(self)
        except (HungUpError, ConnectionError):
            pass
        finally:
            self._tcp.close()

    # --- reading ---

    async def read_request(self) -> RawRequest | None:
        """The next request; `None` once the client is gone."""
        try:
            head = await self._head()
            first, *lines = head.decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ", 2)
            pairs = (line.partition(":") for line in lines)
            headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
            if headers.get("expect", "").lower() == "100-continue":
                self._tcp.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return RawRequest(method, target, headers, await self._read_body(headers))
        except (HungUpError, EOFError, OSError, ValueError):
            return None

    async def _head(self) -> bytes:
        """Everything before the body. Anything but HTTP, such as TLS, gets a 400 at once."""
        first = await self._reader.readexactly(1)
        if not first.isalpha():
            self._tcp.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
            raise HungUpError
        return first + (await self._reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n")

    async def _read_body(self, headers: dict[str, str]) -> bytes:
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return await self._reader.readexactly(int(headers.get("content-length", 0)))
        body = bytearray()
        while size := int((await self._reader.readuntil(b"\r\n")).partition(b";")[0], 16):
            body += await self._reader.readexactly(size)
            await self._reader.readexactly(2)
        while await self._reader.readuntil(b"\r\n") != b"\r\n":
            pass  # trailers
        return bytes(body)

    # --- writing ---

    async def play(self, response: Response, now: float) -> None:
        """Send a response part by part. `now`: seconds since 1970, for the Date header."""
        for part in response.before:
            await self._play_part(part)
        if not response.silent:
            await self._play_body(response, now)
        if response.end is End.RESET:
            self.reset()

    async def _play_body(self, response: Response, now: float) -> None:
        out = bytearray(response.head(formatdate(now, usegmt=True)))
        for part in response.body:
            if isinstance(part, bytes):
                out += _chunk(part) if response.chunked else part
                if len(out) >= FLUSH_AT:
                    await self._write(out)
                    out = bytearray()
                continue
            if out:
                await self._write(out)
                out = bytearray()
            await self._play_part(part, chunked=response.chunked)
        if response.chunked and response.end in {End.KEEP, End.CLOSE}:
            out += b"0\r\n\r\n"
        await self._write(out)

    async def _play_part(self, part: Part, *, chunked: bool = False) -> None:
        if isinstance(part, Pause):
            await self._sleep(part.seconds)
        elif isinstance(part, Stall):
            await self._closing.wait()
            raise HungUpError
        elif isinstance(part, Forever):
            while not self._closing.is_set():
                await self._write(_chunk(part.data) if chunked else part.data)
                await self._sleep(part.every_s)
            raise HungUpError
        else:
            await self._write(part)

    async def _write(self, data: bytes | bytearray) -> None:
        if data:
            self._tcp.write(bytes(data))
        await self._writer.drain()

    # --- ending ---

    def reset(self) -> None:
        """Close with a TCP reset: a zero linger time makes the kernel send one."""
        self.reset_here = True
        found = self._tcp.get_extra_info("socket")
        if found is not None and found.fileno() >= 0:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._tcp.abort()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


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
