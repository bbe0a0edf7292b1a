"""The network below httpcore2: anyio's connections, without a timer around each read and write.

httpcore2's own backend opens a scope with a deadline for every read and every write, which costs as
much as parsing the response. Only connecting has a deadline here; all others are the caller's.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio
import httpcore2
from anyio.streams.tls import TLSAttribute, TLSStream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator

    from anyio.abc import ByteStream

_BROKEN = (anyio.BrokenResourceError, anyio.ClosedResourceError)


class Network(httpcore2.AsyncNetworkBackend):
    """Connects by TCP, to whichever address of a host answers first."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,  # noqa: ARG002
    ) -> httpcore2.AsyncNetworkStream:
        """A connection. Raises `ConnectTimeout`, `ConnectError`."""
        with _connecting(), anyio.fail_after(timeout):
            return Stream(await anyio.connect_tcp(host, port, local_host=local_address))

    async def sleep(self, seconds: float) -> None:
        """Between retries, of which there are none."""
        await anyio.sleep(seconds)


class Stream(httpcore2.AsyncNetworkStream):
    """One connection."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - httpcore2's
    ) -> bytes:
        """What has arrived, b"" at the end. Raises `ReadError`."""
        try:
            return await self._stream.receive(max_bytes)
        except anyio.EndOfStream:
            return b""
        except _BROKEN as error:
            raise httpcore2.ReadError(str(error)) from error

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109 - httpcore2's
    ) -> None:
        """Send all of it. Raises `WriteError`."""
        if not buffer:
            return
        try:
            await self._stream.send(buffer)
        except _BROKEN as error:
            raise httpcore2.WriteError(str(error)) from error

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore2's
    ) -> httpcore2.AsyncNetworkStream:
        """The connection under TLS. Raises `ConnectTimeout`, `ConnectError`."""
        try:
            with _connecting(), anyio.fail_after(timeout):
                return Stream(
                    await TLSStream.wrap(
                        self._stream,
                        hostname=server_hostname,
                        ssl_context=ssl_context,
                        standard_compatible=False,
                        server_side=False,
                    )
                )
        except Exception:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        """The TLS object; a dead connection is found out by sending on it."""
        if info != "ssl_object":
            return None
        return self._stream.extra(TLSAttribute.ssl_object, None)  # noqa: S610 - not Django's


@contextmanager
def _connecting() -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise httpcore2.ConnectTimeout(str(error)) from error
    except (OSError, anyio.BrokenResourceError, anyio.EndOfStream) as error:
        raise httpcore2.ConnectError(str(error)) from error
