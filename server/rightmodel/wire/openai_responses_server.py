"""OpenAI's responses API as a server without a store speaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import (
    Attachment,
    ChatRequest,
    Message,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
)
from rightmodel.wire.codec import Codec, Envelope, StreamEncoder
from rightmodel.wire.error_body import openai_error
from rightmodel.wire.fields import count, file_of_url, ignored, number, obj, objects, required, text
from rightmodel.wire.openai_chat import headers
from rightmodel.wire.openai_chat_server import any_object, decoded_choice
from rightmodel.wire.openai_responses import (
    ResponsesDecoder,
    encode_request,
    is_foreign,
    item_of,
    reasoning_item,
    url,
)
from rightmodel.wire.request import RequestError
from rightmodel.wire.response import CallStart, ReasoningDelta

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.call import Usage
    from rightmodel.core.task import Part
    from rightmodel.wire.response import ChatResponse, StreamEvent

_FIELDS: Final = frozenset({
    "model", "input", "instructions", "stream", "tools", "tool_choice", "parallel_tool_calls",
    "text", "reasoning", "max_output_tokens", "temperature", "top_p", "store", "include",
    "metadata",
    "prompt_cache_key", "safety_identifier", "user", "service_tier", "truncation",
})  # fmt: skip
_ITEMS: Final = frozenset({"function_call", "function_call_output", "reasoning"})
_INCOMPLETE_OUT: Final = {"length": "max_output_tokens", "refused": "content_filter"}


def decode_request(body: Mapping[str, Any]) -> ChatRequest:
    """The neutral form of a body. Raises `RequestError`."""
    if body.get("previous_response_id") or body.get("conversation"):
        raise RequestError(
            "previous_response_id: responses are not stored; send the whole conversation as input",
            "previous_response_id",
        )
    given = body.get("input")
    if isinstance(given, str):
        given = [{"role": "user", "content": given}]
    elif not isinstance(given, list):
        raise RequestError("input: a string or an array is required", "input")
    instructions = text(body.get("instructions"))
    system = (Message("system", (Text(instructions),)),) if instructions else ()
    form = obj(obj(body.get("text")).get("format"))
    return ChatRequest(
        model=required(body, "model", str),
        messages=(*system, *_decoded_items(given)),
        tools=tuple(_decoded_tool(t) for t in objects(body.get("tools"))),
        tool_choice=decoded_choice(body, text(obj(body.get("tool_choice")).get("name"))),
        schema=form.get("schema") or any_object(form),
        effort=text(obj(body.get("reasoning")).get("effort")),
        max_output_tokens=count(body.get("max_output_tokens")),
        temperature=number(body.get("temperature")),
        top_p=number(body.get("top_p")),
        stream=body.get("stream") is True,
        ignored=ignored(body, _FIELDS),
    )


def _decoded_items(items: list[Any]) -> tuple[Message, ...]:
    """Items in a row that one side sent are one message."""
    found: list[tuple[Any, list[Part]]] = []
    for number_, item in enumerate(objects(items)):
        role, parts = _decoded_item(item, f"input[{number_}]")
        if found and found[-1][0] == role and _continues(item, found[-1][1], role):
            found[-1][1].extend(parts)
        else:
            found.append((role, parts))
    return tuple(Message(role, tuple(parts)) for role, parts in found)


def _continues(item: Mapping[str, Any], before: list[Part], role: str) -> bool:
    return item.get("type") in _ITEMS or role == "assistant" or _only_results(before)


def _only_results(parts: list[Part]) -> bool:
    return all(isinstance(piece, ToolResult) for piece in parts)


def _decoded_item(item: Mapping[str, Any], field: str) -> tuple[str, list[Part]]:
    kind = item.get("type", "message")
    if kind == "function_call":
        arguments = text(item.get("arguments"))
        return "assistant", [ToolCall(text(item.get("call_id")), text(item.get("name")), arguments)]
    if kind == "function_call_output":
        parts = _decoded_content(item.get("output"), field)
        return "user", [ToolResult(text(item.get("call_id")), tuple(parts))]
    if kind == "reasoning":
        summary = "\n\n".join(text(s.get("text")) for s in objects(item.get("summary")))
        signature = text(item.get("encrypted_content"))
        return "assistant", [Reasoning(summary, signature, text(item.get("id")))]
    role = item.get("role")
    if kind != "message" or role not in {"user", "assistant", "system", "developer"}:
        raise RequestError(f"{field}.type: {kind!r} with role {role!r} is not supported", field)
    contents = _decoded_content(item.get("content"), field)
    return ("system" if role == "developer" else role), [*contents]


def _decoded_content(content: Any, field: str) -> Iterator[Text | Attachment]:
    if isinstance(content, str):
        yield Text(content)
    for number_, piece in enumerate(objects(content)):
        where = f"{field}.content[{number_}]"
        kind = piece.get("type")
        if kind in {"input_text", "output_text", "text"}:
            yield Text(text(piece.get("text")))
        elif kind == "refusal":
            yield Text(text(piece.get("refusal")))
        elif kind == "input_image":
            yield file_of_url(text(piece.get("image_url")), "image", where)
        elif kind == "input_file":
            yield file_of_url(text(piece.get("file_data")), text(piece.get("filename")), where)
        else:
            raise RequestError(f"{where}.type: {kind!r} is not supported", where)


def _decoded_tool(tool: Mapping[str, Any]) -> ToolSpec:
    if tool.get("type") != "function" or not text(tool.get("name")):
        raise RequestError(
            f"tools: only tools of type function are accepted, not {tool.get('type')!r}", "tools"
        )
    return ToolSpec(tool["name"], text(tool.get("description")), obj(tool.get("parameters")))


def encode_response(response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
    """A `response`."""
    items = [_output_item(p, f"{envelope.id}_{i}") for i, p in enumerate(response.parts)]
    if response.finish == "refused":
        for item in items:
            for piece in objects(item.get("content")):
                if piece["type"] == "output_text":
                    refusal = {"type": "refusal", "refusal": piece["text"]}
                    piece.clear()
                    piece.update(refusal)
    return _object(envelope, _status(response.finish), items, response)


class ResponsesStreamEncoder(StreamEncoder):
    """Items, each opened, filled and closed in turn, with numbered events."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._number = 0
        self._items: list[dict[str, Any]] = []
        self._open = ""
        self._pieces: list[str] = []

    def start(self) -> list[dict[str, Any]]:
        """The response as it was created."""
        response = _object(self._envelope, "in_progress", [], None)
        kinds = ("response.created", "response.in_progress")
        return [self._event(kind, response=response) for kind in kinds]

    def event(self, event: StreamEvent) -> list[dict[str, Any]]:
        """The opening of an item where one is needed, and a piece of it."""
        if isinstance(event, str):
            opened = self._opened("text", Text(""))
            self._pieces.append(event)
            delta = self._event(
                "response.output_text.delta", **self._at(content_index=0), delta=event, logprobs=[]
            )
            return [*opened, delta]
        if isinstance(event, ReasoningDelta):
            return self._reasoning(event)
        if isinstance(event, CallStart):
            return self._opened(f"call {event.number}", ToolCall(event.id, event.name, ""))
        self._pieces.append(event.arguments)
        kind = "response.function_call_arguments.delta"
        return [self._event(kind, **self._at(), delta=event.arguments)]

    def end(self, response: ChatResponse) -> list[dict[str, Any]]:
        """The last item's end and the whole response."""
        closed = self._closed()
        status = _status(response.finish)
        whole_response = _object(self._envelope, status, self._items, response)
        return [*closed, self._event(f"response.{status}", response=whole_response)]

    def _reasoning(self, event: ReasoningDelta) -> list[dict[str, Any]]:
        events = self._opened("reasoning", Reasoning("", "", event.id))
        if event.signature:
            self._items[-1]["encrypted_content"] = event.signature
        if event.text:
            self._pieces.append(event.text)
            kind = "response.reasoning_summary_text.delta"
            events.append(self._event(kind, **self._at(summary_index=0), delta=event.text))
        return events + self._closed() if event.signature else events

    def _opened(self, name: str, piece: Text | Reasoning | ToolCall) -> list[dict[str, Any]]:
        if self._open == name:
            return []
        events = self._closed()
        self._open, self._pieces = name, []
        item = _output_item(piece, f"{self._envelope.id}_{len(self._items)}")
        if item["type"] == "message":
            item |= {"content": [], "status": "in_progress"}
        self._items.append(item)
        index = len(self._items) - 1
        events.append(self._event("response.output_item.added", output_index=index, item={**item}))
        if item["type"] == "message":
            kind, empty = "response.content_part.added", _output_text("")
            events.append(self._event(kind, **self._at(content_index=0), part=empty))
        elif item["type"] == "reasoning":
            kind = "response.reasoning_summary_part.added"
            empty = {"type": "summary_text", "text": ""}
            events.append(self._event(kind, **self._at(summary_index=0), part=empty))
        return events

    def _closed(self) -> list[dict[str, Any]]:
        if not self._open:
            return []
        content, item = "".join(self._pieces), self._items[-1]
        self._open = ""
        if item["type"] == "message":
            events = self._closed_text(item, content)
        elif item["type"] == "reasoning":
            events = self._closed_reasoning(item, content)
        else:
            item["arguments"] = content
            kind = "response.function_call_arguments.done"
            events = [self._event(kind, **self._at(), name=item["name"], arguments=content)]
        index = len(self._items) - 1
        return [
            *events,
            self._event("response.output_item.done", output_index=index, item={**item}),
        ]

    def _closed_text(self, item: dict[str, Any], content: str) -> list[dict[str, Any]]:
        item |= {"content": [_output_text(content)], "status": "completed"}
        at = self._at(content_index=0)
        return [
            self._event("response.output_text.done", **at, text=content, logprobs=[]),
            self._event("response.content_part.done", **at, part=_output_text(content)),
        ]

    def _closed_reasoning(self, item: dict[str, Any], content: str) -> list[dict[str, Any]]:
        at, summary = self._at(summary_index=0), {"type": "summary_text", "text": content}
        item["summary"] = [summary] if content else []
        return [
            self._event("response.reasoning_summary_text.done", **at, text=content),
            self._event("response.reasoning_summary_part.done", **at, part=summary),
        ]

    def _at(self, **more: int) -> dict[str, Any]:
        return {"item_id": self._items[-1]["id"], "output_index": len(self._items) - 1, **more}

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._number += 1
        return {"type": kind, "sequence_number": self._number - 1, **fields}


def _output_text(content: str) -> dict[str, Any]:
    return {"type": "output_text", "text": content, "annotations": [], "logprobs": []}


def _output_item(piece: Text | Reasoning | ToolCall, name: str) -> dict[str, Any]:
    if isinstance(piece, Reasoning):
        return reasoning_item(piece, piece.id or f"rs_{name}")
    if isinstance(piece, ToolCall):
        (item,) = item_of(piece)
        return {**item, "id": f"fc_{name}", "status": "completed"}
    content = [_output_text(piece.text)]
    head = {"type": "message", "id": f"msg_{name}", "role": "assistant", "status": "completed"}
    return {**head, "content": content}


def _status(finish: str) -> str:
    return "completed" if finish in {"stop", "tool_calls"} else "incomplete"


def _object(
    envelope: Envelope, status: str, items: list[dict[str, Any]], response: ChatResponse | None
) -> dict[str, Any]:
    finish = response.finish if response else ""
    reason = {"reason": _INCOMPLETE_OUT.get(finish, finish)} if status == "incomplete" else None
    return {
        "id": envelope.id,
        "object": "response",
        "created_at": envelope.created,
        "status": status,
        "error": None,
        "incomplete_details": reason,
        "instructions": None,
        "metadata": {},
        "model": envelope.model,
        "output": items,
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": _usage_out(response.usage) if response else None,
    }


def _usage_out(used: Usage | None) -> dict[str, Any] | None:
    if used is None:
        return None
    return {
        "input_tokens": used.input,
        "input_tokens_details": {
            "cached_tokens": used.cache_read,
            "cache_write_tokens": used.cache_write,
        },
        "output_tokens": used.output,
        "output_tokens_details": {"reasoning_tokens": used.reasoning},
        "total_tokens": used.input + used.output,
    }


def _error_events(body: dict[str, Any], envelope: Envelope) -> list[dict[str, Any]]:
    """An `error` event, flat as it is typed and nested as it is sent, and a failed response.

    The SDKs raise for the first; Codex 0.171 reads the second alone.
    """
    error = body["error"]
    flat = {key: error[key] for key in ("code", "message", "param")}
    failed = {**_object(envelope, "failed", [], None), "error": error}
    return [
        {"type": "error", "sequence_number": 0, **flat, **body},
        {"type": "response.failed", "sequence_number": 1, "response": failed},
    ]


CODEC: Final = Codec(
    url=url,
    headers=headers,
    encode_request=encode_request,
    decoder=ResponsesDecoder,
    is_foreign=is_foreign,
    not_carried=frozenset({"stop", "cache_marks", "audio", "tool_errors"}),
    schema_path="text.format",
    cap_paths=("max_output_tokens",),
    effort_path="reasoning",
    optional=("max_output_tokens", "reasoning", "text.format", "include", "stream"),
    decode_request=decode_request,
    encode_response=encode_response,
    stream_encoder=ResponsesStreamEncoder,
    encode_error=openai_error,
    error_events=_error_events,
    names_events=True,
)
