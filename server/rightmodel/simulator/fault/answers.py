"""Faults that come as a 200: something that is not an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.call import Usage
from rightmodel.core.fault import Fault
from rightmodel.simulator.dialects import ErrorText
from rightmodel.simulator.fault.base import CHAT, GEMINI, SimulatedFault, made
from rightmodel.simulator.received import count_tokens
from rightmodel.simulator.reply import Reply, ToolCall
from rightmodel.simulator.transport import Event, Response, dumps

if TYPE_CHECKING:
    from collections.abc import Callable

    from rightmodel.simulator.call import Call
    from rightmodel.simulator.transport import Json

JSON: Final = (("content-type", "application/json"),)


def replies(name: str, reply: Reply | Callable[[Call], Reply], *leads_to: Fault) -> SimulatedFault:
    """A fault that is an odd answer, well-formed in every protocol."""

    def plan(call: Call) -> Response:
        found = reply(call) if callable(reply) else reply
        return call.answer(call.finished(found))

    return made(name, plan, *leads_to)


def no_choices() -> SimulatedFault:
    """No choices, no candidates, no content blocks."""

    def emptied(body: Json) -> Json:
        keys = ("choices", "candidates", "content", "output")
        return {k: [] if k in keys else v for k, v in body.items()}

    def plan(call: Call) -> Response:
        reply = call.reply()
        if not call.request.stream:
            return call.whole(emptied(call.body(reply)), reply)
        kept = [e for e in call.events(reply) if not isinstance(e.data, dict) or _bare(e.data)]
        first = call.events(reply)[0]
        none = [] if kept else [Event(emptied(first.data))] if isinstance(first.data, dict) else []
        return call.stream([*none, *kept])

    return made("no_choices", plan, Fault.EMPTY, Fault.MALFORMED, Fault.CONNECTION)


def _bare(data: Json) -> bool:
    """Whether a stream's event carries nothing of an answer."""
    if "response" in data:
        return not data["response"]["output"]
    if "type" in data:
        return str(data["type"]).startswith(("message", "ping"))
    return not data.get("choices") and "candidates" not in data


def null_content() -> SimulatedFault:
    """The content is null and nothing says why."""
    return replies("null_content", Reply(None), Fault.EMPTY)


def empty_content() -> SimulatedFault:
    """The content is the empty text."""
    return replies("empty_content", Reply(""), Fault.EMPTY)


def empty_with_length() -> SimulatedFault:
    """Nothing but reasoning, which has used up the output: empty, finished by `length`."""

    def reply(call: Call) -> Reply:
        budget = call.request.max_output or 256
        return Reply("", "length", reasoning_tokens=budget)

    return replies("empty_with_length", reply, Fault.EMPTY, Fault.CUT_OFF)


def cut_off() -> SimulatedFault:
    """Half an answer, finished by `length`: the output limit is used up."""

    def reply(call: Call) -> Reply:
        text = call.reply().text or ""
        half = text[: len(text) // 2]
        written = call.request.max_output or count_tokens(half)
        return Reply(half, "length", usage=Usage(count_tokens(call.request.text), written))

    return replies("cut_off", reply, Fault.CUT_OFF)


def content_filter() -> SimulatedFault:
    """The answer was filtered: `content_filter`, `refusal`, `SAFETY`."""
    return replies("content_filter", Reply(None, "content_filter"), Fault.REFUSED)


def refusal(text: str = "I'm sorry, I can't help with that.") -> SimulatedFault:
    """The model refuses: OpenAI's refusal field, the others' reason for having stopped."""
    return replies("refusal", Reply(None, "refused", refusal=text), Fault.REFUSED)


def block_reason(reason: str = "PROHIBITED_CONTENT") -> SimulatedFault:
    """Gemini's prompt feedback with a `blockReason`, and no candidates."""
    blocked = replies("block_reason", Reply(None, block_reason=reason), Fault.REFUSED)
    return replace(blocked, protocols=GEMINI)


def schema_mismatch() -> SimulatedFault:
    """JSON that does not fit the schema asked for. Only touches requests with one."""

    def plan(call: Call) -> Response | None:
        if call.request.schema is None:
            return None
        return call.answer(call.finished(Reply(dumps({"unexpected": True}))))

    return made("schema_mismatch", plan, Fault.SCHEMA)


def prose_for_json() -> SimulatedFault:
    """Prose where JSON was asked for. Only touches requests with a schema."""

    def plan(call: Call) -> Response | None:
        if call.request.schema is None:
            return None
        return call.answer(call.finished(Reply("Certainly! I would say it is a cat.")))

    return made("prose_for_json", plan, Fault.SCHEMA)


def cut_tool_arguments(arguments: str = '{"answer": "it is') -> SimulatedFault:
    """A tool call whose arguments stop in the middle; never to be read as `{}`.

    Gemini, which sends objects, says `MALFORMED_FUNCTION_CALL` instead.
    """

    def reply(call: Call) -> Reply:
        tool = ToolCall(call.request.tool or "answer", arguments)
        return Reply(None, "length", tool_call=tool)

    readings = (Fault.CUT_OFF, Fault.MALFORMED, Fault.SCHEMA, Fault.EMPTY)
    return replies("cut_tool_arguments", reply, *readings)


# --- bodies ---


def malformed_json() -> SimulatedFault:
    """A body that ends too soon, although its length is right."""

    def plan(call: Call) -> Response:
        body = dumps(call.body(call.reply())).encode()
        return Response(200, JSON, (body[: len(body) * 2 // 3],))

    return made("malformed_json", plan, Fault.MALFORMED)


def wrong_content_type() -> SimulatedFault:
    """A 200 with an HTML page: a captive portal, a login page, a proxy's greeting."""
    page = b"<!doctype html><html><title>Sign in</title><body>Please sign in.</body></html>"
    headers = (("content-type", "text/html; charset=utf-8"),)
    return made("wrong_content_type", lambda _: Response(200, headers, (page,)), Fault.MALFORMED)


def empty_body() -> SimulatedFault:
    """A 200 with nothing in it."""
    return made("empty_body", lambda _: Response(200, JSON), Fault.MALFORMED, Fault.EMPTY)


def huge_body(size: int = 25_000_000) -> SimulatedFault:
    """An answer of so many bytes, above every sensible cap."""
    block = 250_000

    def plan(call: Call) -> Response:
        filler = "x" * block
        if call.request.stream:
            events = call.events(call.finished(Reply("x" * 32)))
            small = call.stream([max(events, key=lambda e: e.tokens)], done=False)
            piece = next(part for part in small.body if isinstance(part, bytes))
            return replace(small, body=(piece,) * (size // len(piece) + 1))
        whole = dumps(call.body(call.finished(Reply(filler, usage=Usage(1, 1))))).encode()
        before, _, after = whole.partition(filler.encode())
        middle = (filler.encode(),) * (size // block + 1)
        return Response(200, JSON, (before, *middle, after))

    return made("huge_body", plan, Fault.MALFORMED)


def error_in_200(code: int = 502) -> SimulatedFault:
    """OpenRouter's error object in a 200, its `code` a number; in a stream, as the only event.

    Source: openrouter.ai/docs/api/reference/errors-and-debugging.
    """

    def plan(call: Call) -> Response:
        body = _routed_error(call, code)
        return call.stream([Event(body)]) if call.request.stream else call.whole(body)

    readings = {429: (Fault.RATE_LIMITED,), 402: (Fault.QUOTA,), 401: (Fault.AUTH,)}
    found = made("error_in_200", plan, *readings.get(code, (Fault.SERVER, Fault.OVERLOADED)))
    return replace(found, protocols=CHAT, dialects=frozenset({"openrouter"}))


def _routed_error(call: Call, code: int) -> Json:
    extra = {"provider_name": "Simulated", "raw": json.dumps({"error": "upstream is down"})}
    said = ErrorText(code, "Provider returned error")
    body: Json = call.error_body(said)
    error: dict[str, Any] = {**body["error"], "metadata": extra}
    return {**body, "error": error}
