"""How a simulated model behaves: what it answers, how fast, and the usage that it reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from rightmodel.core.call import Usage
from rightmodel.simulator.received import Received, count_tokens
from rightmodel.simulator.transport import Response, dumps

if TYPE_CHECKING:
    from decimal import Decimal


Finish = Literal["stop", "length", "content_filter", "refused", "tool_calls"]

DEFAULT_TEXT: Final = "This is a simulated answer."


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool. `arguments`: JSON as text, as it goes over the wire: it may be cut off."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, before it is encoded.

    `text`: `None` is sent as null. `reasoning`: text of the thinking, where the dialect shows it.
    `reasoning_tokens`: `None` counts those of `reasoning`. `served`: the model that claims to have
    answered, "" for the one asked for. `usage`: `None` is computed from the request and the answer.
    `more_calls`: made beside `tool_call`. `refusal`: text of OpenAI's refusal field.
    `block_reason`: of Gemini's prompt feedback. `cost_usd`: what OpenRouter reports.
    """

    text: str | None = DEFAULT_TEXT
    finish: Finish = "stop"
    reasoning: str = ""
    reasoning_tokens: int | None = None
    served: str = ""
    usage: Usage | None = None
    refusal: str = ""
    block_reason: str = ""
    tool_call: ToolCall | None = None
    more_calls: tuple[ToolCall, ...] = ()
    cost_usd: Decimal | None = None


answer: Final = Reply
"""What a script says: `answer("hello")`."""


class StandingFault(Protocol):
    """What `Behaviour.faults` holds; `fault` makes them."""

    def response(self, call: Any) -> Response | None:
        """The response to a call, `None` where the fault does not apply to it."""


def default_text(request: Received) -> str:
    """JSON that fits the schema where one is asked for, else a fixed sentence."""
    return DEFAULT_TEXT if request.schema is None else dumps(example_of(request.schema))


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A simulated model.

    `answers`: the text, a `Reply`, or a function of the request that gives either.
    `tokens_per_s`: 0 is at once. `first_token_s`: seconds before the first token, or before
    everything where the answer is not streamed. `chunk_tokens`: tokens in one event of a stream.
    `reasoning` and `reasoning_tokens` as in `Reply`, for answers that set none. `cached_tokens`:
    how much of the prompt is reported as read from a cache. `served`: the name it reports.
    `context`: window in tokens, 0 for no limit; what exceeds it gets the dialect's own error (and
    Ollama cuts without a word). `output_limit`: most output tokens, 0 for no limit.
    `faults`: standing ones, tried in order with every request; one that does not apply to a
    request (a refused parameter that it does not carry) lets it through.
    """

    answers: str | Reply | Callable[[Received], str | Reply] = default_text
    tokens_per_s: float = 0.0
    first_token_s: float = 0.0
    chunk_tokens: int = 8
    reasoning: str = ""
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    served: str = ""
    context: int = 0
    output_limit: int = 0
    faults: tuple[StandingFault, ...] = ()

    def seconds(self, tokens: int) -> float:
        """Until so many tokens of an answer are written."""
        return self.first_token_s + (tokens / self.tokens_per_s if self.tokens_per_s else 0.0)

    def reply(self, request: Received) -> Reply:
        """The answer to a request, before limits and usage."""
        found = self.answers(request) if callable(self.answers) else self.answers
        return Reply(found) if isinstance(found, str) else found

    def finished(self, reply: Reply, request: Received) -> Reply:
        """The reply with everything filled in: reasoning, cut at the output limit, tool, usage."""
        reasoning = reply.reasoning or self.reasoning
        thought = reply.reasoning_tokens
        if thought is None:
            thought = count_tokens(reasoning) if reply.reasoning else self.reasoning_tokens
            thought = thought or count_tokens(reasoning)
        reply = replace(
            reply, reasoning=reasoning, reasoning_tokens=thought, served=reply.served or self.served
        )
        if request.tool and reply.tool_call is None and reply.finish == "stop":
            call = ToolCall(request.tool, reply.text or "{}")
            reply = replace(reply, text=None, finish="tool_calls", tool_call=call)
        reply = _cut(reply, request.max_output)
        return replace(reply, usage=reply.usage or self._usage(reply, request))

    def _usage(self, reply: Reply, request: Received) -> Usage:
        prompt = count_tokens(request.text)
        written = (reply.text or "") + (reply.tool_call.arguments if reply.tool_call else "")
        thought = reply.reasoning_tokens or 0
        cached = min(self.cached_tokens, prompt)
        return Usage(prompt, count_tokens(written) + thought, cached, reasoning=thought)


def _cut(reply: Reply, limit: int | None) -> Reply:
    """Hold an answer to the output limit: reasoning uses it up first, as it does in reality."""
    thought = reply.reasoning_tokens or 0
    if not limit or reply.finish not in {"stop", "tool_calls"}:
        return reply
    left = max(0, limit - thought)
    thought = min(thought, limit)
    text, call = reply.text, reply.tool_call
    if count_tokens(text or "") > left:
        text = (text or "")[: left * 4]
    elif call is not None and count_tokens(call.arguments) > left:
        call = replace(call, arguments=call.arguments[: left * 4])
    else:
        return reply
    return replace(reply, text=text, tool_call=call, finish="length", reasoning_tokens=thought)


# --- examples of a JSON Schema ---

MOST_DEEP: Final = 20
"""Nesting at which a schema that refers to itself is given up with null."""


def example_of(schema: Mapping[str, Any]) -> Any:
    """A value that fits: required and optional properties, one item per array, first of an enum.

    Follows `$ref` inside the document, takes the first of `anyOf`/`oneOf`, merges `allOf`, and
    keeps `minimum`, `minItems` and `minLength`. Not patterns or formats.
    """
    return _example(schema, schema, 0)


def _example(schema: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    schema = _resolved(schema, root)
    given = [schema[key] for key in ("const", "default") if key in schema] + schema.get("enum", [])
    if given or depth > MOST_DEEP:
        return next(iter(given), None)
    either = schema.get("anyOf") or schema.get("oneOf")
    if either:
        return _example(either[0], root, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = (kind[0] if isinstance(kind, list) else kind).lower()  # Gemini writes OBJECT
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: _example(part, root, depth + 1) for name, part in properties.items()}
    if kind == "array":
        count = max(1, schema.get("minItems", 0))
        return [_example(schema.get("items", {}), root, depth + 1) for _ in range(count)]
    return _scalar(kind, schema)


def _scalar(kind: str, schema: Mapping[str, Any]) -> Any:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    values = {"boolean": True, "null": None, "integer": int(least), "number": float(least)}
    return values.get(kind, "simulated".ljust(schema.get("minLength", 0), "."))


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(MOST_DEEP):
        if "$ref" not in schema:
            break
        found: Any = root
        for step in schema["$ref"].removeprefix("#").strip("/").split("/"):
            found = found[step] if step else found
        schema = found
    merged: dict[str, Any] = {k: v for k, v in schema.items() if k != "allOf"}
    for part in schema.get("allOf", ()):
        inner = _resolved(part, root)
        properties = {**merged.get("properties", {}), **inner.get("properties", {})}
        merged = {**merged, **inner, **({"properties": properties} if properties else {})}
    return merged
