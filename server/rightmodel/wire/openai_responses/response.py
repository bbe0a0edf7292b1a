"""Responses of OpenAI's responses API, whole and streamed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import Reasoning, Text, ToolCall
from rightmodel.wire.codec import Envelope, StreamEncoder
from rightmodel.wire.decoder import InBandError, NoResponseError, ResponseDecoder
from rightmodel.wire.fields import obj, objects, text
from rightmodel.wire.openai_responses.request import item_of, reasoning_item
from rightmodel.wire.response import CallStart, ReasoningDelta
from rightmodel.wire.usage import merge_counts, part, usage_of, whole

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.call import Usage
    from rightmodel.wire.response import ChatResponse, StreamEvent

_INCOMPLETE: Final = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "refused",
}
_INCOMPLETE_OUT: Final = {"length": "max_output_tokens", "refused": "content_filter"}


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


class ResponsesDecoder(ResponseDecoder):
    """A `response`, or the events that build one up."""

    __slots__ = ("_calls", "_refused", "_thinking")

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[Any, int] = {}
        self._refused = False
        self._thinking = ""

    def event(self, value: Mapping[str, Any]) -> None:
        """One event; of items that are done only what was not streamed is read."""
        kind = text(value.get("type"))
        if kind == "response.output_text.delta":
            self.started = True
            self.text(value.get("delta"))
        elif kind in {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}:
            self._thinking = text(value.get("item_id"))
            self.reasoning(value.get("delta"))
        elif kind == "response.refusal.delta":
            self._refused = True
            self.text(value.get("delta"))
        elif kind == "response.function_call_arguments.delta":
            self.arguments(self._calls[value.get("output_index")], value.get("delta"))
        elif kind == "response.output_item.added":
            self._note_added(obj(value.get("item")), value.get("output_index"))
        elif kind == "response.output_item.done":
            self._note_done(obj(value.get("item")))
        elif kind.startswith("response.") and isinstance(value.get("response"), dict):
            self._note_response(value["response"], kind.removeprefix("response."))

    def body(self, value: Mapping[str, Any]) -> None:
        """The whole response."""
        if not isinstance(value.get("output"), list):
            raise NoResponseError(f"no output in the answer: {value}")
        for index, item in enumerate(objects(value["output"])):
            self._note_whole(item, index)
        self._note_response(value, text(value.get("status")) or "completed")

    def _note_added(self, item: Mapping[str, Any], index: Any) -> None:
        self.started = True
        if item.get("type") == "function_call":
            self._calls[index] = len(self._calls)
            self.call(self._calls[index], text(item.get("name")), text(item.get("call_id")))
        elif item.get("type") == "reasoning":
            self.reasoning("", "", item.get("id"))

    def _note_done(self, item: Mapping[str, Any]) -> None:
        if item.get("type") == "reasoning":
            self._note_reasoning(item, with_text=self._thinking != item.get("id"))

    def _note_reasoning(self, item: Mapping[str, Any], *, with_text: bool) -> None:
        pieces = [*objects(item.get("summary")), *objects(item.get("content"))] if with_text else []
        said = "\n\n".join(text(piece.get("text")) for piece in pieces)
        self.reasoning(said, item.get("encrypted_content"), item.get("id"))

    def _note_whole(self, item: Mapping[str, Any], index: int) -> None:
        self._note_added(item, index)
        if item.get("type") == "function_call":
            self.arguments(self._calls[index], item.get("arguments"))
        elif item.get("type") == "reasoning":
            self._note_reasoning(item, with_text=True)
        for piece in objects(item.get("content")):
            if piece.get("type") == "output_text":
                self.text(piece.get("text"))
            elif piece.get("type") == "refusal":
                self._refused = True
                self.text(piece.get("refusal"))

    def _note_response(self, response: Mapping[str, Any], status: str) -> None:
        self.served = text(response.get("model")) or self.served
        self.id = text(response.get("id")) or self.id
        if isinstance(response.get("usage"), dict):
            merge_counts(self.counts, response["usage"])
        if response.get("error") or status == "failed":
            raise InBandError({"error": response.get("error") or {"message": "response failed"}})
        if status == "completed":
            self.done = True
            self.end("refused" if self._refused else "stop")
        elif status in {"incomplete", "cancelled"}:
            self.done = True
            reason = text(obj(response.get("incomplete_details")).get("reason"))
            self.end(_INCOMPLETE.get(reason, reason or status))

    @property
    def usage(self) -> Usage | None:
        """Input includes what was cached; output includes reasoning."""
        counts = self.counts
        of_input = part(counts, "input_tokens_details")
        return usage_of(
            input_tokens=whole(counts.get("input_tokens")),
            output=whole(counts.get("output_tokens")),
            read=whole(of_input.get("cached_tokens")),
            write=whole(of_input.get("cache_write_tokens")),
            reasoning=whole(part(counts, "output_tokens_details").get("reasoning_tokens")),
        )


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
        said, item = "".join(self._pieces), self._items[-1]
        self._open = ""
        if item["type"] == "message":
            events = self._closed_text(item, said)
        elif item["type"] == "reasoning":
            events = self._closed_reasoning(item, said)
        else:
            item["arguments"] = said
            kind = "response.function_call_arguments.done"
            events = [self._event(kind, **self._at(), name=item["name"], arguments=said)]
        index = len(self._items) - 1
        return [
            *events,
            self._event("response.output_item.done", output_index=index, item={**item}),
        ]

    def _closed_text(self, item: dict[str, Any], said: str) -> list[dict[str, Any]]:
        item |= {"content": [_output_text(said)], "status": "completed"}
        at = self._at(content_index=0)
        return [
            self._event("response.output_text.done", **at, text=said, logprobs=[]),
            self._event("response.content_part.done", **at, part=_output_text(said)),
        ]

    def _closed_reasoning(self, item: dict[str, Any], said: str) -> list[dict[str, Any]]:
        at, summary = self._at(summary_index=0), {"type": "summary_text", "text": said}
        item["summary"] = [summary] if said else []
        return [
            self._event("response.reasoning_summary_text.done", **at, text=said),
            self._event("response.reasoning_summary_part.done", **at, part=summary),
        ]

    def _at(self, **more: int) -> dict[str, Any]:
        return {"item_id": self._items[-1]["id"], "output_index": len(self._items) - 1, **more}

    def _event(self, kind: str, **fields: Any) -> dict[str, Any]:
        self._number += 1
        return {"type": kind, "sequence_number": self._number - 1, **fields}


def _output_text(said: str) -> dict[str, Any]:
    return {"type": "output_text", "text": said, "annotations": [], "logprobs": []}


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
