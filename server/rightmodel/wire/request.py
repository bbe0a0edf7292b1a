"""A request to a model, whatever the wire format."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from rightmodel.core.task import Attachment, ChatRequest, Message, Reasoning, Text, ToolCall
from rightmodel.wire.conversation import settled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.core.task import Part, ToolResult, Turn
    from rightmodel.manifest.catalog import Provider
    from rightmodel.manifest.quirks import Quirks

HARMLESS: Final = frozenset({"cache_marks", "reasoning"})
"""Features that may be left out without changing the task."""


class RequestError(Exception):
    """A body that is no request of its wire format. `field`: dotted path of what is wrong."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def without_reasoning(request: ChatRequest) -> ChatRequest:
    """The request for another model: without reasoning, which only its author can read."""
    messages = (
        replace(message, parts=tuple(map(_unsigned, filter(_is_shared, message.parts))))
        for message in request.messages
    )
    return replace(request, messages=tuple(m for m in messages if m.parts))


def _is_shared(part: Part) -> bool:
    return not isinstance(part, Reasoning)


def _unsigned(part: Part) -> Part:
    return replace(part, signature="") if isinstance(part, ToolCall) else part


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One attempt at one endpoint.

    `name`: the model on the wire.
    `messages`: the last one holds the prompt.
    `key`: "" where none is needed.
    `schema`: the answer must be JSON valid against it.
    `native_schema`: whether the model takes the schema as a parameter; if not, the system prompt
    asks for it.
    `effort`: "" is never sent.
    `max_output_tokens`: reasoning included; 0 leaves it to the upstream where the protocol allows.
    `uncapped`: whether the request may go without a limit to an upstream that takes none.
    `expect_input_tokens`: our estimate for its texts, to notice an upstream that silently cut it.
    `turn`: the agent's own turn that is sent, `None` for a delegated subtask.
    `is_author`: whether every reasoning in the turn is this model's own.
    """

    provider: Provider
    name: str
    messages: tuple[Message, ...]
    key: str = field(default="", repr=False)
    system: str = ""
    schema: Mapping[str, Any] | None = None
    native_schema: bool = False
    effort: str = ""
    max_output_tokens: int = 0
    uncapped: bool = False
    expect_input_tokens: int = 0
    turn: Turn | None = None
    is_author: bool = True

    @property
    def passed_through(self) -> Turn | None:
        """The turn whose client speaks the upstream's API: its body is sent, the response relayed.

        `None` for any other request.
        """
        turn = self.turn
        return turn if turn is not None and turn.dialect is self.provider.protocol else None

    @property
    def quirks(self) -> Quirks:
        """The provider's quirks."""
        quirks, turn = self.provider.quirks, self.turn
        keyed = turn if self.provider.cache.keyed else None
        return replace(quirks, cache_key=keyed.session) if keyed else quirks

    @property
    def call_ids(self) -> set[str]:
        """Ids of the tool calls in a turn's conversation."""
        messages = self.turn.request.messages if self.turn else ()
        return {part.id for m in messages for part in m.parts if isinstance(part, ToolCall)}

    def chat(self) -> ChatRequest:
        """The neutral form, settled for the provider's API: the schema in words if not native."""
        messages = [*self.messages]
        if system := system_of(self):
            messages.insert(0, Message("system", (Text(system),)))
        turn = self.turn
        asked = turn.request if turn else ChatRequest("", ())
        request = replace(
            asked,
            model=self.name,
            messages=tuple(messages),
            schema=self.schema if self.native_schema else None,
            effort=self.effort,
            max_output_tokens=self.max_output_tokens,
            stream=True,
            cache_key=asked.cache_key or (turn.session if turn else ""),
        )
        request = request if self.is_author else without_reasoning(request)
        return settled(request, self.provider.protocol)


def has_system(request: ModelRequest) -> bool:
    """Whether anything of it is system text."""
    return bool(system_of(request)) or any(m.role == "system" for m in request.messages)


def system_of(request: ModelRequest) -> str:
    """The system prompt, with the schema in words where the model does not take it natively."""
    if request.schema is None or request.native_schema:
        return request.system
    words = (
        "Answer with one JSON value and nothing else: no fences, no comment. "
        f"It must be valid against this JSON Schema:\n{json.dumps(request.schema)}"
    )
    return f"{request.system}\n\n{words}" if request.system else words


def result_text(result: ToolResult) -> str:
    """The text of a tool's result for an API that has no field for errors or files in results."""
    content = "\n\n".join(part.text for part in result.parts if isinstance(part, Text))
    if result.is_error and not content.lower().startswith("error"):
        return f"Error: {content}"
    return content if content or len(result.parts) == 0 else "See the attached file."


def base64_of(file: Attachment) -> str:
    """The file's bytes as base64."""
    return base64.b64encode(file.data).decode()


def data_url(file: Attachment) -> str:
    """The file as a `data:` URL, or where the provider is to fetch it from."""
    return file.url or f"data:{file.media_type};base64,{base64_of(file)}"


def name_of(file: Attachment) -> str:
    """The file's name without its folders."""
    return file.names[1]
