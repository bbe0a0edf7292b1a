"""The load generator: as many connections as asked for, each with its next request at once.

    python client.py

Reads one job as a JSON line from standard input, writes its outcome as one, until the input ends.
A job: `port`, `path`, `headers`, `body` (text; every `{tag}` in it becomes a name of the request's
own), `calls`, `in_flight`, `events` (pieces of text that an answer must hold; see upstream.py).
An outcome, times in milliseconds: `latency` (sent to end), `first` (sent to the first event),
`gap` (between two events, mean of an answer), `delay` (an event's way from the upstream's socket to
here), one each a call; `seconds` for all; `wrong`: what was not an answer, or not the whole of its
own, with the first as `example`.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any, Final

import httptools
import uvloop

PIECE: Final = re.compile(rb"\[(\w+):(\d+):(\d+)\]")
ENDS: Final = (b"data: [DONE]", b"message_stop", b"response.completed")
TIMEOUT_S: Final = 120.0


class Outcome:
    """What a job's calls took."""

    def __init__(self) -> None:
        self.latency: list[float] = []
        self.first: list[float] = []
        self.gap: list[float] = []
        self.delay: list[float] = []
        self.wrong = 0
        self.example = ""

    def fail(self, why: str) -> None:
        """A call whose answer was not what it had to be."""
        self.wrong += 1
        self.example = self.example or why


class Worker(asyncio.Protocol):
    """A connection; sends the next request of the job when an answer is over."""

    def __init__(self, job: dict[str, Any], left: Any, outcome: Outcome) -> None:
        self._job, self._left, self._outcome = job, left, outcome
        head = "".join(f"{name}: {value}\r\n" for name, value in job["headers"].items())
        self._head = f"POST {job['path']} HTTP/1.1\r\nhost: 127.0.0.1:{job['port']}\r\n{head}"
        self._transport: Any = None
        self._parser = httptools.HttpResponseParser(self)
        self._sent = self._first = self._last = 0
        self._tag = b""
        self._body = bytearray()
        self._is_stream = False
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of `asyncio.Protocol`."""
        self._transport = transport
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """Of `asyncio.Protocol`."""
        if not self.done.done():
            self._outcome.fail(f"the connection broke after {len(self._body)} bytes: {error}")
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Of `asyncio.Protocol`."""
        self._last = time.monotonic_ns()
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of the parser."""
        if name.lower() == b"content-type":
            self._is_stream = value.startswith(b"text/event-stream")

    def on_body(self, body: bytes) -> None:
        """Of the parser."""
        if self._is_stream:
            found = PIECE.findall(body)
            if found and not self._first:
                self._first = self._last
            self._outcome.delay += [
                (self._last - int(sent)) / 1e6 for _, _, sent in found if int(sent)
            ]
        self._body += body

    def on_message_complete(self) -> None:
        """Of the parser."""
        outcome, body, events = self._outcome, bytes(self._body), self._job["events"]
        expected = [(self._tag, b"%d" % number) for number in range(events)]
        status = self._parser.get_status_code()
        pieces = [(tag, number) for tag, number, _ in PIECE.findall(body)]
        if status != 200 or pieces != expected:
            outcome.fail(f"{status} to {self._tag!r}: {body[:400]!r}")
        elif self._is_stream and not any(end in body for end in ENDS):
            outcome.fail(f"a stream without its end: {body[-200:]!r}")
        else:
            outcome.latency.append((self._last - self._sent) / 1e6)
            if self._is_stream:
                outcome.first.append((self._first - self._sent) / 1e6)
                outcome.gap.append((self._last - self._first) / 1e6 / events)
        if self._parser.should_keep_alive():
            self._parser = httptools.HttpResponseParser(self)
            self._next()
        else:
            self.done.set_result(None)
            outcome.fail("the connection was not kept alive")

    def _next(self) -> None:
        number = next(self._left, None)
        if number is None:
            self.done.set_result(None)
            self._transport.close()
            return
        tag = f"t{number:07d}"
        body = self._job["body"].replace("{tag}", tag).encode()
        self._tag, self._first, self._body = tag.encode(), 0, bytearray()
        self._is_stream = False
        head = f"{self._head}content-length: {len(body)}\r\n\r\n".encode()
        self._sent = time.monotonic_ns()
        self._transport.write(head + body)


async def _run(job: dict[str, Any]) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    outcome, left = Outcome(), iter(range(job["calls"]))
    began = time.monotonic()

    async def work() -> None:
        try:
            _, worker = await loop.create_connection(
                lambda: Worker(job, left, outcome), "127.0.0.1", job["port"]
            )
            await asyncio.wait_for(worker.done, TIMEOUT_S)
        except OSError as error:  # a timeout is one of them
            outcome.fail(f"{type(error).__name__}: {error}")

    await asyncio.gather(*(work() for _ in range(min(job["in_flight"], job["calls"]))))
    return {"seconds": time.monotonic() - began, **vars(outcome)}


def main() -> None:
    """Run the jobs as they come."""
    for line in sys.stdin:
        outcome = json.dumps(uvloop.run(_run(json.loads(line)))).encode() + b"\n"
        with open(1, "wb", closefd=False, buffering=0) as output:
            while outcome:
                outcome = outcome[output.write(outcome) :]


if __name__ == "__main__":
    main()
