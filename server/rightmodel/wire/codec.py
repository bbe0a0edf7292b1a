"""What a wire format provides: requests and responses, encoded and decoded.

Codecs are pure: sending, retrying and error classification belong to `upstream`. `url` and
`headers` are what a client of the API needs beside the body.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rightmodel.manifest.catalog import Provider
    from rightmodel.wire.decoder import ResponseDecoder
    from rightmodel.wire.request import ChatRequest, ModelRequest
    from rightmodel.wire.response import ChatResponse, StreamEvent


@dataclass(frozen=True, slots=True)
class Quirks:
    """How a host departs from its wire format; keys of the provider in the manifest.

    `output_cap`: the parameter that caps the output of chat completions. `effort_field`: where the
    effort is: `reasoning_effort`, or `reasoning` for an object. `stream_usage`: whether
    `stream_options` is accepted.
    """

    output_cap: str = "max_tokens"
    effort_field: str = "reasoning_effort"
    stream_usage: bool = True


NO_QUIRKS: Final = Quirks()


class Envelope(NamedTuple):
    """What a server's response says about itself. `created`: seconds since 1970."""

    id: str
    model: str
    created: int = 0


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


class Codec(ABC):
    """One wire format.

    Paths are dotted and lead into the request's body.

    `schema_path`: the JSON schema.
    `cap_paths`: the limit on output tokens, under each of its names.
    `effort_path`: how long to reason.
    `optional`: what a refused request is sent again without, or with less of.
    `renamed`: what replaces a refused field.
    `needed`: optional fields that can be lowered, but not left out.
    `last`: data of the stream's last event, "" where it has none of the kind.
    """

    schema_path: ClassVar[str]
    cap_paths: ClassVar[tuple[str, ...]]
    effort_path: ClassVar[str]
    optional: ClassVar[tuple[str, ...]]
    renamed: ClassVar[Mapping[str, str]] = {}
    needed: ClassVar[frozenset[str]] = frozenset()
    last: ClassVar[str] = ""

    @abstractmethod
    def url(self, request: ModelRequest) -> str:
        """Where the request goes."""

    @abstractmethod
    def headers(self, request: ModelRequest) -> dict[str, str]:
        """Headers of the format's own, the key among them; names in lower case."""

    @abstractmethod
    def encode_request(self, request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
        """The request's body."""

    @abstractmethod
    def decode_request(self, body: Mapping[str, Any]) -> ChatRequest:
        """The neutral form of a body. Raises `RequestError`."""

    @abstractmethod
    def unsupported(self, request: ChatRequest) -> frozenset[str]:
        """What of the request this wire format cannot carry; `request.HARMLESS` may be left out."""

    @abstractmethod
    def decoder(self) -> ResponseDecoder:
        """A new decoder for one response, streamed or whole."""

    @abstractmethod
    def encode_response(self, response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
        """The body of a response in one piece."""

    @abstractmethod
    def stream_encoder(self, envelope: Envelope) -> StreamEncoder:
        """A new encoder for one streamed response."""

    def decode_response(self, body: Mapping[str, Any]) -> ChatResponse:
        """The neutral form of a whole body. Raises `InBandError`, `NoResponseError`."""
        decoder = self.decoder()
        decoder.body(body)
        return decoder.response()

    def encode_stream(
        self, response: ChatResponse, events: Iterable[StreamEvent], envelope: Envelope
    ) -> list[dict[str, Any]]:
        """A whole response as a stream that brings these events."""
        encoder = self.stream_encoder(envelope)
        between = [part for event in events for part in encoder.event(event)]
        return [*encoder.start(), *between, *encoder.end(response)]


def quirks_of(provider: Provider) -> Quirks:
    """The provider's quirks."""
    return Quirks(provider.output_cap, provider.effort_field, provider.stream_usage)
