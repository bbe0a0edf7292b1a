"""What a wire format provides: requests and responses, encoded and decoded.

Codecs are pure: sending, retrying and error classification belong to `upstream`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from rightmodel.core.task import Attachment, CacheMark, Reasoning, ToolCall, ToolOrigin, ToolResult
from rightmodel.wire.fields import dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rightmodel.core.task import ChatRequest, Part, ToolSpec, WireFormat
    from rightmodel.manifest.quirks import Quirks
    from rightmodel.wire.request import ModelRequest
    from rightmodel.wire.response import ChatResponse, ResponseDecoder, StreamEvent


class Envelope(NamedTuple):
    """The fields of a server's response about itself.

    `created`: seconds since 1970. `tools`: of the request.
    """

    id: str
    model: str
    created: int = 0
    tools: tuple[ToolSpec, ...] = ()

    def origin(self, name: str) -> ToolOrigin:
        """How the called tool stood in the request."""
        found = (tool.origin for tool in self.tools if tool.name == name and tool.origin)
        return next(found, ToolOrigin("function", name))


NO_ENVELOPE: Final = Envelope("", "")


class StreamEncoder(ABC):
    """Encodes one response as a stream of the wire format's events."""

    @abstractmethod
    def start(self) -> list[dict[str, Any]]:
        """What comes before the first event."""

    @abstractmethod
    def event(self, event: StreamEvent) -> list[dict[str, Any]]:
        """One event."""

    @abstractmethod
    def end(self, response: ChatResponse) -> list[dict[str, Any]]:
        """What closes the stream. Of the response only finish, usage, cost and model are read."""


class PlainBody(Protocol):
    """A copy of a body without reasoning that only its author can read.

    `with_system`: whether system messages in the conversation stay what they are.
    """

    def __call__(self, document: Mapping[str, Any], *, with_system: bool) -> dict[str, Any]:
        """The body."""
        ...


@dataclass(frozen=True, slots=True)
class Codec:
    """One wire format: its half as a client, then its half as a server.

    Paths are dotted and lead into the request's body.

    `name`: in the manifest.
    `url`, `headers`: what a client needs beside the body; names of headers in lower case.
    `decoder`: makes a decoder for one response, streamed or whole.
    `is_foreign`: whether a part is reasoning that this API cannot be sent.
    `not_carried`: further features that have no field: `unsupported` reports them.
    `schema_path`: the JSON schema.
    `cap_paths`: the limit on output tokens, under each of its names.
    `effort_path`: how long to reason.
    `optional`: what a refused request is sent again without, or with less of.
    `renamed`: what replaces a refused field.
    `needed`: optional fields that can be lowered, but not left out.
    `decode_request`: the neutral form of a body. Raises `RequestError`.
    `encode_response`: the body of a response in one piece.
    `stream_encoder`: makes an encoder for one streamed response.
    `encode_request`: the body of a request that is `conversation.settled`, for a host with these
    quirks.
    `fitted`: a body as a host with these quirks takes it; itself where it takes it as it is.
    `plain`: a body for another model of the same API.
    `encode_error`: the body of an error: HTTP status; code of `RightmodelError`, which formats with
    a code of their own replace; message; dotted path of the field that is wrong, "" for none.
    `error_events`: what ends a stream after an error, out of its body.
    `names_events`: stream events have their type as name.
    `keep_alive`: what may be sent while a stream's first event is awaited.
    `last`: what follows a stream's last event.
    `count_path`: what follows the URL to have a request's tokens counted, "" where that cannot be.
    """

    name: WireFormat
    url: Callable[[ModelRequest], str]
    headers: Callable[[ModelRequest], dict[str, str]]
    encode_request: Callable[[ChatRequest, Quirks], dict[str, Any]]
    decoder: Callable[[], ResponseDecoder]
    is_foreign: Callable[[Part], bool]
    not_carried: frozenset[str]
    schema_path: str
    cap_paths: tuple[str, ...]
    effort_path: str
    optional: tuple[str, ...]
    decode_request: Callable[[Mapping[str, Any]], ChatRequest]
    encode_response: Callable[[ChatResponse, Envelope], dict[str, Any]]
    stream_encoder: Callable[[Envelope], StreamEncoder]
    plain: PlainBody
    encode_error: Callable[[int, str, str, str], dict[str, Any]]
    error_events: Callable[[dict[str, Any], Envelope], list[dict[str, Any]]]
    renamed: Mapping[str, str] = field(default_factory=dict)
    needed: frozenset[str] = frozenset()
    fitted: Callable[[dict[str, Any], Quirks], dict[str, Any]] = lambda body, _: body
    names_events: bool = False
    keep_alive: bytes = b": keep-alive\n\n"
    last: bytes = b""
    count_path: str = ""

    def unsupported(self, request: ChatRequest) -> frozenset[str]:
        """What of the request this wire format cannot carry; `request.HARMLESS` may be left out."""
        parts = [part for message in request.messages for part in message.parts]
        foreign = {"reasoning"} if any(map(self.is_foreign, parts)) else set()
        features = {*_features(request, parts)} & self.not_carried
        return frozenset(foreign | features | {*request.native})

    def same_field(self, path: str, other: Codec) -> str:
        """The field that means what this path means in another wire format, "" for none."""
        if other is self:
            return path
        if path in other.cap_paths:
            return self.cap_paths[0]
        if path == other.schema_path:
            return self.schema_path
        if path in {other.effort_path, "reasoning", "thinking"}:
            return self.effort_path
        return path if path in self.optional else ""

    def frame(self, event: Mapping[str, Any]) -> bytes:
        """One event of a stream as server-sent event."""
        name = f"event: {event['type']}\n" if self.names_events else ""
        return f"{name}data: {dumps(event)}\n\n".encode()

    def error_event(
        self, status: int, code: str, message: str, envelope: Envelope = NO_ENVELOPE
    ) -> bytes:
        """What ends a stream after an error. `last` does not follow: the stream is not complete."""
        body = self.encode_error(status, code, message, "")
        return b"".join(map(self.frame, self.error_events(body, envelope)))


def any_reasoning(part: Part) -> bool:
    """Whether a part is reasoning, or a tool call with a signature over reasoning."""
    return isinstance(part, Reasoning) or (isinstance(part, ToolCall) and bool(part.signature))


def _features(request: ChatRequest, parts: list[Part]) -> Iterator[str]:
    if request.stop:
        yield "stop"
    if request.tools and not request.tool_choice.parallel:
        yield "serial_tool_calls"
    for part in parts:
        if isinstance(part, CacheMark):
            yield "cache_marks"
        for file in part.parts if isinstance(part, ToolResult) else [part]:
            if isinstance(file, Attachment):
                yield f"{file.modality}_url" if file.url else file.modality
