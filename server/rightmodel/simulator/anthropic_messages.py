"""The anthropic-messages protocol: `/v1/messages` and `/v1/models`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from rightmodel.simulator.dialect import Facts
from rightmodel.simulator.protocol import ANY_OBJECT, as_int, dictionaries, pieces, text_of
from rightmodel.simulator.received import count_tokens
from rightmodel.simulator.wire import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rightmodel.simulator.behaviour import Reply
    from rightmodel.simulator.protocol import Route, Setting
    from rightmodel.simulator.received import Received
    from rightmodel.simulator.wire import Json

STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content_filter": "refusal",
    "refused": "refusal",
    "tool_calls": "tool_use",
}


class AnthropicMessages:
    """Messages, as Anthropic speaks them."""

    base_path = ""
    newline = "\n"
    last = b""

    def route(self, request: Received) -> Route:
        """By the path alone; the model is in the body."""
        if request.path == "/v1/models" and request.method == "GET":
            return "models"
        return "answer" if request.path == "/v1/messages" else ""

    def read(self, request: Received) -> None:
        """System, messages, limit and the form of the answer."""
        body: Json = request.body if isinstance(request.body, dict) else {}
        texts = [
            (m.get("role"), text_of(m.get("content"))) for m in dictionaries(body.get("messages"))
        ]
        request.model = str(body.get("model") or "")
        request.stream = body.get("stream") is True
        request.prompt = next((t for role, t in reversed(texts) if role == "user"), "")
        request.system = text_of(body.get("system"))
        request.text = "\n".join([request.system, *(t for _, t in texts)]).strip("\n")
        request.max_output = as_int(body.get("max_tokens"))
        request.tool, request.schema = _form(request, body)

    def key(self, request: Received) -> str:
        """`x-api-key`, or a bearer token."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        return request.headers.get("x-api-key", bearer)

    def problem(self, request: Received) -> tuple[str, Facts] | None:
        """A missing version, a body that is no JSON, a required field that is not there."""
        if "anthropic-version" not in request.headers:
            words = "header is required"
            return "bad_request", Facts(parameter="anthropic-version", words=words)
        if not isinstance(request.body, dict):
            return "bad_json", Facts()
        for name in ("model", "max_tokens", "messages"):
            if not request.body.get(name):
                return "missing", Facts(parameter=name)
        return None

    def body(self, reply: Reply, request: Received, setting: Setting) -> Json:
        """A `message`."""
        head = _head(reply, request, setting)
        stop = {"stop_reason": STOP_REASONS[reply.finish], "stop_sequence": None}
        return {**head, "content": _content(reply, setting), **stop, "usage": _usage(reply)}

    def events(self, reply: Reply, request: Received, setting: Setting) -> list[Event]:
        """From `message_start` to `message_stop`."""
        started = {**_usage(reply), "output_tokens": 1}
        head = _head(reply, request, setting)
        message = {**head, "content": [], "stop_reason": None, "stop_sequence": None}
        events = [_event("message_start", message={**message, "usage": started}), _event("ping")]
        for index, block in enumerate(_content(reply, setting)):
            events += _block_events(index, block, reply, setting)
        delta = {"stop_reason": STOP_REASONS[reply.finish], "stop_sequence": None}
        used = {"output_tokens": reply.usage.output if reply.usage else 0}
        return [*events, _event("message_delta", delta=delta, usage=used), _event("message_stop")]

    def models(self, names: Iterable[str], created: int) -> Json:
        """The list of models, on one page."""
        at = datetime.fromtimestamp(created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        listed = [
            {"type": "model", "id": name, "display_name": name, "created_at": at} for name in names
        ]
        ids = [model["id"] for model in listed]
        first, last = (ids[0], ids[-1]) if ids else (None, None)
        page: Json = {"has_more": False, "first_id": first, "last_id": last}
        return {"data": listed, **page}


def _event(name: str, tokens: int = 0, **data: Any) -> Event:
    return Event({"type": name, **data}, name, tokens)


def _head(reply: Reply, request: Received, setting: Setting) -> Json:
    return {
        "id": f"msg_simulated{setting.number:06d}",
        "type": "message",
        "role": "assistant",
        "model": reply.served or request.model,
    }


def _content(reply: Reply, setting: Setting) -> list[Json]:
    """The blocks; a tool call whose arguments are cut off has an empty input, as in reality."""
    blocks: list[Json] = []
    if reply.reasoning:
        blocks.append({"type": "thinking", "thinking": reply.reasoning, "signature": "c2ln"})
    if reply.text:
        blocks.append({"type": "text", "text": reply.text})
    if reply.tool_call is not None:
        try:
            arguments = json.loads(reply.tool_call.arguments)
        except ValueError:
            arguments = {}
        call = {"id": f"toolu_{setting.number:06d}", "name": reply.tool_call.name}
        blocks.append({"type": "tool_use", **call, "input": arguments})
    return blocks


def _block_events(index: int, block: Json, reply: Reply, setting: Setting) -> list[Event]:
    """Start, deltas and stop of one block."""
    size = setting.chunk_tokens
    if block["type"] == "thinking":
        empty: Json = {"type": "thinking", "thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": p} for p in pieces(reply.reasoning, size)]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        counts = [0] * len(deltas)
    elif block["type"] == "text":
        empty = {"type": "text", "text": ""}
        texts = pieces(block["text"], size)
        deltas = [{"type": "text_delta", "text": p} for p in texts]
        counts = [count_tokens(p) for p in texts]
    else:
        empty = {**block, "input": {}}
        texts = pieces(reply.tool_call.arguments if reply.tool_call else "", size)
        deltas = [{"type": "input_json_delta", "partial_json": p} for p in texts]
        counts = [count_tokens(p) for p in texts]
    events = [_event("content_block_start", index=index, content_block=empty)]
    for delta, tokens in zip(deltas, counts, strict=True):
        events.append(_event("content_block_delta", tokens, index=index, delta=delta))
    return [*events, _event("content_block_stop", index=index)]


def _usage(reply: Reply) -> Json:
    used = reply.usage
    if used is None:
        return {"input_tokens": 0, "output_tokens": 0}
    return {
        "input_tokens": used.input - used.cache_read - used.cache_write,
        "cache_creation_input_tokens": used.cache_write,
        "cache_read_input_tokens": used.cache_read,
        "output_tokens": used.output,
        "service_tier": "standard",
    }


def _form(request: Received, body: Json) -> tuple[str, Any]:
    """Name of the tool that must be called, and the schema that the answer has to fit."""
    choice = body.get("tool_choice")
    kind = choice.get("type") if isinstance(choice, dict) else ""
    wanted = choice.get("name") if isinstance(choice, dict) else ""
    for tool in dictionaries(body.get("tools")):
        if kind == "any" or (kind == "tool" and tool.get("name") == wanted):
            return str(tool.get("name")), tool.get("input_schema", ANY_OBJECT)
    return "", request.value("output_config.format.schema") or request.value("output_format.schema")
