"""A scripted upstream on loopback, raw enough to break off wherever a test wants it to."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.errors import ProviderError
from rightmodel.core.task import Message, WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from rightmodel.core.call import Completion
    from rightmodel.upstream.exchange import Upstream
    from rightmodel.upstream.live import Watch

KEY: Final = "sk-very-secret-key"
PATIENCE_S: Final = 10.0


@dataclass
class Reply:
    """One response. `end`: how it ends: "whole", "cut" (no last chunk), "close" (no framing at
    all, ended by closing), "open" (never ends), "reset", "none" (nothing is sent), "half" (half
    a head is sent). `burst`: HTTP chunks that are sent without a pause."""

    chunks: tuple[bytes, ...] = ()
    status: int = 200
    kind: str = "text/event-stream; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    end: str = "whole"
    burst: int = 1


@dataclass
class Received:
    """One request as it came in. `connection`: which connection it came over, from 1."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int


@dataclass
class ScriptedServer:
    """Answers every request with the next reply; the last one goes on."""

    replies: list[Reply]
    base: str = ""
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    most_open: int = 0
    sent: asyncio.Event = field(default_factory=asyncio.Event)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    writers: dict[asyncio.Task[Any], asyncio.StreamWriter] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.writers[task] = writer
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self._serve(reader, writer, self.connections)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open -= 1
            self.hung_up.set()
            writer.close()

    async def stop(self) -> None:
        """Break every connection off."""
        for writer in self.writers.values():
            writer.transport.abort()
        await asyncio.gather(*self.writers)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int
    ) -> None:
        goes_on = True
        while goes_on:
            self.requests.append(await _received(reader, number))
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            goes_on = await self._answer(reply, reader, writer)

    async def _answer(
        self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if reply.end == "half":
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-")
        if reply.end in {"none", "half"}:
            await writer.drain()
            return False
        framed = reply.end != "close"
        framing = "transfer-encoding: chunked" if framed else "connection: close"
        more = "".join(f"{k}: {v}\r\n" for k, v in reply.headers.items())
        kind = f"content-type: {reply.kind}\r\n" if reply.kind else ""
        writer.write(f"HTTP/1.1 {reply.status} X\r\n{kind}{more}{framing}\r\n\r\n".encode())
        for number, chunk in enumerate(reply.chunks, 1):
            writer.write(b"%x\r\n%s\r\n" % (len(chunk), chunk) if framed else chunk)
            if number % reply.burst == 0:
                await writer.drain()
                await asyncio.sleep(0)
        self.sent.set()
        if reply.end == "open":
            await reader.read(1)
        elif reply.end == "reset":
            writer.transport.abort()
        elif reply.end == "whole":
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        return reply.end == "whole"


async def _received(reader: asyncio.StreamReader, number: int) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Received(first.split(" ")[1], headers, json.loads(body), number)


@contextlib.asynccontextmanager
async def upstream(
    *replies: Reply, tls: ssl.SSLContext | None = None
) -> AsyncIterator[ScriptedServer]:
    found = ScriptedServer(list(replies))
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0, ssl=tls, backlog=1024)
    scheme = "https" if tls else "http"
    found.base = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield found
    finally:
        server.close()
        await found.stop()


class Heard:
    """A watch that remembers."""

    shows_text = True

    def __init__(self) -> None:
        self.chars: list[int] = []
        self.texts: list[str] = []
        self.is_sent = False

    relays = False

    async def relay(self, raw: bytes, events: Any) -> None:
        """Nothing is relayed."""

    def received(self, chars: int, text: str = "") -> None:
        if chars:
            self.chars.append(chars)
        self.texts.append(text)


def request_of(
    base: str, protocol: WireFormat = WireFormat.OPENAI_CHAT, **fields: Any
) -> ModelRequest:
    """A request with a key and one turn; `fields` are the other fields of `ModelRequest`."""
    provider = Provider("p", protocol, base + ("/v1" if protocol is WireFormat.OPENAI_CHAT else ""))
    given = {"name": "m", "messages": (Message.of("user", "hi"),), "key": KEY, **fields}
    return ModelRequest(**{"provider": provider, **given})


@contextlib.asynccontextmanager
async def scripted(
    *replies: Reply, patience: float = PATIENCE_S
) -> AsyncIterator[tuple[ScriptedServer, HttpClient]]:
    """An upstream and a client; every wait is bounded."""
    async with asyncio.timeout(patience), upstream(*replies) as server:
        client = HttpClient()
        try:
            yield server, client
        finally:
            await client.close()


def ask(
    *replies: Reply,
    protocol: WireFormat = WireFormat.OPENAI_CHAT,
    watch: Watch | None = None,
    times: int = 1,
    patience: float = PATIENCE_S,
    **fields: Any,
) -> tuple[Completion, ScriptedServer]:
    """The last of so many completions, asked one after the other, and the upstream."""

    async def run() -> tuple[Completion, ScriptedServer]:
        async with scripted(*replies, patience=patience) as (server, client):
            chat: Upstream = make_upstreams(client)[protocol]
            for _ in range(times - 1):
                await chat.complete(request_of(server.base, protocol, **fields), watch)
            return await chat.complete(request_of(server.base, protocol, **fields), watch), server

    return asyncio.run(run())


def failure(*replies: Reply, **arguments: Any) -> ProviderError:
    """The error that asking ends in."""
    try:
        completion, _ = ask(*replies, **arguments)
    except ProviderError as error:
        return error
    raise AssertionError(f"there was an answer: {completion}")


def refusal(status: int, body: Any, **headers: str) -> Reply:
    """An error response. A string is sent as it is."""
    is_text = isinstance(body, str)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(
        ((body if is_text else json.dumps(body)).encode(),),
        status,
        "text/html" if is_text else "application/json",
        named,
    )


def plain(body: Any, kind: str = "application/json") -> Reply:
    """A 200 in one piece."""
    return Reply((json.dumps(body).encode(),), kind=kind)


def events(*values: Any, end: str = "whole", done: bool = False) -> Reply:
    """A stream of events, each in a chunk of its own."""
    chunks = [b"data: %s\n\n" % json.dumps(value).encode() for value in values]
    return Reply((*chunks, *([b"data: [DONE]\n\n"] if done else [])), end=end)


def chunk(
    delta: dict[str, Any] | None = None, finish: str | None = None, **more: Any
) -> dict[str, Any]:
    """One `chat.completion.chunk`."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m-1"}
    return {**head, "choices": [choice], **more}


def chat(text: str = "ok", **more: Any) -> Reply:
    """A whole streamed answer of the OpenAI protocol; `more` goes into its last chunk."""
    return events(
        chunk({"role": "assistant", "content": text}), chunk(finish="stop", **more), done=True
    )


def message(text: str = "ok", stop: str = "end_turn", **usage: int) -> Reply:
    """A whole streamed answer of Anthropic's protocol."""
    counts = {"input_tokens": 10, "output_tokens": 1, **usage}
    start: dict[str, object] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": counts,
    }  # fmt: skip
    block = {"type": "text", "text": ""}
    return events(
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop, "stop_sequence": None},
            "usage": {"output_tokens": 7},
        },
        {"type": "message_stop"},
    )


def generated(text: str = "ok", finish: str = "STOP", **more: Any) -> Reply:
    """A whole streamed answer of Gemini's protocol."""
    content = {"parts": [{"text": text}], "role": "model"}
    last = {"candidates": [{"content": content, "finishReason": finish, "index": 0}]}
    return events({**last, "modelVersion": "m-1", **more})
