"""MCP over standard input and output, for the SDK's server: one JSON-RPC message a line.

One thread reads, one writes, the event loop never blocks on either. The end of the input ends the
process, whatever is still running or waiting to be read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import threading
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.shared.message import SessionMessage

from rightmodel.surfaces.mcp.messages import InvalidMessageError, decode, encode
from rightmodel.surfaces.mcp.shutdown import close_in_time, end_soon
from rightmodel.surfaces.mcp.wire import READ_BYTES, Lines, write_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from anyio.streams.memory import MemoryObjectSendStream
    from mcp.server.lowlevel import Server

    from rightmodel.surfaces.mcp.wire import Handover

    Incoming = MemoryObjectSendStream[SessionMessage | Exception]


async def serve_stdio(
    server: Server[Any], close: Callable[[], Awaitable[None]], handover: Handover
) -> None:
    """Serve until the client closes our standard input, then `close`."""
    send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    output = Output(handover.wire.write_fd, lost=send.close)
    Input(handover, send, output).start()
    await server.run(receive, output, server.create_initialization_options())
    await close_in_time(close)


REPLAY: Final = "rightmodel-replay"
"""The id of messages that the front has answered already: their second answer is not sent."""


class Input:
    """Reads lines and hands over their messages, one chunk at a time."""

    def __init__(self, handover: Handover, send: Incoming, output: Output) -> None:
        self._handover = handover
        self._send = send
        self._output = output
        self._lines = Lines()
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Read from now on."""
        threading.Thread(target=self._read, name="stdin", daemon=True).start()

    def _read(self) -> None:
        replay = (m | {"id": REPLAY} if "id" in m else m for m in self._handover.replay)
        before = "".join(f"{json.dumps(m)}\n" for m in replay).encode() + self._handover.rest
        with contextlib.suppress(RuntimeError, asyncio.CancelledError):  # the loop has ended
            if before:
                self._deliver_all(before)
            while chunk := self._next_chunk():
                self._deliver_all(chunk)
            end_soon()
            self._deliver_all(b"")

    def _next_chunk(self) -> bytes:
        try:
            return os.read(self._handover.wire.read_fd, READ_BYTES)
        except OSError:
            return b""

    def _deliver_all(self, chunk: bytes) -> None:
        asyncio.run_coroutine_threadsafe(self._deliver(chunk), self._loop).result()

    async def _deliver(self, chunk: bytes) -> None:
        with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            for line in self._lines.feed(chunk):
                for message in decode(line):
                    if isinstance(message, InvalidMessageError):
                        await self._output.send(SessionMessage(message))
                    else:
                        await self._send.send(SessionMessage(message))
        if not chunk:
            self._send.close()


class Output:
    """The SDK's `WriteStream`: a message is written whole or, once the client is gone, not."""

    def __init__(self, fd: int, lost: Callable[[], None]) -> None:
        self._fd = fd
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        self._closed = False
        threading.Thread(target=self._write, name="stdout", daemon=True).start()

    async def send(self, item: SessionMessage, /) -> None:
        """Write a message; returns when it is written. Raises `anyio.BrokenResourceError`."""
        if self._closed:
            raise anyio.BrokenResourceError
        if getattr(item.message, "id", None) == REPLAY:
            return
        written: asyncio.Future[None] = self._loop.create_future()
        self._queue.put((encode(item.message), written))
        await written

    async def aclose(self) -> None:
        """Accept no more messages."""
        self._closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.aclose()

    def _write(self) -> None:
        while True:
            data, written = self._queue.get()
            error: Exception | None = None
            try:
                write_all(self._fd, data)
            except OSError:
                end_soon()
                error = anyio.BrokenResourceError()
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._settle, written, error)

    def _settle(self, written: asyncio.Future[None], error: Exception | None) -> None:
        if error is not None:
            self._closed = True
            self._lost()
        if written.done():
            return
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)
