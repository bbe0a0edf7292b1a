"""MCP over standard input and output, for the SDK's server: one JSON-RPC message a line.

The event loop reads and writes pipes and sockets itself, and never blocks on them: what does not
fit into a pipe is written by a thread. The end of the input ends the process, whatever is still
running or waiting to be read.

Every request that carries an id gets a reply, whatever its bytes. The SDK drops a line that its
parser refuses, and ends the connection at a text that it cannot encode. Here half a surrogate pair
becomes U+FFFD, a batch is taken apart, and an invalid message is answered with an error under the
id that can still be read.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import queue
import re
import stat
import threading
from typing import TYPE_CHECKING, Any, Final

import anyio
from anyio.abc import AsyncResource
from mcp.shared.message import SessionMessage
from mcp_types import ErrorData, JSONRPCError, JSONRPCNotification, jsonrpc_message_adapter
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from rightmodel.surfaces.mcp.shutdown import close_in_time, end_at_hang_up, end_soon
from rightmodel.surfaces.mcp.wire import READ_BYTES, Handover, Lines, well_formed_json, write_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from anyio.streams.memory import MemoryObjectSendStream
    from mcp.server.lowlevel import Server
    from mcp_types import JSONRPCMessage

    Incoming = MemoryObjectSendStream[SessionMessage | Exception]

REPLAY: Final = "rightmodel-replay"
"""The id of messages that the front has answered already: their second answer is not sent."""
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
MOST_DIGITS: Final = 4000
"""Of an integer: Python refuses to read more than 4,300."""
MOST_ID_CHARS: Final = 1000

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_VALUE: Final = re.compile(r'\s*:\s*(-?\d{1,18}(?![\d.eE])|"(?:[^"\\]|\\.)*")')


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


class Output(AsyncResource):
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


# --- bytes to messages and back ---


def decode(line: bytes) -> Iterator[JSONRPCMessage]:
    """The messages of a line; for one that is invalid the reply to it, an `InvalidMessageError`."""
    try:
        message = jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        yield from _decode_leniently(line)
        return
    # A request whose id has the wrong type validates as a notification and would get no reply.
    if isinstance(message, JSONRPCNotification) and b'"id"' in line:
        yield from _decode_leniently(line)
        return
    yield message


def encode(message: JSONRPCMessage) -> bytes:
    """One line."""
    try:
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
    except PydanticSerializationError:
        plain = message.model_dump(by_alias=True, exclude_unset=True)
        text = well_formed_json(json.dumps(plain, default=str))
    return text.encode() + b"\n"


class InvalidMessageError(JSONRPCError):
    """The reply to an invalid message. `id`: as it was sent, `None` where it cannot be read."""

    id: str | int | float | None  # type: ignore[assignment]


def _invalid(request_id: Any, code: int, why: str) -> InvalidMessageError:
    known = isinstance(request_id, str | int | float) and not isinstance(request_id, bool)
    error = ErrorData(code=code, message=why)
    return InvalidMessageError(jsonrpc="2.0", id=request_id if known else None, error=error)


def _decode_leniently(line: bytes) -> Iterator[JSONRPCMessage]:
    text = well_formed_json(line.decode("utf-8-sig", "replace"))
    if not text.strip():
        return
    try:
        value = json.loads(text, strict=False, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        yield _invalid(_id_in(text), PARSE_ERROR, f"not valid JSON: {error}")
        return
    if value == []:
        yield _invalid(None, INVALID_REQUEST, "an empty batch")
    for item in value if isinstance(value, list) else [value]:
        yield _validated(item)


def _validated(item: Any) -> JSONRPCMessage:
    if not isinstance(item, dict):
        return _invalid(None, INVALID_REQUEST, "a message must be a JSON object")
    request_id = item.get("id")
    if isinstance(request_id, float) and request_id.is_integer():
        item["id"] = int(request_id)
    try:
        message = jsonrpc_message_adapter.validate_python(item, by_name=False)
    except (ValidationError, RecursionError):
        message = None
    if message is None or (isinstance(message, JSONRPCNotification) and "id" in item):
        return _invalid(
            request_id,
            INVALID_REQUEST,
            'not a JSON-RPC request: it needs "jsonrpc": "2.0", an "id" that is a string or an '
            'integer, a "method", and "params" that are an object',
        )
    return message


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= MOST_DIGITS else float(digits)


def _id_in(text: str) -> str | int | None:
    """The id of a request that is not valid JSON, where its bytes still show one."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            depth += 1
        elif token[0] in "}]":
            depth -= 1
        elif depth == 1 and token[0] == '"id"' and (value := _VALUE.match(text, token.end())):
            if len(value[1]) > MOST_ID_CHARS:
                return None
            parsed: str | int = json.loads(value[1], strict=False)
            return parsed
    return None
