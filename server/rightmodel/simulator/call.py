"""One request on its way to a response: what faults and answers are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.simulator.dialects import Dialect, ErrorText, Facts, masked
from rightmodel.simulator.protocol import ServedFormat, Setting
from rightmodel.simulator.received import Received, count_tokens
from rightmodel.simulator.transport import Event, Json, Part, Pause, Response, dumps, json_response

if TYPE_CHECKING:
    from random import Random

    from rightmodel.core.task import WireFormat
    from rightmodel.simulator.behaviour import Behaviour, Reply

EVENT_STREAM: Final = (
    ("content-type", "text/event-stream; charset=utf-8"),
    ("cache-control", "no-cache"),
)


@dataclass(frozen=True, slots=True)
class Call:
    """A request together with the model asked and the way this provider speaks.

    `random`: the provider's own, seeded. `now`: seconds since 1970. `key`: that was sent.
    """

    request: Received
    behaviour: Behaviour
    wire: ServedFormat
    dialect: Dialect
    random: Random
    now: float
    key: str = ""

    @property
    def protocol(self) -> WireFormat:
        """The wire protocol."""
        return self.dialect.protocol

    @property
    def setting(self) -> Setting:
        """What an answer says about itself."""
        request, behaviour = self.request, self.behaviour
        return Setting(self.dialect, request.number, int(self.now), behaviour.chunk_tokens)

    # --- errors ---

    def facts(self, **more: Any) -> Facts:
        """What an error may mention: this request's own facts, unless `more` says otherwise."""
        request = self.request
        known: dict[str, Any] = {
            "model": request.model,
            "key": masked(self.key),
            "path": request.path,
            "input": count_tokens(request.text),
            "output": request.max_output or 0,
        }
        return Facts(**{**known, **more})

    def error(self, kind: str | ErrorText, **facts: Any) -> Response:
        """The response for an error, in this provider's words."""
        return self.dialect.error(kind, self.facts(**facts))

    def error_body(self, kind: str | ErrorText, **facts: Any) -> Any:
        """Only its body."""
        return self.dialect.error_body(kind, self.facts(**facts))

    # --- answers ---

    def reply(self) -> Reply:
        """The model's own answer, complete."""
        return self.finished(self.behaviour.reply(self.request))

    def finished(self, reply: Reply) -> Reply:
        """A reply with everything that was left open filled in."""
        return self.behaviour.finished(reply, self.request)

    def answer(self, reply: Reply | None = None) -> Response:
        """The response for a reply (the model's own by default), streamed if asked for."""
        reply = self.finished(reply or self.behaviour.reply(self.request))
        if self.request.stream:
            return self.stream(self.events(reply), reply)
        return self.whole(self.body(reply), reply)

    def body(self, reply: Reply) -> Json:
        """The body of an answer that is not streamed."""
        return self.wire.body(reply, self.request, self.setting)

    def events(self, reply: Reply) -> list[Event]:
        """The events of an answer that is streamed."""
        return self.wire.events(reply, self.request, self.setting)

    def whole(self, body: Any, reply: Reply | None = None) -> Response:
        """A 200 with a body; `reply`: whose tokens take their time before it."""
        used = reply.usage.output if reply is not None and reply.usage is not None else 0
        seconds = self.behaviour.seconds(used)
        response = json_response(200, body, self.dialect.headers)
        return replace(response, before=(Pause(seconds),) if seconds else ())

    def stream(
        self, events: Sequence[Event], reply: Reply | None = None, *, done: bool = True
    ) -> Response:
        """A 200 with events, paced; `done`: with what ends a stream. Not SSE where Gemini isn't."""
        thought = reply.reasoning_tokens or 0 if reply is not None else 0
        first_s, tokens_per_s = self.behaviour.seconds(thought), self.behaviour.tokens_per_s
        parts: list[Part] = [Pause(first_s)] if first_s else []
        array = self.protocol == "gemini" and self.request.query.get("alt") != "sse"
        for number, event in enumerate(events):
            if array:
                parts.append(_item(event, number, len(events)))
            else:
                parts.append(event.encode(self.wire.newline))
            if event.tokens and tokens_per_s:
                parts.append(Pause(event.tokens / tokens_per_s))
        if done and self.wire.last:
            parts.append(self.wire.last)
        kind = (("content-type", "application/json"),) if array else EVENT_STREAM
        headers = (*kind, *self.dialect.headers.items())
        return Response(200, headers, tuple(parts), chunked=True)


def _item(event: Event, number: int, count: int) -> bytes:
    """One element of the JSON array that Gemini streams without `alt=sse`."""
    data = event.data if isinstance(event.data, str) else dumps(event.data)
    last = number == count - 1
    return f"{'[' if number == 0 else ''}{data}{']' if last else ','}\r\n".encode()
