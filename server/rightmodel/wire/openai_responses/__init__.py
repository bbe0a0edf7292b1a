"""OpenAI's responses API, used without state: nothing is stored, reasoning comes back encrypted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rightmodel.wire.codec import NO_QUIRKS, Codec, Envelope, Quirks
from rightmodel.wire.openai_responses.request import decode_request, encode_request, unsupported
from rightmodel.wire.openai_responses.response import (
    ResponsesDecoder,
    ResponsesStreamEncoder,
    encode_response,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.wire.request import ChatRequest, ModelRequest
    from rightmodel.wire.response import ChatResponse


class OpenAIResponses(Codec):
    """`POST {base_url}/responses`."""

    schema_path = "text.format"
    cap_paths = ("max_output_tokens",)
    effort_path = "reasoning"
    optional = ("max_output_tokens", "reasoning", "text.format", "include", "stream")

    def url(self, request: ModelRequest) -> str:
        """Where the request goes."""
        return f"{request.provider.base_url}/responses"

    def headers(self, request: ModelRequest) -> dict[str, str]:
        """The key as a bearer token."""
        return {"authorization": f"Bearer {request.key}"} if request.key else {}

    def encode_request(self, request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
        """The request's body."""
        return encode_request(request, quirks)

    def decode_request(self, body: Mapping[str, Any]) -> ChatRequest:
        """The neutral form of a body. Raises `RequestError`."""
        return decode_request(body)

    def unsupported(self, request: ChatRequest) -> frozenset[str]:
        """What of the request this wire format cannot carry."""
        return unsupported(request)

    def decoder(self) -> ResponsesDecoder:
        """A new decoder for one response."""
        return ResponsesDecoder()

    def encode_response(self, response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
        """The body of a response in one piece."""
        return encode_response(response, envelope)

    def stream_encoder(self, envelope: Envelope) -> ResponsesStreamEncoder:
        """A new encoder for one streamed response."""
        return ResponsesStreamEncoder(envelope)
