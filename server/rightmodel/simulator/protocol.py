"""The wire formats as a server speaks them: the codecs of `wire`, and what these leave out.

Paths, keys, what the real server refuses in any request, the list of models, and how each host
departs from its format.
"""

from __future__ import annotations

import json
import re
from abc import ABC
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, NamedTuple

from rightmodel.core.task import ChatRequest, Reasoning, Text, ToolCall, WireFormat
from rightmodel.simulator.dialects import Dialect, Facts
from rightmodel.simulator.received import Received, count_tokens
from rightmodel.simulator.transport import Event, Json
from rightmodel.wire.codec import Codec, Envelope
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import RequestError
from rightmodel.wire.response import CallDelta, ChatResponse, events_of

if TYPE_CHECKING:
    from rightmodel.simulator.behaviour import Reply

Route = Literal["answer", "models", ""]

ANY_OBJECT: Final[Json] = {"type": "object", "properties": {"answer": {"type": "string"}}}
"""Stands for the schema of an answer that only has to be some JSON object."""

_GEMINI_PATH: Final = re.compile(r"/v1(?:beta|alpha)?/models(?:/(?P<model>[^:]+):(?P<action>\w+))?")
_CHARS: Final = 4
"""Characters of a token."""


class Setting(NamedTuple):
    """What an answer states of itself. `created`: seconds since 1970; `number`: of the request."""

    dialect: Dialect
    number: int
    created: int
    chunk_tokens: int = 8


class ServedFormat(ABC):
    """One wire format, served.

    `base_path`: what the manifest's `base_url` has after the host. `answers_at`: path of the
    endpoint. `newline`: between the lines of an event. `needed`: fields of the body that the real
    server requires. `signature`: of reasoning. `refuses_in_words`: a refusal has a text.
    """

    codec: ClassVar[Codec]
    base_path: ClassVar[str] = "/v1"
    answers_at: ClassVar[str] = ""
    newline: ClassVar[str] = "\n"
    needed: ClassVar[tuple[str, ...]] = ("model", "messages")
    id_prefix: ClassVar[str] = ""
    signature: ClassVar[str] = ""
    refuses_in_words: ClassVar[bool] = False

    def route(self, request: Received) -> Route:
        """What the path asks for."""
        if request.path == "/v1/models" and request.method == "GET":
            return "models"
        return "answer" if request.path == self.answers_at else ""

    def key(self, request: Received) -> str:
        """The key that was sent, "" for none."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""

    def problem(self, request: Received) -> tuple[str, Facts] | None:
        """What the real server would refuse in any request, as kind of error and facts."""
        if not isinstance(request.body, dict):
            return "bad_json", Facts()
        for name in self.needed:
            if not request.body.get(name):
                return "missing", Facts(parameter=name)
        return None

    def read(self, request: Received) -> None:
        """Fill in what the body asks for, as far as it can be read."""
        body = request.body if isinstance(request.body, dict) else {}
        if isinstance(body.get("model"), str):
            request.model = body["model"]
        try:
            found = self.codec.decode_request(self.complete(body, request))
        except RequestError:
            return
        request.stream = found.stream
        texts = [(m.role, _text_of(m.parts)) for m in found.messages]
        request.prompt = next((t for role, t in reversed(texts) if role == "user"), "")
        request.system = "\n".join(t for role, t in texts if role == "system")
        tools = [f"{t.name} {t.description} {json.dumps(t.parameters)}" for t in found.tools]
        request.text = "\n".join([*(t for _, t in texts), *tools])
        request.max_output = found.max_output_tokens or None
        request.tool, request.schema = _form(found)

    def complete(self, body: Json, request: Received) -> Json:
        """The body with what the path states."""
        del request
        return body

    def body(self, reply: Reply, request: Received, setting: Setting) -> Json:
        """The body of an answer that is not streamed."""
        response = self._response(reply, setting)
        return self.codec.encode_response(response, self._envelope(reply, request, setting))

    def events(self, reply: Reply, request: Received, setting: Setting) -> list[Event]:
        """The events of an answer that is streamed, without what ends the stream."""
        response = self._response(reply, setting)
        encoder = self.codec.stream_encoder(self._envelope(reply, request, setting))
        events = [self._event(data) for data in encoder.start()]
        for event in events_of(response, max(1, setting.chunk_tokens) * _CHARS):
            encoded = [self._event(data) for data in encoder.event(event)]
            written = event if isinstance(event, str) else ""
            written = event.arguments if isinstance(event, CallDelta) else written
            if encoded and written:
                encoded[-1] = replace(encoded[-1], tokens=count_tokens(written))
            events += encoded
        return [*events, *(self._event(data) for data in encoder.end(response))]

    def models(self, names: Iterable[str], created: int) -> Json:
        """The list of models."""
        common = {"object": "model", "created": created, "owned_by": "simulated"}
        return {"object": "list", "data": [{"id": name, **common} for name in names]}

    def _envelope(self, reply: Reply, request: Received, setting: Setting) -> Envelope:
        name = f"{self.id_prefix}simulated{setting.number:06d}"
        return Envelope(name, reply.served or request.model, setting.created)

    def _event(self, data: Json) -> Event:
        return Event(data, str(data["type"]) if self.codec.names_events else "")

    def _response(self, reply: Reply, setting: Setting) -> ChatResponse:
        parts: list[Text | Reasoning | ToolCall] = []
        if reply.reasoning and self._shows_reasoning(setting.dialect):
            parts.append(Reasoning(reply.reasoning, self.signature))
        if written := reply.text or (reply.refusal if self.refuses_in_words else ""):
            parts.append(Text(written))
        if reply.tool_call is not None:
            for index, call in enumerate((reply.tool_call, *reply.more_calls)):
                name = f"call_{setting.number:06d}" + (f"_{index}" if index else "")
                parts.append(ToolCall(name, call.name, call.arguments))
        finish = "refused" if reply.finish == "content_filter" else reply.finish
        return ChatResponse(tuple(parts), finish, usage=reply.usage)

    def _shows_reasoning(self, dialect: Dialect) -> bool:
        del dialect
        return True

    @property
    def last(self) -> bytes:
        """What ends a stream, after the last event."""
        return self.codec.last


class ChatServer(ServedFormat):
    """Chat completions, as OpenAI and many others speak them."""

    codec = CODECS[WireFormat.OPENAI_CHAT]
    answers_at = "/v1/chat/completions"
    id_prefix = "chatcmpl-"
    refuses_in_words = True

    def body(self, reply: Reply, request: Received, setting: Setting) -> Json:
        """A `chat.completion` in the dialect of its host."""
        body = super().body(reply, request, setting)
        message = body["choices"][0]["message"]
        _rename(message, "reasoning_content", setting.dialect.reasoning_key)
        if reply.text is None:
            message["content"] = None
        return self._with_usage(body, reply, setting.dialect)

    def events(self, reply: Reply, request: Received, setting: Setting) -> list[Event]:
        """Chunks; usage where it was asked for or is always sent."""
        wanted = request.value("stream_options.include_usage") is True
        dialect = setting.dialect
        if not (wanted or dialect.usage_always):
            reply = replace(reply, usage=None)
        events = super().events(reply, request, setting)
        for event in events:
            data: Any = event.data
            for choice in data["choices"]:
                _rename(choice["delta"], "reasoning_content", dialect.reasoning_key)
                if reply.refusal:
                    _rename(choice["delta"], "content", "refusal")
                    if choice["finish_reason"]:
                        choice["finish_reason"] = "stop"
            self._with_usage(data, reply, dialect)
        return events

    def _with_usage(self, body: Json, reply: Reply, dialect: Dialect) -> Json:
        used, usage = reply.usage, body.get("usage")
        if used is None or usage is None:
            return body
        if dialect.name == "deepseek":
            usage["prompt_cache_hit_tokens"] = used.cache_read
            usage["prompt_cache_miss_tokens"] = used.input - used.cache_read
        if dialect.name == "openrouter" and reply.cost_usd is not None:
            usage["cost"] = float(reply.cost_usd)
        return body

    def _shows_reasoning(self, dialect: Dialect) -> bool:
        return bool(dialect.reasoning_key)


class ResponsesServer(ServedFormat):
    """Responses, as OpenAI speaks them."""

    codec = CODECS[WireFormat.OPENAI_RESPONSES]
    answers_at = "/v1/responses"
    needed = ("model", "input")
    id_prefix = "resp_"
    refuses_in_words = True
    signature = "ZW5j"


class MessagesServer(ServedFormat):
    """Messages, as Anthropic speaks them."""

    codec = CODECS[WireFormat.ANTHROPIC_MESSAGES]
    base_path = ""
    answers_at = "/v1/messages"
    needed = ("model", "max_tokens", "messages")
    id_prefix = "msg_"
    signature = "c2ln"

    def key(self, request: Received) -> str:
        """`x-api-key`, or a bearer token."""
        return request.headers.get("x-api-key") or super().key(request)

    def problem(self, request: Received) -> tuple[str, Facts] | None:
        """A missing version, and what every server refuses."""
        if "anthropic-version" not in request.headers:
            words = "header is required"
            return "bad_request", Facts(parameter="anthropic-version", words=words)
        return super().problem(request)

    def body(self, reply: Reply, request: Received, setting: Setting) -> Json:
        """A `message`; arguments that are cut off leave an empty input, as in reality."""
        body = super().body(reply, request, setting)
        if _has_broken_call(reply):
            body["content"][-1]["input"] = {}
        return body

    def events(self, reply: Reply, request: Received, setting: Setting) -> list[Event]:
        """From `message_start`, which counts the prompt, to `message_stop`."""
        start, *rest = super().events(reply, request, setting)
        data: Any = start.data
        counts: Any = next(e.data for e in rest if e.name == "message_delta")
        data["message"]["usage"] = {**counts["usage"], "output_tokens": 1}
        counts["usage"] = {"output_tokens": counts["usage"]["output_tokens"]}
        return [start, Event({"type": "ping"}, "ping"), *rest]

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


class GeminiServer(ServedFormat):
    """Content generation, as Google's Gemini API speaks it."""

    codec = CODECS[WireFormat.GEMINI]
    base_path = ""
    newline = "\r\n"
    needed = ("contents",)

    def route(self, request: Received) -> Route:
        """The path names the model and whether to stream."""
        found = _GEMINI_PATH.fullmatch(request.path)
        if found is None:
            return ""
        if found["model"] is None:
            return "models" if request.method == "GET" else ""
        request.model = found["model"]
        request.stream = found["action"] == "streamGenerateContent"
        return "answer" if found["action"] in {"generateContent", "streamGenerateContent"} else ""

    def complete(self, body: Json, request: Received) -> Json:
        """The body with the model and whether to stream."""
        return {**body, "model": request.model, "stream": request.stream}

    def key(self, request: Received) -> str:
        """`x-goog-api-key`, or the query's `key`."""
        return request.headers.get("x-goog-api-key", request.query.get("key", ""))

    def body(self, reply: Reply, request: Received, setting: Setting) -> Json:
        """A `GenerateContentResponse`; a refusal has no content."""
        body = super().body(reply, request, setting)
        candidate = body["candidates"][0]
        if reply.block_reason:
            del body["candidates"]
            return {"promptFeedback": {"blockReason": reply.block_reason}, **body}
        if _has_broken_call(reply):
            candidate["finishReason"] = "MALFORMED_FUNCTION_CALL"
            candidate["content"]["parts"] = []
        elif reply.finish == "refused":
            candidate["finishReason"] = "PROHIBITED_CONTENT"
        if not candidate["content"]["parts"]:
            del candidate["content"]["parts"]
            if reply.finish not in {"stop", "length"}:
                del candidate["content"]
        return body

    def events(self, reply: Reply, request: Received, setting: Setting) -> list[Event]:
        """A response for each piece; the last states how it ended."""
        body = self.body(reply, request, setting)
        if reply.block_reason or "content" not in body["candidates"][0] or _has_broken_call(reply):
            return [Event(body)]
        return super().events(reply, request, setting)

    def models(self, names: Iterable[str], created: int) -> Json:
        """The list of models, which has no dates."""
        del created
        methods = ["generateContent", "countTokens"]
        listed = [
            {"name": f"models/{n}", "displayName": n, "supportedGenerationMethods": methods}
            for n in names
        ]
        return {"models": listed}


PROTOCOLS: Final[Mapping[WireFormat, ServedFormat]] = {
    WireFormat.OPENAI_CHAT: ChatServer(),
    WireFormat.OPENAI_RESPONSES: ResponsesServer(),
    WireFormat.ANTHROPIC_MESSAGES: MessagesServer(),
    WireFormat.GEMINI: GeminiServer(),
}


_OPENAI: Final = (WireFormat.OPENAI_CHAT, WireFormat.OPENAI_RESPONSES)


def served_by(protocol: WireFormat, path: str) -> ServedFormat:
    """The format of a path: a server of one of OpenAI's serves the other as well."""
    if protocol in _OPENAI:
        for other in _OPENAI:
            if PROTOCOLS[other].answers_at == path:
                return PROTOCOLS[other]
    return PROTOCOLS[protocol]


def _text_of(parts: Iterable[Any]) -> str:
    texts = [part.text for part in parts if isinstance(part, Text)]
    results = [_text_of(part.parts) for part in parts if hasattr(part, "parts")]
    return "\n".join((*results, *texts))


def _form(request: ChatRequest) -> tuple[str, Any]:
    """Name of the tool that must be called, and the schema that the answer has to fit."""
    choice = request.tool_choice
    if choice.name or choice.mode == "required":
        for tool in request.tools:
            if choice.name in {"", tool.name}:
                return tool.name, tool.parameters or ANY_OBJECT
    return "", ANY_OBJECT if request.schema == {"type": "object"} else request.schema


def _rename(mapping: Json, key: str, other: str) -> None:
    if other and key != other and key in mapping:
        mapping[other] = mapping.pop(key)


def _has_broken_call(reply: Reply) -> bool:
    """Whether the arguments are no JSON, which a format that sends objects cannot carry."""
    if reply.tool_call is None:
        return False
    try:
        json.loads(reply.tool_call.arguments)
    except ValueError:
        return True
    return False
