"""A streamed response on its way to the client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from rightmodel.surfaces.http.headers import of_start
from rightmodel.wire.response import ChatResponse, StreamEvent, events_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import Send

    from rightmodel.core.call import Completion
    from rightmodel.execution.relay import ResponseStart
    from rightmodel.surfaces.http.errors import HttpError
    from rightmodel.wire.codec import Codec, Envelope, StreamEncoder

Headers = tuple[tuple[bytes, bytes], ...]
KEEP_ALIVE_S: Final = 10.0
"""A client that waits for the first event hears something this often."""
EVENT_STREAM: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)


class StreamRelay:
    """Sends a response as server-sent events, from the first event of the upstream on.

    Until then nothing is sent, so that an error still has its status; a client that waits longer
    than `KEEP_ALIVE_S` receives the head and keep-alives, and an error as an event.

    `envelope`: makes the response's own fields from the id of the model that serves it.
    `wants_usage`: whether a chat's client asked for the chunk that has usage and no choices.
    """

    def __init__(
        self, send: Send, codec: Codec, envelope: Callable[[str], Envelope], *, wants_usage: bool
    ) -> None:
        self._send = send
        self._codec = codec
        self._envelope = envelope
        self._served = envelope("")
        self._wants_usage = wants_usage
        self._encoder: StreamEncoder | None = None
        self._beat: asyncio.Task[None] | None = None
        self._timer = self._later()
        self.opened = False
        self.began = False
        """Whether the head is sent: an error no longer has a status."""

    async def open(self, start: ResponseStart) -> None:
        """The first event is there."""
        self.opened = True
        await self._stop_waiting()
        await self._head(of_start(start))
        if not start.is_raw:
            await self._begin(start.model)

    async def raw(self, data: bytes) -> None:
        """Whole events, as received."""
        await self._body(data)

    async def events(self, events: Sequence[StreamEvent]) -> None:
        """More of the response, to be encoded."""
        if self._encoder is not None:
            encode, frame = self._encoder.event, self._codec.frame
            data = b"".join([frame(part) for event in events for part in encode(event)])
            if data:
                await self._body(data)

    async def end(self, completion: Completion, model: str, headers: Headers) -> None:
        """The response is complete. One that came in one piece is sent as a stream now.

        `model`, `headers`: for the latter.
        """
        response = response_of(completion)
        if not self.opened:
            await self._stop_waiting()
            await self._head(headers)
            await self._begin(model)
            self.opened = True
            await self.events(events_of(response))
        last = b""
        if self._encoder is not None:
            ending = self._encoder.end(response)
            if not self._wants_usage:
                ending = [event for event in ending if event.get("choices") != []]
            last = b"".join(map(self._codec.frame, ending)) + self._codec.last
        await self._send({"type": "http.response.body", "body": last})

    async def fail(self, error: HttpError) -> None:
        """End a stream that began with the error event of the client's API."""
        await self._stop_waiting()
        event = self._codec.error_event(error.status, error.code, error.message, self._served)
        await self._send({"type": "http.response.body", "body": event})

    def close(self) -> None:
        """Stop the keep-alives."""
        self._timer.cancel()
        if self._beat is not None:
            self._beat.cancel()

    async def _begin(self, model: str) -> None:
        self._served = self._envelope(model)
        self._encoder = self._codec.stream_encoder(self._served)
        await self._body(b"".join(map(self._codec.frame, self._encoder.start())))

    async def _head(self, headers: Headers) -> None:
        if not self.began:
            self.began = True
            message = {"type": "http.response.start", "status": 200}
            await self._send({**message, "headers": [*EVENT_STREAM, *headers]})

    async def _body(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    # --- while the first event is awaited ---

    def _later(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._start_beat)

    def _start_beat(self) -> None:
        self._beat = asyncio.get_running_loop().create_task(self._send_keep_alive())
        self._timer = self._later()

    async def _send_keep_alive(self) -> None:
        await self._head(())
        await self._body(self._codec.keep_alive)

    async def _stop_waiting(self) -> None:
        """No keep-alive comes in between from now on."""
        self._timer.cancel()
        if self._beat is not None:
            await self._beat
            self._beat = None


def response_of(completion: Completion) -> ChatResponse:
    """The neutral form of a whole answer."""
    return ChatResponse(
        parts=completion.parts,
        finish=completion.finish,
        served=completion.served,
        usage=completion.usage,
        cost_usd=completion.cost_usd,
        id=completion.id,
    )
