"""Responses as a server sends them: whole, and as the events of a stream."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import Reasoning, Text, ToolCall, ToolOrigin
from rightmodel.wire.codec import Envelope, StreamEncoder
from rightmodel.wire.fields import arguments_object, objects
from rightmodel.wire.openai_responses import reasoning_item
from rightmodel.wire.response import CallStart, ChatResponse, ReasoningDelta, StreamEvent
from rightmodel.wire.tools import custom_input, shell_action

if TYPE_CHECKING:
    from rightmodel.core.call import Usage

_INCOMPLETE_OUT: Final = {"length": "max_output_tokens", "refused": "content_filter"}


def encode_response(response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
    """A `response`."""
    items = [_output_item(p, i, envelope) for i, p in enumerate(response.parts)]
    if response.finish == "refused":
        for item in items:
            for piece in objects(item.get("content")):
                if piece["type"] == "output_text":
                    refusal = {"type": "refusal", "refusal": piece["text"]}
                    piece.clear()
                    piece.update(refusal)
    status = _status(response.finish)
    if items:
        _set_status(items[-1], status)
    return response_object(envelope, status, items, response)


class ResponsesStreamEncoder(StreamEncoder):
    """Items, each opened, filled and closed in turn, with numbered events."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._number = 0
        self._items: list[dict[str, Any]] = []
        self._open = ""
        self._pieces: list[str] = []
        self._other: ToolCall | None = None

    def start(self) -> list[dict[str, Any]]:
        """The response as it was created."""
        response = response_object(self._envelope, "in_progress", [], None)
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
            return self._called(event)
        self._pieces.append(event.arguments)
        if self._other is not None:
            return []
        kind = "response.function_call_arguments.delta"
        return [self._event(kind, **self._at(), delta=event.arguments)]

    def end(self, response: ChatResponse) -> list[dict[str, Any]]:
        """The last item's end and the whole response."""
        status = _status(response.finish)
        closed = self._closed(status)
        whole_response = response_object(self._envelope, status, self._items, response)
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

    def _called(self, event: CallStart) -> list[dict[str, Any]]:
        """The opening of a call; one that is no function's goes out whole, when it is complete."""
        call = ToolCall(event.id, event.name, "")
        if self._envelope.origin(event.name).kind == "function":
            return self._opened(f"call {event.number}", call)
        closed = self._closed()
        self._open, self._pieces, self._other = f"call {event.number}", [], call
        return closed

    def _closed_other(self, call: ToolCall, status: str) -> list[dict[str, Any]]:
        """A call of a custom tool, of a local shell, or for more tools."""
        whole = replace(call, arguments="".join(self._pieces))
        self._open, self._other = "", None
        item = _output_item(whole, len(self._items), self._envelope)
        _set_status(item, status)
        self._items.append(item)
        index = len(self._items) - 1
        started = {**item, "status": "in_progress"}
        events = [self._event("response.output_item.added", output_index=index, item=started)]
        if item["type"] == "custom_tool_call":
            started["input"] = ""
            at, content = self._at(), item["input"]
            events += [
                self._event("response.custom_tool_call_input.delta", **at, delta=content),
                self._event("response.custom_tool_call_input.done", **at, input=content),
            ]
        return [*events, self._event("response.output_item.done", output_index=index, item=item)]

    def _opened(self, name: str, piece: Text | Reasoning | ToolCall) -> list[dict[str, Any]]:
        if self._open == name:
            return []
        events = self._closed()
        self._open, self._pieces = name, []
        item = _output_item(piece, len(self._items), self._envelope)
        if item["type"] == "message":
            item["content"] = []
        _set_status(item, "in_progress")
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

    def _closed(self, status: str = "completed") -> list[dict[str, Any]]:
        if not self._open:
            return []
        if self._other is not None:
            return self._closed_other(self._other, status)
        content, item = "".join(self._pieces), self._items[-1]
        self._open = ""
        _set_status(item, status)
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
        item["content"] = [_output_text(content)]
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


def _set_status(item: dict[str, Any], status: str) -> None:
    """Of an item that has one: reasoning has none."""
    if "status" in item:
        item["status"] = status


def _output_text(content: str) -> dict[str, Any]:
    return {"type": "output_text", "text": content, "annotations": [], "logprobs": []}


def _output_item(
    piece: Text | Reasoning | ToolCall, index: int, envelope: Envelope
) -> dict[str, Any]:
    name = f"{envelope.id}_{index}"
    if isinstance(piece, Reasoning):
        return reasoning_item(piece, piece.id or f"rs_{name}")
    if isinstance(piece, ToolCall):
        return _call_item(piece, name, envelope.origin(piece.name))
    content = [_output_text(piece.text)]
    head = {"type": "message", "id": f"msg_{name}", "role": "assistant", "status": "completed"}
    return {**head, "content": content}


def _call_item(call: ToolCall, name: str, origin: ToolOrigin) -> dict[str, Any]:
    head: dict[str, Any] = {"call_id": call.id, "status": "completed"}
    if origin.kind == "local_shell":
        action = shell_action(call.arguments)
        return {"type": "local_shell_call", "id": f"lsh_{name}", **head, "action": action}
    if origin.kind == "tool_search":
        query = {"execution": "client", "arguments": arguments_object(call.arguments)}
        return {"type": "tool_search_call", "id": f"tsc_{name}", **head, **query}
    head["name"] = origin.name
    if origin.namespace:
        head["namespace"] = origin.namespace
    if origin.kind == "custom":
        content = custom_input(call.arguments)
        return {"type": "custom_tool_call", "id": f"ctc_{name}", **head, "input": content}
    return {"type": "function_call", "id": f"fc_{name}", **head, "arguments": call.arguments}


def _status(finish: str) -> str:
    return "completed" if finish in {"stop", "tool_calls"} else "incomplete"


def response_object(
    envelope: Envelope, status: str, items: list[dict[str, Any]], response: ChatResponse | None
) -> dict[str, Any]:
    """The object that is the whole response, and that some events repeat."""
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
