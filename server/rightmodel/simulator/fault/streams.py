"""Faults in the middle of an answer: stalls, cuts, errors after a 200."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.fault import Fault
from rightmodel.core.task import WireFormat
from rightmodel.simulator.fault.base import ANTHROPIC, CHAT, SimulatedFault, made
from rightmodel.simulator.transport import End, Event, Forever, Response, Stall

if TYPE_CHECKING:
    from rightmodel.simulator.call import Call
    from rightmodel.simulator.transport import Json, Part

_ENDINGS: Final = frozenset({
    "content_block_stop", "message_delta", "message_stop", "response.completed",
    "response.incomplete",
})  # fmt: skip
BROKEN: Final = (Fault.CONNECTION, Fault.MALFORMED, Fault.CUT_OFF)


def no_first_byte() -> SimulatedFault:
    """The request is read, and nothing ever comes: not even a status line."""

    def plan(_: Call) -> Response:
        return Response(silent=True, before=(Stall(),), end=End.CUT)

    return made("no_first_byte", plan, Fault.TIMEOUT)


def no_first_event() -> SimulatedFault:
    """Status and headers come at once, then nothing."""

    def plan(call: Call) -> Response:
        return replace(call.answer(), body=(Stall(),), length=1000, end=End.CUT)

    return made("no_first_event", plan, Fault.TIMEOUT)


def empty_stream() -> SimulatedFault:
    """Status and headers of a stream, then its proper end, without a single event.

    So llama-cpp-python answers a prompt that is too long; without streaming it says what is wrong.
    """

    def plan(call: Call) -> Response:
        return replace(call.answer(), before=(), body=())

    return replace(made("empty_stream", plan), streamed=True, protocols=CHAT | ANTHROPIC)


def stall(share: float = 0.5) -> SimulatedFault:
    """The answer stops after a share of its bytes (0-1); the connection stays open."""

    def plan(call: Call) -> Response:
        return _after(call.answer(), share, Stall())

    return made("stall", plan, Fault.TIMEOUT)


def comments_forever(every_s: float = 1.0) -> SimulatedFault:
    """A stream of keep-alive comments and nothing else, in the provider's own words."""

    def plan(call: Call) -> Response:
        comment = f"{call.dialect.comment}\n\n".encode()
        if call.protocol == WireFormat.ANTHROPIC_MESSAGES:
            comment = Event({"type": "ping"}, "ping").encode()
        return replace(call.answer(), body=(Forever(comment, every_s),), end=End.CUT)

    return replace(made("comments_forever", plan, Fault.TIMEOUT), streamed=True)


def late_comments(count: int = 3) -> SimulatedFault:
    """Keep-alive comments between the events of a good answer: nothing is wrong."""

    def plan(call: Call) -> Response:
        response = call.answer()
        comment = f"{call.dialect.comment}\n\n".encode() * count
        body: list[Part] = []
        for part in response.body:
            body += [comment, part] if isinstance(part, bytes) else [part]
        return replace(response, body=tuple(body))

    return replace(made("late_comments", plan), streamed=True, protocols=CHAT | ANTHROPIC)


def no_done() -> SimulatedFault:
    """The stream ends cleanly, but without finish reason, usage and `[DONE]`: not a success."""

    def plan(call: Call) -> Response:
        reply = call.reply()
        events = [e for e in call.events(reply) if not _ends(e)]
        return call.stream(events, reply, done=False)

    return replace(made("no_done", plan, *BROKEN), streamed=True)


def no_done_line() -> SimulatedFault:
    """Only `[DONE]` is missing; the finish reason came: nothing is lost."""

    def plan(call: Call) -> Response:
        reply = call.reply()
        return call.stream(call.events(reply), reply, done=False)

    return replace(made("no_done_line", plan), streamed=True, protocols=CHAT)


def cut_in_event(share: float = 0.5) -> SimulatedFault:
    """The connection closes inside an event, or inside the body: no last chunk, a short length."""

    def plan(call: Call) -> Response:
        return replace(_after(call.answer(), share), end=End.CUT)

    return made("cut_in_event", plan, *BROKEN)


def clean_cut_in_event(share: float = 0.5) -> SimulatedFault:
    """As `cut_in_event`, but the encoding is ended properly, as by a proxy that tidies up."""

    def plan(call: Call) -> Response:
        return replace(_after(call.answer(), share), end=End.CLOSE, length=None)

    return made("clean_cut_in_event", plan, *BROKEN)


def reset_midway(share: float = 0.5) -> SimulatedFault:
    """A TCP reset after a share of the bytes."""

    def plan(call: Call) -> Response:
        return replace(_after(call.answer(), share), end=End.RESET)

    return made("reset_midway", plan, *BROKEN)


def garbage_chunk(text: str = "upstream connect error or disconnect/reset") -> SimulatedFault:
    """One event in the middle is no JSON."""

    def plan(call: Call) -> Response:
        reply = call.reply()
        events = call.events(reply)
        middle = len(events) // 2
        bad = replace(events[middle], data=text)
        return call.stream([*events[:middle], bad, *events[middle + 1 :]], reply)

    return replace(made("garbage_chunk", plan, Fault.MALFORMED), streamed=True)


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

    readings = {
        "rate_limit": (Fault.RATE_LIMITED,),
        "overloaded": (Fault.OVERLOADED, Fault.SERVER, Fault.RATE_LIMITED),
        "context": (Fault.CONTEXT_OVERFLOW,),
    }
    found = made("error_in_stream", plan, *readings.get(kind, (Fault.SERVER,)))
    return replace(found, streamed=True)


def overloaded_in_stream() -> SimulatedFault:
    """Anthropic's `overloaded_error` as an event after a 200: a 529 that came too late."""
    found = error_in_stream("overloaded")
    return replace(found, name="overloaded_in_stream", protocols=ANTHROPIC)


def _error_event(call: Call, kind: str) -> Event:
    if call.dialect.name == "mistral" and kind == "overloaded":
        kind = "rate_limit"  # its words for overload are an invalid request without their 429
    body: Json = call.error_body(kind, window=8192)
    if call.protocol == WireFormat.ANTHROPIC_MESSAGES:
        return Event({k: v for k, v in body.items() if k != "request_id"}, "error")
    if call.dialect.name == "openrouter":
        choice = {"index": 0, "delta": {"content": ""}, "finish_reason": "error"}
        head = {
            "id": "gen-simulated",
            "object": "chat.completion.chunk",
            "model": call.request.model,
        }
        return Event({**head, "error": body["error"], "choices": [choice]})
    return Event(body)


def _ends(event: Event) -> bool:
    """Whether an event belongs to how a stream ends properly: finish reason, usage, stop."""
    data = event.data
    if not isinstance(data, dict):
        return False
    if data.get("type") in _ENDINGS:
        return True
    if data.get("choices") == []:
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
            if left:
                body.append(part[:left])
            break
    return replace(response, body=(*body, *then), length=total, end=End.CUT)
