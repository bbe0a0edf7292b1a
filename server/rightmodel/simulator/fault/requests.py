"""Faults that depend on what the request carries: its length and its parameters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.call import Usage
from rightmodel.core.fault import Fault
from rightmodel.simulator.fault.base import ANTHROPIC, CHAT, Group, SimulatedFault, made
from rightmodel.simulator.received import count_tokens
from rightmodel.simulator.transport import Response, json_response

if TYPE_CHECKING:
    from rightmodel.simulator.call import Call

REQUESTS: Final = Group("Length and parameters of the request")

# --- length ---


@REQUESTS.fault(Fault.CONTEXT_OVERFLOW)
def context_overflow(call: Call, window: int = 8192) -> Response:
    """The prompt is too long for the window, in the provider's own words.

    Ollama has no such error: it answers what is left after `silent_cut`, here at most a quarter.
    """
    prompt = count_tokens(call.request.text)
    if call.dialect.cuts_silently:
        return _cut_answer(call, max(1, min(window, prompt // 4)))
    return call.error("context", input=max(prompt, window + 1), window=window)


def _flat(message: str) -> Response:
    error = {"message": message, "type": "BadRequestError", "param": None, "code": 400}
    return json_response(400, {"object": "error", **error})


@REQUESTS.fault(Fault.CONTEXT_OVERFLOW, dialects=["vllm"])
def context_overflow_flat(call: Call, window: int = 8192) -> Response:
    """The older error of vLLM: a flat object without `error` around it.

    Source: github.com/ogx-ai/ogx/issues/4534.
    """
    asked = call.request.max_output or 512
    return _flat(
        f"This model's maximum context length is {window} tokens. However, you requested "
        f"{window + asked} tokens ({window} in the messages, {asked} in the completion). "
        "Please reduce the length of the messages or completion."
    )


@REQUESTS.fault(Fault.CONTEXT_OVERFLOW, dialects=["vllm"])
def negative_max_tokens(_: Call) -> Response:
    """VLLM's overflow that mentions `max_tokens`: github.com/vllm-project/vllm/issues/4667."""
    return _flat("max_tokens must be at least 1, got -186.")


@REQUESTS.fault(Fault.CONTEXT_OVERFLOW, protocols=ANTHROPIC)
def input_and_max_tokens(call: Call, window: int = 200_000) -> Response:
    """Anthropic's error for input and `max_tokens` that exceed the window together."""
    asked = call.request.max_output or 8192
    return call.error("context_sum", input=window - asked + 1, output=asked, window=window)


@REQUESTS.fault(Fault.CONTEXT_OVERFLOW, Fault.BAD_REQUEST)
def request_too_large(call: Call) -> Response:
    """413: the body has too many bytes (Anthropic), or more than the rate allows (Groq)."""
    return call.error("too_large")


@REQUESTS.fault(Fault.CONTEXT_OVERFLOW, dialects=["ollama"])
def silent_cut(call: Call, window: int = 4096) -> Response | None:
    """Ollama's 200 OK for a prompt cut to the window, which only `prompt_tokens` shows.

    Applies to prompts that are longer. Source: github.com/ollama/ollama/issues/8099.
    """
    return _cut_answer(call, window) if count_tokens(call.request.text) > window else None


def _cut_answer(call: Call, window: int) -> Response:
    """The answer to what is left of the prompt: the end of it."""
    request = call.request
    kept = request.text[-window * 4 :]
    request.prompt = request.prompt[-len(kept) :]
    reply = call.reply()
    used = reply.usage or Usage()
    return call.answer(replace(reply, usage=replace(used, input=window, cache_read=0)))


def _overflow(call: Call) -> Response | None:
    """The behaviour's own `context`: what does not fit gets the dialect's error."""
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


def _output_too_large(call: Call) -> Response | None:
    """The behaviour's own `output_limit`: more must not be asked for."""
    limit, asked = call.behaviour.output_limit, call.request.max_output
    if not limit or not asked or asked <= limit:
        return None
    words = f"{asked} > {limit}, which is the maximum allowed number of output tokens"
    return call.error("bad_request", parameter="max_tokens", words=words)


LIMITS: Final = (made("output_too_large", _output_too_large), made("context_overflow", _overflow))
"""What a model's own limits lead to."""

# --- parameters ---


def refuses(parameter: str = "max_tokens", use: str = "") -> SimulatedFault:
    """A parameter that the model does not support; applies to requests that carry it.

    `parameter`: dotted path into the body. `use`: what the error says to send instead.
    """

    def plan(call: Call) -> Response | None:
        if call.request.value(parameter) is None:
            return None
        return call.error("parameter", parameter=parameter, instead=use)

    return made(f"refuses_{parameter}", plan, Fault.PARAMETER)


def refuses_value(parameter: str = "temperature", takes: Any = 1) -> SimulatedFault:
    """A parameter that may only have one value; applies to requests that set another one."""

    def plan(call: Call) -> Response | None:
        value = call.request.value(parameter)
        if value is None or value == takes:
            return None
        return call.error("value", parameter=parameter, value=str(value))

    return made(f"refuses_value_of_{parameter}", plan, Fault.PARAMETER)


REQUESTS.faults += (
    refuses("max_tokens", use="max_completion_tokens"),
    refuses("temperature"),
    refuses_value("temperature"),
)


@REQUESTS.fault(Fault.PARAMETER, Fault.BAD_REQUEST, protocols=CHAT)
def refuses_response_format(call: Call) -> Response | None:
    """A model without JSON schemas, in OpenAI's words; applies to requests that ask for one."""
    asked = call.request.value("response_format.type") == "json_schema"
    return call.error("response_format") if asked else None


def forbids(parameter: str = "max_completion_tokens") -> SimulatedFault:
    """422 `extra_forbidden`, as Mistral and others on FastAPI send it, where it is carried."""

    def plan(call: Call) -> Response | None:
        value = call.request.value(parameter)
        if value is None:
            return None
        if call.dialect.name == "mistral":
            return call.error("extra_parameter", parameter=parameter)
        detail = {
            "type": "extra_forbidden",
            "loc": ["body", *parameter.split(".")],
            "msg": "Extra inputs are not permitted",
            "input": value,
        }
        return json_response(422, {"detail": [detail]})

    fault = made(f"forbids_{parameter}", plan, Fault.PARAMETER, Fault.BAD_REQUEST)
    return replace(fault, protocols=CHAT)


REQUESTS.faults += (forbids("max_completion_tokens"), forbids("stream_options"))
