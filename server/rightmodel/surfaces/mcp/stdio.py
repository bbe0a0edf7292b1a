"""MCP over standard input and output, for the SDK's server: one JSON-RPC message a line.

The event loop reads and writes pipes and sockets itself, and never blocks on them: what does not
fit into a pipe is written by a thread. The end of the input ends the process, whatever is still
running or waiting to be read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import stat
import threading
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.shared.message import SessionMessage

from rightmodel.surfaces.mcp.messages import InvalidMessageError, decode, encode
from rightmodel.surfaces.mcp.shutdown import close_in_time, end_at_hang_up, end_soon
from rightmodel.surfaces.mcp.wire import READ_BYTES, Lines, write_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType
    from typing import Self

    from anyio.streams.memory import MemoryObjectSendStream
    from mcp.server.lowlevel import Server

    from rightmodel.surfaces.mcp.wire import Handover

    Incoming = MemoryObjectSendStream[SessionMessage | Exception]

REPLAY: Final = "rightmodel-replay"
"""The id of messages that the front has answered already: their second answer is not sent."""


async def serve_stdio(
    server: Server[Any], close: Callable[[], Awaitable[None]], handover: Handover
) -> None:
    """Serve until the client closes our standard input, then `close`."""
    send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    output = Output(handover.wire.write_fd, lost=send.close)
    end_at_hang_up(handover.wire.read_fd)
    reader = asyncio.create_task(_read(handover, send, output), name="stdin")
    await server.run(receive, output, server.create_initialization_options())
    reader.cancel()
    await close_in_time(close)


async def _read(handover: Handover, send: Incoming, output: Output) -> None:
    """Hand over every message; what is none is answered."""
    lines = Lines()
    with send, contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for chunk in _chunks(handover):
            for line in lines.feed(chunk):
                for message in decode(line):
                    if isinstance(message, InvalidMessageError):
                        await output.send(SessionMessage(message))
                    else:
                        await send.send(SessionMessage(message))


async def _chunks(handover: Handover) -> AsyncIterator[bytes]:
    """What the front has left, then what comes; an empty one is the end."""
    replay = (m | {"id": REPLAY} if "id" in m else m for m in handover.replay)
    yield "".join(f"{json.dumps(m)}\n" for m in replay).encode() + handover.rest or b"\n"
    chunk = b"\n"
    while chunk:
        chunk = await _next_chunk(handover.wire.read_fd)
        if not chunk:
            end_soon()
        yield chunk


async def _next_chunk(fd: int) -> bytes:
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        loop.add_reader(fd, readable.set)
    except (NotImplementedError, OSError):  # Windows; a regular file
        return await asyncio.to_thread(_read_chunk, fd)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(fd)
    return _read_chunk(fd)


def _read_chunk(fd: int) -> bytes:
    try:
        return os.read(fd, READ_BYTES)
    except OSError:
        return b""


class Output:
    """The SDK's `WriteStream`: a message is written whole or, once the client is gone, not."""

    def __init__(self, fd: int, lost: Callable[[], None]) -> None:
        self._fd = fd
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[tuple[bytes, asyncio.Future[None]]] = queue.SimpleQueue()
        self._queued = 0
        self._closed = False
        self._blocking = not _is_ours(fd)
        if not self._blocking:
            os.set_blocking(fd, False)
        threading.Thread(target=self._write, name="stdout", daemon=True).start()

    async def send(self, item: SessionMessage, /) -> None:
        """Write a message; returns when it is written. Raises `anyio.BrokenResourceError`."""
        if self._closed:
            raise anyio.BrokenResourceError
        if getattr(item.message, "id", None) == REPLAY:
            return
        data = encode(item.message)
        if not self._blocking and not self._queued:
            data = data[self._write_now(data) :]
        if data:
            written: asyncio.Future[None] = self._loop.create_future()
            self._queued += 1
            self._queue.put((data, written))
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

    def _write_now(self, data: bytes) -> int:
        """How many bytes fit at once."""
        try:
            return os.write(self._fd, data)
        except BlockingIOError:
            return 0
        except OSError:
            self._break()
            raise anyio.BrokenResourceError from None

    def _write(self) -> None:
        while True:
            data, written = self._queue.get()
            error: Exception | None = None
            try:
                write_all(self._fd, data)
            except OSError:
                error = anyio.BrokenResourceError()
            with contextlib.suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._settle, written, error)

    def _settle(self, written: asyncio.Future[None], error: Exception | None) -> None:
        self._queued -= 1
        if error is not None:
            self._break()
        if written.done():
            return
        if error is None:
            written.set_result(None)
        else:
            written.set_exception(error)

    def _break(self) -> None:
        """The client reads no more: it is gone."""
        self._closed = True
        end_soon()
        self._lost()


def _is_ours(fd: int) -> bool:
    """Whether it is a pipe or a socket that no other descriptor of the process shares."""
    facts = os.fstat(fd)
    if not hasattr(os, "set_blocking") or os.name == "nt":
        return False
    if not (stat.S_ISFIFO(facts.st_mode) or stat.S_ISSOCK(facts.st_mode)):
        return False
    with contextlib.suppress(OSError):
        errors = os.fstat(2)
        return (errors.st_dev, errors.st_ino) != (facts.st_dev, facts.st_ino)
    return True
