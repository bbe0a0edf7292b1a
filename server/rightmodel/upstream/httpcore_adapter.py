"""What is left to httpx2's stack: requests through a proxy, compressed responses, PyPy."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import unquote, urlsplit

import httpcore2
import httpx2

from rightmodel.upstream.connect import (
    CLOSED,
    CONNECT_S,
    BrokenError,
    NoConnectionError,
    UnansweredError,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterable, AsyncIterator

    from rightmodel.upstream.connect import Origin, Request, Response
    from rightmodel.upstream.live import Watch

_BROKEN = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpcore2.TimeoutException,
    httpcore2.UnsupportedProtocol,
)
_DISCONNECTED: Final = "disconnected without sending a response"


class HttpcoreConnection:
    """A `Connection`, maybe through a proxy."""

    def __init__(self, origin: Origin, context: ssl.SSLContext | None) -> None:
        through = None
        if origin.proxy:
            parts = urlsplit(origin.proxy)
            auth = (
                (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
            )
            through = httpcore2.Proxy(origin.proxy, auth=auth)
        pool = httpcore2.AsyncConnectionPool(ssl_context=context, proxy=through)
        scheme = b"https" if origin.secure else b"http"
        there = httpcore2.Origin(scheme, origin.host.encode(), origin.port)
        self._connection = pool.create_connection(there)
        self._response: httpcore2.Response | None = None
        self.used = False
        self.idle_since = 0.0

    async def send(self, request: Request, watch: Watch | None) -> HttpcoreResponse:
        """As in `Connection`."""

        async def content() -> AsyncIterator[bytes]:
            connecting.reschedule(None)  # the proxy and the upstream have shaken hands
            yield request.content
            if watch is not None:
                watch.is_sent = True

        target = request.target
        headers = {**request.headers, "content-length": str(len(request.content))}
        sent = [(name.encode(), value.encode()) for name, value in headers.items()]
        made = httpcore2.Request(
            b"POST",
            httpcore2.URL(target.url),
            headers=[(b"host", target.host), *sent],
            content=content(),
        )
        try:
            async with asyncio.timeout(CONNECT_S) as connecting:
                self._response = await self._connection.handle_async_request(made)
        except TimeoutError as error:
            raise NoConnectionError(f" within {CONNECT_S:.0f} s") from error
        except (httpcore2.ConnectError, httpcore2.ProxyError) as error:
            raise NoConnectionError(f": {_why(error)}") from error
        except _BROKEN as error:
            why = str(error) or type(error).__name__
            is_cut = isinstance(error, httpcore2.NetworkError) or _DISCONNECTED in why
            raise (UnansweredError if is_cut else BrokenError)(why) from error
        return HttpcoreResponse(self._response)

    def is_idle(self) -> bool:
        """As in `Connection`."""
        return self._connection.is_idle()

    async def close(self) -> None:
        """As in `Connection`."""
        await self._connection.aclose()


class HttpcoreResponse:
    """A `Response` of such a connection."""

    def __init__(self, response: httpcore2.Response) -> None:
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers}
        self.is_complete = False
        self._response = response
        self._pieces = aiter(cast("AsyncIterable[bytes]", response.stream))

    async def body(self) -> bytes:
        """As in `Response`."""
        try:
            async for piece in self._pieces:
                if piece:
                    return piece
        except _BROKEN as error:
            raise BrokenError(str(error) or type(error).__name__) from error
        await self._response.aclose()
        self.is_complete = True
        return b""


class UnpackedResponse:
    """A `Response` that the upstream has compressed unasked."""

    def __init__(self, packed: Response) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            while piece := await packed.body():
                yield piece

        self.status = packed.status
        self.headers = packed.headers
        self.is_complete = False
        headers = [*packed.headers.items()]
        found = httpx2.Response(self.status, headers=headers, content=pieces())
        self._pieces = found.aiter_bytes()

    async def body(self) -> bytes:
        """As in `Response`."""
        try:
            return await anext(self._pieces, b"")
        except httpx2.DecodingError as error:
            raise BrokenError(str(error)) from error


def _why(error: Exception) -> str:
    """Why a connection was not made: refused ones without the address that was tried."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ConnectionError):
        cause = cause.__cause__ or cause.__context__
    number = getattr(cause, "errno", None)
    return os.strerror(number) if number and number > 0 else str(error) or CLOSED
