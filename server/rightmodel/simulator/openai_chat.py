"""The openai-chat protocol: `/v1/chat/completions` and `/v1/models`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rightmodel.simulator.dialect import Facts
from rightmodel.simulator.protocol import ANY_OBJECT, as_int, dictionaries, pieces, text_of
from rightmodel.simulator.received import count_tokens
from rightmodel.simulator.wire import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rightmodel.core.call import Usage
    from rightmodel.simulator.behaviour import Reply
    from rightmodel.simulator.dialect import Dialect
    from rightmodel.simulator.protocol import Route, Setting
    from rightmodel.simulator.received import Received
    from rightmodel.simulator.wire import Json

FINISH: Final = {"refused": "stop"}
"""Where the wire's word for how an answer ended is another one."""


class OpenAiChat:
    """Chat completions, as OpenAI and many others speak them."""

    base_path = "/v1"
    newline = "\n"
    last = b"data: [DONE]\n\n"

    def route(self, request: Received) -> Route:
        """By the path alone; the model is in the body."""
        if request.path == "/v1/models" and request.method == "GET":
            return "models"
        return "answer" if request.path == "/v1/chat/completions" else ""

    def read(self, request: Received) -> None:
        """Messages, limits and the form of the answer."""
        body: Json = request.body if isinstance(request.body, dict) else {}
        messages = dictionaries(body.get("messages"))
        texts = [(m.get("role"), text_of(m.get("content"))) for m in messages]
        request.model = str(body.get("model") or "")
        request.stream = body.get("stream") is True
        request.prompt = next((t for role, t in reversed(texts) if role == "user"), "")
        request.system = "\n".join(t for role, t in texts if role in {"system", "developer"})
        request.text = "\n".join(t for _, t in texts)
        limits = (as_int(body.get(k)) for k in ("max_completion_tokens", "max_tokens"))
        request.max_output = next((limit for limit in limits if limit is not None), None)
        request.tool, request.schema = _form(body)

    def key(self, request: Received) -> str:
        """The bearer token."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    def problem(self, request: Received) -> tuple[str, Facts] | None:
        """A body that is no JSON, a missing model, missing messages."""
        if not isinstance(request.body, dict):
            return "bad_json", Facts()
        if not request.model:
            return "missing", Facts(parameter="model")
        if not dictionaries(request.body.get("messages")):
            return "missing", Facts(parameter="messages")
        return None

    def body(self, reply: Reply, request: Received, setting: Setting) -> Json:
        """A `chat.completion`."""
        message: Json = {"role": "assistant", "content": reply.text}
        message["refusal"] = reply.refusal or None
        if reply.reasoning and setting.dialect.reasoning_key:
            message[setting.dialect.reasoning_key] = reply.reasoning
        if reply.tool_call is not None:
            message["tool_calls"] = [_call(reply, setting)]
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": FINISH.get(reply.finish, reply.finish),
        }
        head = _head(reply, request, setting, "chat.completion")
        return {**head, "choices": [choice], "usage": _usage(reply, setting.dialect)}

    def events(self, reply: Reply, request: Received, setting: Setting) -> list[Event]:
        """The chunks: role, reasoning, text, how it ended, and usage where it was asked for."""
        head = _head(reply, request, setting, "chat.completion.chunk")

        def chunk(delta: Json, finish: str | None = None, tokens: int = 0) -> Event:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return Event({**head, "choices": [choice]}, tokens=tokens)

        events = [chunk({"role": "assistant", "content": "", "refusal": None})]
        events += [chunk(delta, tokens=tokens) for delta, tokens in _deltas(reply, setting)]
        events.append(chunk({}, FINISH.get(reply.finish, reply.finish)))
        if setting.dialect.usage_always or request.value("stream_options.include_usage") is True:
            usage = _usage(reply, setting.dialect)
            events.append(Event({**head, "choices": [], "usage": usage}))
        return events

    def models(self, names: Iterable[str], created: int) -> Json:
        """The list of models."""
        common = {"object": "model", "created": created, "owned_by": "simulated"}
        return {"object": "list", "data": [{"id": name, **common} for name in names]}


def _head(reply: Reply, request: Received, setting: Setting, kind: str) -> Json:
    return {
        "id": f"chatcmpl-simulated{setting.number:06d}",
        "object": kind,
        "created": setting.created,
        "model": reply.served or request.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def _call(reply: Reply, setting: Setting) -> Json:
    call = reply.tool_call
    function = {"name": call.name, "arguments": call.arguments} if call else {}
    return {"id": f"call_{setting.number:06d}", "type": "function", "function": function}


def _deltas(reply: Reply, setting: Setting) -> list[tuple[Json, int]]:
    """What the chunks add, each with the tokens of the answer in it."""
    size, key = setting.chunk_tokens, setting.dialect.reasoning_key
    deltas: list[tuple[Json, int]] = []
    if key:
        deltas += [({key: piece}, 0) for piece in pieces(reply.reasoning, size)]
    deltas += [({"content": p}, count_tokens(p)) for p in pieces(reply.text or "", size)]
    deltas += [({"refusal": piece}, 0) for piece in pieces(reply.refusal, size)]
    if reply.tool_call is not None:
        first = _call(reply, setting)
        first["function"] = {"name": reply.tool_call.name, "arguments": ""}
        deltas.append(({"tool_calls": [{"index": 0, **first}]}, 0))
        for piece in pieces(reply.tool_call.arguments, size):
            more = {"index": 0, "function": {"arguments": piece}}
            deltas.append(({"tool_calls": [more]}, count_tokens(piece)))
    return deltas


def _usage(reply: Reply, dialect: Dialect) -> Json | None:
    used: Usage | None = reply.usage
    if used is None:
        return None
    usage: Json = {
        "prompt_tokens": used.input,
        "completion_tokens": used.output,
        "total_tokens": used.input + used.output,
        "prompt_tokens_details": {"cached_tokens": used.cache_read, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": used.reasoning, "audio_tokens": 0},
    }
    if dialect.name == "deepseek":
        usage["prompt_cache_hit_tokens"] = used.cache_read
        usage["prompt_cache_miss_tokens"] = used.input - used.cache_read
    if dialect.name == "openrouter" and reply.cost_usd is not None:
        usage["cost"] = float(reply.cost_usd)
    return usage


def _form(body: Json) -> tuple[str, Any]:
    """Name of the tool that must be called, and the schema that the answer has to fit."""
    tools = [t["function"] for t in dictionaries(body.get("tools")) if "function" in t]
    choice = body.get("tool_choice")
    wanted = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    for tool in tools:
        if choice == "required" or tool.get("name") == wanted:
            return str(tool.get("name")), tool.get("parameters", ANY_OBJECT)
    form = body.get("response_format")
    kind = form.get("type") if isinstance(form, dict) else ""
    if isinstance(form, dict) and kind == "json_schema":
        return "", form.get("json_schema", {}).get("schema", ANY_OBJECT)
    return "", ANY_OBJECT if kind == "json_object" else None
