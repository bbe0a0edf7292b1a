"""Anthropic's messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from rightmodel.wire.anthropic_messages.request import decode_request, encode_request, unsupported
from rightmodel.wire.anthropic_messages.response import (
    MessageDecoder,
    MessageStreamEncoder,
    encode_response,
)
from rightmodel.wire.codec import NO_QUIRKS, Codec, Envelope, Quirks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.wire.request import ChatRequest, ModelRequest
    from rightmodel.wire.response import ChatResponse

VERSION: Final = "2023-06-01"


class AnthropicMessages(Codec):
    """`POST {base_url}/v1/messages`."""

    schema_path = "output_config.format"
    cap_paths = ("max_tokens",)
    effort_path = "output_config.effort"
    optional = ("max_tokens", "thinking", "output_config.effort", "output_config.format", "stream")
    needed: ClassVar[frozenset[str]] = frozenset({"max_tokens"})

    def url(self, request: ModelRequest) -> str:
        """Where the request goes."""
        return f"{request.provider.base_url.removesuffix('/v1')}/v1/messages"

    def headers(self, request: ModelRequest) -> dict[str, str]:
        """The key and the API's version."""
        headers = {"anthropic-version": VERSION}
        if request.key:
            headers["x-api-key"] = request.key
        return headers

    def encode_request(self, request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
        """The request's body."""
        return encode_request(request, quirks)

    def decode_request(self, body: Mapping[str, Any]) -> ChatRequest:
        """The neutral form of a body. Raises `RequestError`."""
        return decode_request(body)

    def unsupported(self, request: ChatRequest) -> frozenset[str]:
        """What of the request this wire format cannot carry."""
        return unsupported(request)

    def decoder(self) -> MessageDecoder:
        """A new decoder for one response."""
        return MessageDecoder()

    def encode_response(self, response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
        """The body of a response in one piece."""
        return encode_response(response, envelope)

    def stream_encoder(self, envelope: Envelope) -> MessageStreamEncoder:
        """A new encoder for one streamed response."""
        return MessageStreamEncoder(envelope)
