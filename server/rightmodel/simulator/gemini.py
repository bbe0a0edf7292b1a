"""The gemini protocol: `/v1beta/models/{m}:generateContent` and `:streamGenerateContent`."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from rightmodel.simulator.dialect import Facts
from rightmodel.simulator.protocol import ANY_OBJECT, as_int, dictionaries, pieces, text_of
from rightmodel.simulator.received import count_tokens, entry
from rightmodel.simulator.wire import Event

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rightmodel.simulator.behaviour import Reply
    from rightmodel.simulator.protocol import Route, Setting
    from rightmodel.simulator.received import Received
    from rightmodel.simulator.wire import Json

PATH: Final = re.compile(r"/v1(?:beta|alpha)?/models(?:/(?P<model>[^:]+):(?P<action>\w+))?")
FINISH: Final = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "content_filter": "SAFETY",
    "refused": "PROHIBITED_CONTENT",
    "tool_calls": "STOP",
}


class Gemini:
    """Content generation, as Google's Gemini API speaks it."""

    base_path = ""
    newline = "\r\n"
    last = b""

    def route(self, request: Received) -> Route:
        """The path names the model and says whether to stream."""
        found = PATH.fullmatch(request.path)
        if found is None:
            return ""
        if found["model"] is None:
            return "models" if request.method == "GET" else ""
        request.model = found["model"]
        request.stream = found["action"] == "streamGenerateContent"
        return "answer" if found["action"] in {"generateContent", "streamGenerateContent"} else ""

    def read(self, request: Received) -> None:
        """Contents, system instruction, limit and the form of the answer."""
        body: Json = request.body if isinstance(request.body, dict) else {}
        contents = dictionaries(body.get("contents"))
        texts = [(c.get("role", "user"), text_of(c.get("parts"))) for c in contents]
        request.prompt = next((t for role, t in reversed(texts) if role == "user"), "")
        request.system = text_of(request.value("systemInstruction.parts"))
        request.text = "\n".join([request.system, *(t for _, t in texts)]).strip("\n")
        request.max_output = as_int(request.value("generationConfig.maxOutputTokens"))
        request.tool, request.schema = _form(request, body)

    def key(self, request: Received) -> str:
        """`x-goog-api-key`, or the query's `key`."""
        return request.headers.get("x-goog-api-key", request.query.get("key", ""))

    def problem(self, request: Received) -> tuple[str, Facts] | None:
        """A body that is no JSON, missing contents."""
        if not isinstance(request.body, dict):
            return "bad_json", Facts()
        if not dictionaries(request.body.get("contents")):
            return "missing", Facts(parameter="contents")
        return None

    def body(self, reply: Reply, request: Received, setting: Setting) -> Json:
        """A `GenerateContentResponse`."""
        if reply.block_reason:
            feedback = {"promptFeedback": {"blockReason": reply.block_reason}}
            return {**feedback, **_tail(reply, request, setting)}
        candidate = {"finishReason": _finish(reply), "index": 0}
        parts = _parts(reply)
        if parts or reply.finish in {"stop", "length"}:
            content = {"role": "model", **({"parts": parts} if parts else {})}
            candidate = {"content": content, **candidate}
        return {"candidates": [candidate], **_tail(reply, request, setting)}

    def events(self, reply: Reply, request: Received, setting: Setting) -> list[Event]:
        """A response for each piece; the last says how it ended."""
        whole = self.body(reply, request, setting)
        if reply.block_reason or "content" not in whole["candidates"][0]:
            return [Event(whole)]
        tail = _tail(reply, request, setting)
        size = setting.chunk_tokens
        thoughts: list[Json] = [{"text": p, "thought": True} for p in pieces(reply.reasoning, size)]
        texts: list[Json] = [{"text": p} for p in pieces(reply.text or "", size)]
        calls = [part for part in _parts(reply) if "functionCall" in part]
        events = [
            Event(
                {
                    "candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}],
                    **tail,
                },
                tokens=0 if "thought" in part else count_tokens(str(part.get("text", ""))),
            )
            for part in (*thoughts, *texts, *calls)
        ]
        content = {"parts": [{"text": ""}], "role": "model"}
        last = {"content": content, "finishReason": _finish(reply), "index": 0}
        return [*events, Event({"candidates": [last], **tail})]

    def models(self, names: Iterable[str], created: int) -> Json:  # noqa: ARG002 - has no dates
        """The list of models."""
        methods = ["generateContent", "countTokens"]
        listed = [
            {"name": f"models/{n}", "displayName": n, "supportedGenerationMethods": methods}
            for n in names
        ]
        return {"models": listed}


def _finish(reply: Reply) -> str:
    """How it ended; arguments that are no JSON cannot be sent, and Gemini says so."""
    if reply.tool_call is not None and not _arguments(reply):
        return "MALFORMED_FUNCTION_CALL"
    return FINISH[reply.finish]


def _arguments(reply: Reply) -> Any:
    try:
        return json.loads(reply.tool_call.arguments) if reply.tool_call else None
    except ValueError:
        return None


def _parts(reply: Reply) -> list[Json]:
    parts: list[Json] = []
    if reply.reasoning:
        parts.append({"text": reply.reasoning, "thought": True})
    if reply.text:
        parts.append({"text": reply.text})
    if reply.tool_call is not None and _arguments(reply):
        parts.append({"functionCall": {"name": reply.tool_call.name, "args": _arguments(reply)}})
    return parts


def _tail(reply: Reply, request: Received, setting: Setting) -> Json:
    used = reply.usage
    tail: Json = {}
    if used is not None:
        tail["usageMetadata"] = {
            "promptTokenCount": used.input,
            "candidatesTokenCount": used.output - used.reasoning,
            "totalTokenCount": used.input + used.output,
            **({"cachedContentTokenCount": used.cache_read} if used.cache_read else {}),
            **({"thoughtsTokenCount": used.reasoning} if used.reasoning else {}),
        }
    tail["modelVersion"] = reply.served or request.model
    tail["responseId"] = f"simulated{setting.number:06d}"
    return tail


def _form(request: Received, body: Json) -> tuple[str, Any]:
    """Name of the function that must be called, and the schema that the answer has to fit."""
    if request.value("toolConfig.functionCallingConfig.mode") == "ANY":
        for tool in dictionaries(body.get("tools")):
            for function in dictionaries(entry(tool, "functionDeclarations")):
                schema = entry(function, "parametersJsonSchema") or function.get("parameters")
                return str(function.get("name")), schema or ANY_OBJECT
    for name in ("responseJsonSchema", "responseSchema"):
        schema = request.value(f"generationConfig.{name}")
        if schema:
            return "", schema
    as_json = request.value("generationConfig.responseMimeType") == "application/json"
    return "", ANY_OBJECT if as_json else None
