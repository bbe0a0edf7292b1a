"""Faults that come as a 200: something that is not an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from rightmodel.core.call import Usage
from rightmodel.core.fault import Fault
from rightmodel.simulator.behaviour import Reply, ToolCall
from rightmodel.simulator.dialects import ErrorText
from rightmodel.simulator.fault.base import CHAT, GEMINI, Group, SimulatedFault, made
from rightmodel.simulator.received import count_tokens
from rightmodel.simulator.transport import Event, Json, Response, dumps

if TYPE_CHECKING:
    from rightmodel.simulator.call import Call

ANSWERS: Final = Group("Invalid answers")
JSON: Final = (("content-type", "application/json"),)


def replies(name: str, reply: Reply | Callable[[Call], Reply], *leads_to: Fault) -> SimulatedFault:
    """A fault that is an odd answer, well-formed in every protocol."""

    def plan(call: Call) -> Response:
        return call.answer(reply(call) if callable(reply) else reply)

    return made(name, plan, *leads_to)


@ANSWERS.fault(Fault.EMPTY, Fault.MALFORMED, Fault.CONNECTION)
def no_choices(call: Call) -> Response:
    """No choices, no candidates, no content blocks."""

    def emptied(body: Json) -> Json:
        keys = ("choices", "candidates", "content", "output")
        return {k: [] if k in keys else v for k, v in body.items()}

    reply = call.reply()
    if not call.request.stream:
        return call.whole(emptied(call.body(reply)), reply)
    kept = [e for e in call.events(reply) if not isinstance(e.data, dict) or _bare(e.data)]
    first = call.events(reply)[0]
    none = [] if kept else [Event(emptied(first.data))] if isinstance(first.data, dict) else []
    return call.stream([*none, *kept])


def _bare(data: Json) -> bool:
    """Whether a stream's event carries nothing of an answer."""
    if "response" in data:
        return not data["response"]["output"]
    if "type" in data:
        return str(data["type"]).startswith(("message", "ping"))
    return not data.get("choices") and "candidates" not in data


@ANSWERS.fault(Fault.EMPTY)
def null_content(call: Call) -> Response:
    """The content is null and nothing says why."""
    return call.answer(Reply(None))


@ANSWERS.fault(Fault.EMPTY)
def empty_content(call: Call) -> Response:
    """The content is the empty text."""
    return call.answer(Reply(""))


@ANSWERS.fault(Fault.EMPTY, Fault.CUT_OFF)
def empty_with_length(call: Call) -> Response:
    """Nothing but reasoning, which has used up the output: empty, finished by `length`."""
    budget = call.request.max_output or 256
    return call.answer(Reply("", "length", reasoning_tokens=budget))


@ANSWERS.fault(Fault.CUT_OFF)
def cut_off(call: Call) -> Response:
    """Half an answer, finished by `length`: the output limit is used up."""
    text = call.reply().text or ""
    half = text[: len(text) // 2]
    written = call.request.max_output or count_tokens(half)
    usage = Usage(count_tokens(call.request.text), written)
    return call.answer(Reply(half, "length", usage=usage))


@ANSWERS.fault(Fault.REFUSED)
def content_filter(call: Call) -> Response:
    """The answer was filtered: `content_filter`, `refusal`, `SAFETY`."""
    return call.answer(Reply(None, "content_filter"))


@ANSWERS.fault(Fault.REFUSED)
def refusal(call: Call, text: str = "I'm sorry, I can't help with that.") -> Response:
    """The model refuses: OpenAI's refusal field, the others' reason for having stopped."""
    return call.answer(Reply(None, "refused", refusal=text))


@ANSWERS.fault(Fault.REFUSED, protocols=GEMINI)
def block_reason(call: Call, reason: str = "PROHIBITED_CONTENT") -> Response:
    """Gemini's prompt feedback with a `blockReason`, and no candidates."""
    return call.answer(Reply(None, block_reason=reason))


@ANSWERS.fault(Fault.SCHEMA)
def schema_mismatch(call: Call) -> Response | None:
    """JSON that does not fit the requested schema. Applies to requests with one."""
    asked = call.request.schema is not None
    return call.answer(Reply(dumps({"unexpected": True}))) if asked else None


@ANSWERS.fault(Fault.SCHEMA)
def prose_for_json(call: Call) -> Response | None:
    """Prose where JSON was requested. Applies to requests with a schema."""
    asked = call.request.schema is not None
    return call.answer(Reply("Certainly! I would say it is a cat.")) if asked else None


@ANSWERS.fault(Fault.CUT_OFF, Fault.UNFINISHED, Fault.SCHEMA, Fault.EMPTY)
def cut_tool_arguments(call: Call, arguments: str = '{"answer": "it is') -> Response:
    """A tool call whose arguments stop in the middle; never to be read as `{}`.

    Gemini, which sends objects, says `MALFORMED_FUNCTION_CALL` instead.
    """
    tool = ToolCall(call.request.tool or "answer", arguments)
    return call.answer(Reply(None, "length", tool_call=tool))


# --- bodies ---


@ANSWERS.fault(Fault.MALFORMED)
def malformed_json(call: Call) -> Response:
    """A body that ends too soon, although its length is right."""
    body = dumps(call.body(call.reply())).encode()
    return Response(200, JSON, (body[: len(body) * 2 // 3],))


@ANSWERS.fault(Fault.MALFORMED)
def wrong_content_type(_: Call) -> Response:
    """A 200 with an HTML page: a captive portal, a login page, a proxy's greeting."""
    page = b"<!doctype html><html><title>Sign in</title><body>Please sign in.</body></html>"
    return Response(200, (("content-type", "text/html; charset=utf-8"),), (page,))


@ANSWERS.fault(Fault.MALFORMED, Fault.EMPTY)
def empty_body(_: Call) -> Response:
    """A 200 with nothing in it."""
    return Response(200, JSON)


@ANSWERS.fault(Fault.MALFORMED)
def huge_body(call: Call, size: int = 25_000_000) -> Response:
    """An answer of so many bytes, above every sensible cap."""
    if call.request.stream:
        events = call.events(call.finished(Reply("x" * 32)))
        small = call.stream([max(events, key=lambda e: e.tokens)], done=False)
        piece = next(part for part in small.body if isinstance(part, bytes))
        return replace(small, body=(piece,) * (size // len(piece) + 1))
    filler = b"x" * 250_000
    reply = Reply(filler.decode(), usage=Usage(1, 1))
    before, _, after = dumps(call.body(call.finished(reply))).encode().partition(filler)
    return Response(200, JSON, (before, *(filler,) * (size // len(filler) + 1), after))


def error_in_200(code: int = 502) -> SimulatedFault:
    """OpenRouter's error object in a 200, its `code` a number; in a stream, as the only event.

    Source: openrouter.ai/docs/api/reference/errors-and-debugging.
    """
    raw = json.dumps({"error": "upstream is down"})
    text = ErrorText(code, "Provider returned error")

    def plan(call: Call) -> Response:
        body = call.error_body(text)
        body["error"]["metadata"] = {"provider_name": "Simulated", "raw": raw}
        return call.stream([Event(body)]) if call.request.stream else call.whole(body)

    known = {429: (Fault.RATE_LIMITED,), 402: (Fault.QUOTA,), 401: (Fault.AUTH,)}
    fault = made("error_in_200", plan, *known.get(code, (Fault.SERVER, Fault.OVERLOADED)))
    return replace(fault, protocols=CHAT, dialects=frozenset({"openrouter"}))


ANSWERS.faults.append(error_in_200())
