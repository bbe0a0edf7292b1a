"""OpenAI's responses API as a client speaks it.

Nothing is stored: reasoning comes back encrypted and is sent again.
"""

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
from rightmodel.wire.conversation import leading_system
from rightmodel.wire.fields import dumps, given, merge_counts, obj, objects, text
from rightmodel.wire.openai_chat import encoded_choice, encoded_schema, openai_usage
from rightmodel.wire.request import ModelRequest, data_url, name_of, result_text
from rightmodel.wire.response import InBandError, NoResponseError, ResponseDecoder
from rightmodel.wire.schemas import itemized
from rightmodel.wire.tools import custom_arguments

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rightmodel.core.call import Usage
    from rightmodel.core.task import ChatRequest, Part
    from rightmodel.manifest.quirks import Quirks

_CLIENT_CALLS: Final = frozenset({
    "custom_tool_call", "local_shell_call", "shell_call", "apply_patch_call", "computer_call",
    "mcp_approval_request", "tool_search_call",
})  # fmt: skip
"""Calls of tools that the client runs, beside `function_call`. The other calls ran upstream."""
_ANSWERS: Final = frozenset({"image_generation_call", "compaction"})
"""What needs no message beside it."""

_MOST_KEY: Final = 64
"""Characters of a `prompt_cache_key`."""

_UNFINISHED: Final = frozenset({"incomplete", "cancelled"})
_INCOMPLETE: Final = {
    "max_output_tokens": "length",
    "max_tokens": "length",
    "content_filter": "refused",
}


def is_foreign(piece: Part) -> bool:
    """Whether it is reasoning of another API, or a call that carries some."""
    if isinstance(piece, ToolCall):
        return bool(piece.signature)
    return isinstance(piece, Reasoning) and not (piece.signature and piece.id)


def url(request: ModelRequest) -> str:
    """Where the request goes."""
    return f"{request.provider.base_url}/responses"


def encode_request(request: ChatRequest, quirks: Quirks) -> dict[str, Any]:
    """The body; leading system messages are the instructions."""
    del quirks
    leading = leading_system(request.messages)
    body: dict[str, Any] = {
        "model": request.model,
        "input": [item for m in request.messages[leading:] for item in _encoded(m)],
        "store": False,
        "include": ["reasoning.encrypted_content"],
    }
    if leading:
        body["instructions"] = "\n\n".join(m.text for m in request.messages[:leading])
    if request.stream:
        body["stream"] = True
    if request.max_output_tokens:
        body["max_output_tokens"] = request.max_output_tokens
    if request.tools:
        body["tools"] = [_encoded_tool(tool) for tool in request.tools]
        body |= encoded_choice(request.tool_choice, {"name": request.tool_choice.name})
    if request.schema is not None:
        body["text"] = {"format": {"type": "json_schema", **encoded_schema(request.schema)}}
    if request.effort:
        body["reasoning"] = {"effort": request.effort}
    body |= given(temperature=request.temperature, top_p=request.top_p)
    if request.cache_key:
        body["prompt_cache_key"] = request.cache_key[:_MOST_KEY]
    return body


def _encoded(message: Message) -> Iterator[dict[str, Any]]:
    """Calls, results and reasoning are items of their own, between the contents of messages."""
    contents: list[dict[str, Any]] = []
    for piece in message.parts:
        if isinstance(piece, Text) and message.role == "assistant":
            yield {"type": "message", "role": "assistant", "content": piece.text}
            continue
        if isinstance(piece, Text | Attachment):
            contents.append(_content(piece))
            continue
        if contents:
            yield {"type": "message", "role": message.role, "content": contents}
            contents = []
        yield from item_of(piece)
    if contents:
        yield {"type": "message", "role": message.role, "content": contents}


def item_of(piece: Part) -> Iterator[dict[str, Any]]:
    """The item of a part that is none of a message."""
    if isinstance(piece, ToolCall):
        called = {"call_id": piece.id, "name": piece.name, "arguments": piece.arguments}
        yield {"type": "function_call", **called}
    elif isinstance(piece, ToolResult):
        files = [_content(p) for p in piece.parts if isinstance(p, Attachment)]
        content = result_text(piece)
        output = [_content(Text(content)), *files] if files else content
        yield {"type": "function_call_output", "call_id": piece.id, "output": output}
    elif isinstance(piece, Reasoning) and piece.signature and piece.id:
        yield reasoning_item(piece, piece.id)


def reasoning_item(piece: Reasoning, name: str) -> dict[str, Any]:
    """The item of reasoning."""
    summary = [{"type": "summary_text", "text": piece.text}] if piece.text else []
    item = {"type": "reasoning", "id": name, "summary": summary}
    return {**item, "encrypted_content": piece.signature} if piece.signature else item


def _content(piece: Text | Attachment) -> dict[str, Any]:
    if isinstance(piece, Text):
        return {"type": "input_text", "text": piece.text}
    if piece.modality == "image":
        return {"type": "input_image", "image_url": data_url(piece), "detail": "auto"}
    if piece.url:
        return {"type": "input_file", "file_url": piece.url}
    return {"type": "input_file", "filename": name_of(piece), "file_data": data_url(piece)}


def _encoded_tool(tool: ToolSpec) -> dict[str, Any]:
    described = {"description": tool.description} if tool.description else {}
    strict = {"parameters": itemized(tool.parameters), "strict": False}
    return {"type": "function", "name": tool.name, **described, **strict}


class ResponsesDecoder(ResponseDecoder):
    """A `response`, or the events that build one up."""

    __slots__ = ("_calls", "_commentary", "_refused", "_streamed", "_thinking")

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[Any, int] = {}
        self._commentary: set[Any] = set()
        self._refused = False
        self._streamed: set[Any] = set()
        self._thinking = ""

    def event(self, value: Mapping[str, Any]) -> None:
        """One event; of items that are done only what was not streamed is read."""
        kind = text(value.get("type"))
        if kind == "response.output_text.delta":
            self.started = True
            is_commentary = value.get("output_index") in self._commentary
            (self.reasoning if is_commentary else self.text)(value.get("delta"))
        elif kind in {"response.reasoning_summary_text.delta", "response.reasoning_text.delta"}:
            self._thinking = text(value.get("item_id"))
            self.reasoning(value.get("delta"))
        elif kind == "response.refusal.delta":
            self._refused = True
            self.text(value.get("delta"))
        elif kind == "response.function_call_arguments.delta":
            index = value.get("output_index")
            self._streamed.add(index)
            self.arguments(self._calls[index], value.get("delta"))
        elif kind == "response.custom_tool_call_input.delta":
            self._note_input(value.get("output_index"), text(value.get("delta")))
        elif kind == "response.output_item.added":
            self._note_added(obj(value.get("item")), value.get("output_index"))
        elif kind == "response.output_item.done":
            self._note_done(obj(value.get("item")), value.get("output_index"))
        elif kind == "error":
            raise InBandError({"error": value})
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
        kind = text(item.get("type"))
        if kind == "function_call" or kind in _CLIENT_CALLS:
            self._calls[index] = len(self._calls)
            self.call(self._calls[index], text(item.get("name")), text(item.get("call_id")))
        elif item.get("phase") == "commentary":
            self._commentary.add(index)
        elif kind == "reasoning":
            self.reasoning("", "", item.get("id"))
        elif kind in _ANSWERS:
            self.has_other = True

    def _note_input(self, index: Any, piece: str) -> None:
        """More of a custom tool's free text, the `input` of `custom_arguments`."""
        begin = "" if index in self._streamed else '{"input":"'
        self._streamed.add(index)
        self.arguments(self._calls[index], begin + dumps(piece)[1:-1])

    def _note_done(self, item: Mapping[str, Any], index: Any) -> None:
        if item.get("type") == "reasoning":
            self._note_reasoning(item, with_text=self._thinking != item.get("id"))
        elif item.get("type") == "function_call" and index not in self._streamed:
            if index not in self._calls:
                self._note_added(item, index)
            self.arguments(self._calls[index], item.get("arguments"))
            self._streamed.add(index)
        elif item.get("type") in _CLIENT_CALLS and index in self._calls:
            rest = '"}' if index in self._streamed else custom_arguments(text(item.get("input")))
            self.arguments(self._calls[index], rest)

    def _note_reasoning(self, item: Mapping[str, Any], *, with_text: bool) -> None:
        pieces = [*objects(item.get("summary")), *objects(item.get("content"))] if with_text else []
        thought = "\n\n".join(text(piece.get("text")) for piece in pieces)
        self.reasoning(thought, item.get("encrypted_content"), item.get("id"))

    def _note_whole(self, item: Mapping[str, Any], index: int) -> None:
        self._note_added(item, index)
        if item.get("type") == "reasoning":
            self._note_reasoning(item, with_text=True)
        else:
            self._note_done(item, index)
        self._note_content(item)

    def _note_content(self, item: Mapping[str, Any]) -> None:
        for piece in objects(item.get("content")):
            if piece.get("type") == "output_text":
                is_commentary = item.get("phase") == "commentary"
                (self.reasoning if is_commentary else self.text)(piece.get("text"))
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
        if not any(isinstance(event, str) for event in self.events):
            for index, item in enumerate(objects(response.get("output"))):  # no deltas came
                if item.get("type") == "message":
                    self._note_content(item)
                elif item.get("type") == "function_call":
                    self._note_done(item, index)
        if status == "completed" and response.get("status") in _UNFINISHED:
            status = response["status"]
        if status == "completed":
            self.done = True
            self.end("refused" if self._refused else "stop")
        elif status in _UNFINISHED:
            self.done = True
            reason = text(obj(response.get("incomplete_details")).get("reason"))
            self.end(_INCOMPLETE.get(reason, reason or status))

    @property
    def usage(self) -> Usage | None:
        """The counts so far."""
        return openai_usage(self.counts)
