"""Faults that depend on what the request carries: its length and its parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.call import Usage
from rightmodel.core.fault import Fault
from rightmodel.simulator.dialects import ErrorText
from rightmodel.simulator.fault.base import ANTHROPIC, CHAT, SimulatedFault
from rightmodel.simulator.received import count_tokens
from rightmodel.simulator.transport import Response, json_response

if TYPE_CHECKING:
    from rightmodel.simulator.call import Call

OVERFLOW: Final = frozenset({Fault.CONTEXT_OVERFLOW})
PARAMETER: Final = frozenset({Fault.PARAMETER})

# --- length ---


def context_overflow(window: int = 8192) -> SimulatedFault:
    """The prompt is too long for the window, in the provider's own words.

    Ollama has none: it answers what is left after `silent_cut`, here at most a quarter.
    """

    def plan(call: Call) -> Response:
        prompt = count_tokens(call.request.text)
        if call.dialect.cuts_silently:
            return _cut_answer(call, max(1, min(window, prompt // 4)))
        return call.error("context", input=max(prompt, window + 1), window=window)

    return SimulatedFault("context_overflow", plan, OVERFLOW)


def context_overflow_flat(window: int = 8192) -> SimulatedFault:
    """The older error of vLLM: a flat object without `error` around it.

    Source: github.com/ogx-ai/ogx/issues/4534.
    """

    def plan(call: Call) -> Response:
        asked = call.request.max_output or 512
        words = (
            f"This model's maximum context length is {window} tokens. However, you requested "
            f"{window + asked} tokens ({window} in the messages, {asked} in the completion). "
            "Please reduce the length of the messages or completion."
        )
        return json_response(400, _flat(words))

    return SimulatedFault("context_overflow_flat", plan, OVERFLOW, CHAT, frozenset({"vllm"}))


def negative_max_tokens() -> SimulatedFault:
    """The overflow of vLLM that speaks of `max_tokens`.

    Source: github.com/vllm-project/vllm/issues/4667.
    """
    body = _flat("max_tokens must be at least 1, got -186.")
    return SimulatedFault(
        "negative_max_tokens",
        lambda _: json_response(400, body),
        OVERFLOW,
        CHAT,
        frozenset({"vllm"}),
    )


def _flat(message: str) -> dict[str, Any]:
    known = {"message": message, "type": "BadRequestError", "param": None, "code": 400}
    return {"object": "error", **known}


def input_and_max_tokens(window: int = 200_000) -> SimulatedFault:
    """Anthropic's "input length and `max_tokens` exceed context limit".

    Source: github.com/docker/docker-agent/issues/569.
    """
    said = ErrorText(
        400,
        "input length and `max_tokens` exceed context limit: {input} + {output} > {window}, "
        "decrease input length or `max_tokens` and try again",
        "invalid_request_error",
    )

    def plan(call: Call) -> Response:
        asked = call.request.max_output or 8192
        return call.error(said, input=window - asked + 1, output=asked, window=window)

    return SimulatedFault("input_and_max_tokens", plan, OVERFLOW, ANTHROPIC)


def request_too_large() -> SimulatedFault:
    """413: the body has too many bytes (Anthropic), or more than the rate allows (Groq)."""
    readings = OVERFLOW | {Fault.BAD_REQUEST}
    return SimulatedFault("request_too_large", lambda call: call.error("too_large"), readings)


def silent_cut(window: int = 4096) -> SimulatedFault:
    """Ollama's way: 200 OK, the prompt cut to the window, seen in `prompt_tokens` alone.

    Only touches prompts that are longer. Source: github.com/ollama/ollama/issues/8099.
    """

    def plan(call: Call) -> Response | None:
        return _cut_answer(call, window) if count_tokens(call.request.text) > window else None

    return SimulatedFault("silent_cut", plan, OVERFLOW, CHAT, frozenset({"ollama"}))


def _cut_answer(call: Call, window: int) -> Response:
    """The answer to what is left of the prompt: the end of it."""
    request = call.request
    kept = request.text[-window * 4 :]
    request.prompt = request.prompt[-len(kept) :]
    reply = call.reply()
    used = reply.usage or Usage()
    return call.answer(replace(reply, usage=replace(used, input=window, cache_read=0)))


def overflow() -> SimulatedFault:
    """The behaviour's own `context`: what does not fit gets the dialect's error."""

    def plan(call: Call) -> Response | None:
        window = call.behaviour.context
        prompt = count_tokens(call.request.text)
        reserved = 0 if call.dialect.cuts_silently else call.request.max_output or 0
        if not window or prompt + reserved <= window:
            return None
        if prompt <= window and call.protocol in ANTHROPIC:
            return input_and_max_tokens(window).response(call)
        if call.dialect.cuts_silently:
            return _cut_answer(call, window)
        return context_overflow(window).response(call)

    return SimulatedFault("context_overflow", plan, OVERFLOW)


def output_too_large() -> SimulatedFault:
    """The behaviour's own `output_limit`: more must not be asked for."""

    def plan(call: Call) -> Response | None:
        limit, asked = call.behaviour.output_limit, call.request.max_output
        if not limit or not asked or asked <= limit:
            return None
        words = f"{asked} > {limit}, which is the maximum allowed number of output tokens"
        return call.error("bad_request", parameter="max_tokens", words=words)

    return SimulatedFault("output_too_large", plan, frozenset({Fault.BAD_REQUEST}))


# --- parameters ---


def refuses(parameter: str = "max_tokens", use: str = "") -> SimulatedFault:
    """A parameter that the model does not take; only touches requests that carry it.

    `parameter`: dotted path into the body. `use`: what the error says to send instead.
    """

    def plan(call: Call) -> Response | None:
        if call.request.value(parameter) is None:
            return None
        return call.error("parameter", parameter=parameter, instead=use)

    return SimulatedFault(f"refuses_{parameter}", plan, PARAMETER)


def refuses_value(parameter: str = "temperature", takes: Any = 1) -> SimulatedFault:
    """A parameter that may only have one value; touches requests that set another one."""

    def plan(call: Call) -> Response | None:
        value = call.request.value(parameter)
        if value is None or value == takes:
            return None
        return call.error("value", parameter=parameter, value=str(value))

    return SimulatedFault(f"refuses_value_of_{parameter}", plan, PARAMETER)


def refuses_response_format() -> SimulatedFault:
    """A model without JSON schemas, as OpenAI says it; touches requests that ask for one."""
    words = (
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this "
        "model. Learn more about supported models at the Structured Outputs guide: "
        "https://platform.openai.com/docs/guides/structured-outputs"
    )
    said = ErrorText(400, words, "invalid_request_error", param="response_format")

    def plan(call: Call) -> Response | None:
        asked = call.request.value("response_format.type") == "json_schema"
        return call.error(said) if asked else None

    readings = frozenset({Fault.PARAMETER, Fault.BAD_REQUEST})
    return SimulatedFault("refuses_response_format", plan, readings, CHAT)


def forbids(parameter: str = "max_completion_tokens") -> SimulatedFault:
    """422 `extra_forbidden`, as Mistral and others on FastAPI send it, where it is carried."""

    def plan(call: Call) -> Response | None:
        value = call.request.value(parameter)
        if value is None:
            return None
        if call.dialect.name == "mistral":
            return call.error("extra_parameter", parameter=parameter)
        filled = {
            "type": "extra_forbidden",
            "loc": ["body", *parameter.split(".")],
            "msg": "Extra inputs are not permitted",
            "input": value,
        }
        return json_response(422, {"detail": [filled]})

    readings = frozenset({Fault.PARAMETER, Fault.BAD_REQUEST})
    return SimulatedFault(f"forbids_{parameter}", plan, readings, CHAT)
