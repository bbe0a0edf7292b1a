"""A provider on loopback that answers at once: chat completions, responses and messages.

    python upstream.py PORT

It runs on uvloop and httptools, apart from the gateways, so that it is never the bottleneck. What
it answers follows from three marks in the request's text: `events=N` pieces of text, one event
each; `pace=MS` between two of them (0: as fast as the socket takes them); `tag=NAME`. A piece is
`[NAME:NUMBER:NANOSECONDS]`, with the time on the machine's monotonic clock when it was written: so
a client sees which answer a piece belongs to, whether one is missing, and how long it took.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any, Final, NamedTuple

import httptools
import uvloop

MARKS: Final = re.compile(rb"events=(\d+) pace=([\d.]+) tag=(\w+)")
STREAMED: Final = re.compile(rb'"stream"\s*:\s*true')
INPUT: Final = 987_654_321
"""Stands for the number of prompt tokens: a quarter of the request's bytes."""
USAGE: Final = {"prompt_tokens": INPUT, "completion_tokens": 20, "total_tokens": INPUT}
TOKENS: Final = {"input_tokens": INPUT, "output_tokens": 20}
PIECE: Final = "PIECE"
RESPONSE: Final = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": {},
    "temperature": 1.0,
    "top_p": 1.0,
    "usage": {
        **TOKENS,
        "total_tokens": INPUT,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    },
}
"""All but the output."""


class Script(NamedTuple):
    """How a dialect answers: the answer in one piece; a stream's begin, its event, its end."""

    whole: bytes
    begin: bytes
    event: tuple[bytes, bytes]
    end: bytes

    def counting(self, tokens: int) -> Script:
        """The same with so many prompt tokens in its usage."""
        found, count = str(INPUT).encode(), str(tokens).encode()
        whole, begin, end = (p.replace(found, count) for p in (self.whole, self.begin, self.end))
        return Script(whole, begin, self.event, end)


def _sse(*events: dict[str, Any], named: bool = True) -> bytes:
    return b"".join(
        (f"event: {event['type']}\n" if named else "").encode()
        + b"data: "
        + json.dumps(event, separators=(",", ":")).encode()
        + b"\n\n"
        for event in events
    )


def _script(whole: dict[str, Any], begin: bytes, event: bytes, end: bytes) -> Script:
    before, _, after = event.partition(PIECE.encode())
    return Script(json.dumps(whole).encode(), begin, (before, after), end)


def _chat() -> Script:
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}

    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _sse({**head, "choices": [choice]}, named=False)

    message = {"role": "assistant", "content": PIECE}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    whole = {**head, "object": "chat.completion", "choices": [choice], "usage": USAGE}
    usage = _sse({**head, "choices": [], "usage": USAGE}, named=False)
    return _script(
        whole,
        b"",
        chunk({"content": PIECE}),
        chunk({}, "stop") + usage + b"data: [DONE]\n\n",
    )


def _messages() -> Script:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": PIECE}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": TOKENS,
    }
    begun = {**message, "content": [], "stop_reason": None, "usage": {**TOKENS, "output_tokens": 1}}
    block = {"type": "text", "text": ""}
    delta = {"type": "text_delta", "text": PIECE}
    ended = {"stop_reason": "end_turn", "stop_sequence": None}
    return _script(
        message,
        _sse(
            {"type": "message_start", "message": begun},
            {"type": "content_block_start", "index": 0, "content_block": block},
        ),
        _sse({"type": "content_block_delta", "index": 0, "delta": delta}),
        _sse(
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": ended, "usage": TOKENS},
            {"type": "message_stop"},
        ),
    )


def _responses() -> Script:
    part = {"type": "output_text", "text": PIECE, "annotations": []}
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    whole = {**RESPONSE, "output": [{**item, "content": [part]}]}
    begun = {**whole, "status": "in_progress", "output": [], "usage": None}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    empty = {**part, "text": ""}
    added = {**item, "status": "in_progress", "content": []}
    number = {"sequence_number": 1}
    return _script(
        whole,
        _sse(
            {"type": "response.created", "response": begun, **number},
            {"type": "response.output_item.added", "output_index": 0, "item": added, **number},
            {"type": "response.content_part.added", **place, "part": empty, **number},
        ),
        _sse({"type": "response.output_text.delta", **place, "delta": PIECE, **number}),
        _sse(
            {"type": "response.output_text.done", **place, "text": "", **number},
            {"type": "response.content_part.done", **place, "part": empty, **number},
            {
                "type": "response.output_item.done",
                "output_index": 0,
                "item": {**item, "content": [empty]},
                **number,
            },
            {"type": "response.completed", "response": whole, **number},
        ),
    )


SCRIPTS: Final = {
    b"/chat/completions": _chat(),
    b"/responses": _responses(),
    b"/messages": _messages(),
}


class Connection(asyncio.Protocol):
    """One client."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._path, self._body = b"", bytearray()
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of `asyncio.Protocol`."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, _: Exception | None) -> None:
        """Of `asyncio.Protocol`."""
        self._lost = True

    def data_received(self, data: bytes) -> None:
        """Of `asyncio.Protocol`."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Of the parser."""
        self._path = url.partition(b"?")[0]
        self._body.clear()

    def on_body(self, body: bytes) -> None:
        """Of the parser."""
        self._body += body

    def on_message_complete(self) -> None:
        """Of the parser."""
        assert self._transport is not None
        script = next((s for path, s in SCRIPTS.items() if self._path.endswith(path)), None)
        if script is None:
            self._transport.write(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")
            return
        script = script.counting(len(self._body) // 4)
        marks = MARKS.search(self._body)
        events, pace, tag = marks.groups() if marks else (b"1", b"0", b"x")
        if STREAMED.search(self._body):
            self._stream(script, tag.decode(), int(events), float(pace) / 1000)
            return
        pieces = "".join(f"[{tag.decode()}:{i}:0]" for i in range(int(events)))
        body = script.whole.replace(PIECE.encode(), pieces.encode())
        self._transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(body), body)
        )

    def _stream(self, script: Script, tag: str, events: int, pace_s: float) -> None:
        assert self._transport is not None
        transport = self._transport
        loop = asyncio.get_running_loop()
        before, after = script.event
        transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
            b"transfer-encoding: chunked\r\n\r\n" + _chunk(script.begin)
        )

        def write(number: int) -> None:
            if self._lost:
                return
            if number == events:
                transport.write(_chunk(script.end) + b"0\r\n\r\n")
                return
            piece = f"[{tag}:{number}:{time.monotonic_ns()}]".encode()
            transport.write(_chunk(before + piece + after))
            if pace_s:
                loop.call_later(pace_s, write, number + 1)
            else:
                loop.call_soon(write, number + 1)

        write(0)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port, backlog=2048)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
