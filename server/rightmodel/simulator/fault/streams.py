"""Faults of the connection and in the middle of an answer: stalls, cuts, errors after a 200."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.simulator.fault.base import ANTHROPIC, CHAT, Group, SimulatedFault, made
from rightmodel.simulator.transport import End, Event, Forever, Json, Part, Response, Stall

if TYPE_CHECKING:
    from rightmodel.simulator.call import Call

STREAMS: Final = Group("In the middle of an answer")
NETWORK: Final = Group("Network")
BROKEN: Final = (Fault.CONNECTION, Fault.MALFORMED, Fault.CUT_OFF)
_ENDINGS: Final = frozenset({
    "content_block_stop", "message_delta", "message_stop", "response.completed",
    "response.incomplete",
})  # fmt: skip


@STREAMS.fault(Fault.TIMEOUT)
def no_first_byte(_: Call) -> Response:
    """The request is read, and nothing ever comes: not even a status line."""
    return Response(silent=True, before=(Stall(),), end=End.CUT)


@STREAMS.fault(Fault.TIMEOUT)
def no_first_event(call: Call) -> Response:
    """Status and headers come at once, then nothing."""
    return replace(call.answer(), body=(Stall(),), length=1000, end=End.CUT)


@STREAMS.fault(streamed=True, protocols=CHAT | ANTHROPIC)
def empty_stream(call: Call) -> Response:
    """Status and headers of a stream, then its proper end, without a single event.

    So llama-cpp-python answers a prompt that is too long; without streaming it says what is wrong.
    """
    return replace(call.answer(), before=(), body=())


@STREAMS.fault(Fault.TIMEOUT)
def stall(call: Call, share: float = 0.5) -> Response:
    """The answer stops after a share of its bytes (0-1); the connection stays open."""
    return _after(call.answer(), share, Stall())


@STREAMS.fault(Fault.TIMEOUT, streamed=True)
def comments_forever(call: Call, every_s: float = 1.0) -> Response:
    """A stream of keep-alive comments and nothing else, in the provider's own words."""
    comment = _comment(call)
    if call.protocol == WireFormat.ANTHROPIC_MESSAGES:
        comment = Event({"type": "ping"}, "ping").encode()
    return replace(call.answer(), body=(Forever(comment, every_s),), end=End.CUT)


@STREAMS.fault(streamed=True, protocols=CHAT | ANTHROPIC)
def late_comments(call: Call, count: int = 3) -> Response:
    """Keep-alive comments between the events of a good answer: nothing is wrong."""
    response = call.answer()
    comment = _comment(call) * count
    body: list[Part] = []
    for part in response.body:
        body += [comment, part] if isinstance(part, bytes) else [part]
    return replace(response, body=tuple(body))


def _comment(call: Call) -> bytes:
    return f"{call.dialect.comment}\n\n".encode()


@STREAMS.fault(*BROKEN, streamed=True)
def no_done(call: Call) -> Response:
    """The stream ends cleanly, but without finish reason, usage and `[DONE]`: not a success."""
    reply = call.reply()
    return call.stream([e for e in call.events(reply) if not _ends(e)], reply, done=False)


@STREAMS.fault(streamed=True, protocols=CHAT)
def no_done_line(call: Call) -> Response:
    """Only `[DONE]` is missing; the finish reason came: nothing is lost."""
    reply = call.reply()
    return call.stream(call.events(reply), reply, done=False)


@STREAMS.fault(*BROKEN)
def cut_in_event(call: Call, share: float = 0.5) -> Response:
    """The connection closes inside an event, or inside the body: no last chunk, a short length."""
    return _after(call.answer(), share)


@STREAMS.fault(*BROKEN)
def clean_cut_in_event(call: Call, share: float = 0.5) -> Response:
    """As `cut_in_event`, but the encoding is ended properly, as by a proxy that tidies up."""
    return replace(_after(call.answer(), share), end=End.CLOSE, length=None)


@STREAMS.fault(*BROKEN)
def reset_midway(call: Call, share: float = 0.5) -> Response:
    """A TCP reset after a share of the bytes."""
    return replace(_after(call.answer(), share), end=End.RESET)


@STREAMS.fault(Fault.MALFORMED, streamed=True)
def garbage_chunk(call: Call, text: str = "upstream connect error or disconnect/reset") -> Response:
    """One event in the middle is no JSON."""
    reply = call.reply()
    events = call.events(reply)
    middle = len(events) // 2
    events[middle] = replace(events[middle], data=text)
    return call.stream(events, reply)


def error_in_stream(kind: str = "overloaded", *, at_once: bool = False) -> SimulatedFault:
    """An error as an event inside a stream, after a 200. `at_once`: before any of the answer.

    Anthropic: `event: error` (platform.claude.com/docs/en/build-with-claude/streaming). OpenRouter:
    beside a chunk with `finish_reason: "error"` (openrouter.ai/docs/api/reference/streaming).
    """

    def plan(call: Call) -> Response:
        reply = call.reply()
        events = [] if at_once else call.events(reply)
        kept = [e for e in events[: max(1, len(events) // 2)] if not _ends(e)]
        return call.stream([*kept, _error_event(call, kind)], reply, done=False)

    known = {
        "rate_limit": (Fault.RATE_LIMITED,),
        "overloaded": (Fault.OVERLOADED, Fault.SERVER, Fault.RATE_LIMITED),
        "context": (Fault.CONTEXT_OVERFLOW,),
    }
    fault = made("error_in_stream", plan, *known.get(kind, (Fault.SERVER,)))
    return replace(fault, streamed=True)


def overloaded_in_stream() -> SimulatedFault:
    """Anthropic's `overloaded_error` as an event after a 200: a 529 that came too late."""
    return replace(error_in_stream(), name="overloaded_in_stream", protocols=ANTHROPIC)


STREAMS.faults += (error_in_stream(), overloaded_in_stream())


def _error_event(call: Call, kind: str) -> Event:
    if call.dialect.name == "mistral" and kind == "overloaded":
        kind = "rate_limit"  # its words for overload are an invalid request without their 429
    body: Json = call.error_body(kind, window=8192)
    if call.protocol == WireFormat.ANTHROPIC_MESSAGES:
        return Event({k: v for k, v in body.items() if k != "request_id"}, "error")
    if call.dialect.name == "openrouter":
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        kind = "chat.completion.chunk"
        head = {"id": "gen-simulated", "object": kind, "model": call.request.model}
        return Event({**head, "error": body["error"], "choices": [choice]})
    return Event(body)


def _ends(event: Event) -> bool:
    """Whether an event belongs to how a stream ends properly: finish reason, usage, stop."""
    data = event.data
    if not isinstance(data, dict):
        return False
    if data.get("type") in _ENDINGS or data.get("choices") == []:
        return True
    choice: Json = next(iter(data.get("choices") or data.get("candidates") or ()), {})
    return bool(choice.get("finish_reason") or choice.get("finishReason"))


def _after(response: Response, share: float, *then: Part) -> Response:
    """The response up to a share of its bytes, then something else. The length stays announced."""
    total = sum(len(part) for part in response.body if isinstance(part, bytes))
    left = min(max(1, int(total * share)), total - 1)
    body: list[Part] = []
    for part in response.body:
        if not isinstance(part, bytes):
            body.append(part)
        elif len(part) <= left:
            body.append(part)
            left -= len(part)
        else:
            body += [part[:left]] if left else []
            break
    return replace(response, body=(*body, *then), length=total, end=End.CUT)


# --- network ---


@NETWORK.fault(Fault.CONNECTION, closes_port=True)
def refused(_: Call) -> Response:
    """The connection is refused: with `fail_all` the port is closed until `heal`.

    As one step of a script, or for one model, the connection is reset without an answer instead.
    """
    return Response(silent=True, end=End.RESET)


@NETWORK.fault(Fault.CONNECTION)
def reset_at_once(_: Call) -> Response:
    """The request is read, then the connection reset."""
    return Response(silent=True, end=End.RESET)


@NETWORK.fault(Fault.CONNECTION)
def closed_unanswered(_: Call) -> Response:
    """The request is read, then the connection closed politely, without a byte of answer."""
    return Response(silent=True, end=End.CUT)


@NETWORK.fault(Fault.CONNECTION, Fault.MALFORMED)
def reset_after_headers(call: Call) -> Response:
    """Status and headers come, then a TCP reset."""
    return replace(call.answer(), body=(), length=1000, end=End.RESET, before=())


@NETWORK.fault()
def closed_after_answer(call: Call) -> Response:
    """A good answer, then the kept-alive connection is closed without notice. Nothing is wrong."""
    return replace(call.answer(), end=End.CLOSE)


@NETWORK.fault()
def stale_connection(call: Call) -> Response:
    """A good answer; the next request on the same connection is read and not answered.

    What a client sees that sends on a connection just as the server gives it up: it has to try
    once more on a fresh one. Nothing is wrong with this answer.
    """
    return replace(call.answer(), drops_next=True)


@NETWORK.fault(Fault.CONNECTION, Fault.SERVER, Fault.MALFORMED, Fault.BAD_REQUEST)
def redirect(_: Call, to: str = "https://elsewhere.invalid/v1", status: int = 307) -> Response:
    """A redirect to another host, which must not be followed: the key would go along."""
    return Response(status, (("location", to), ("content-type", "text/plain")), (b"Moved.",))
