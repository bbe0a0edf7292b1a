"""OpenAI's chat completions, and the many that speak a dialect of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from rightmodel.wire.codec import NO_QUIRKS, Codec, Envelope, Quirks
from rightmodel.wire.openai_chat.request import decode_request, encode_request, unsupported
from rightmodel.wire.openai_chat.response import ChatDecoder, ChatStreamEncoder, encode_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.wire.request import ChatRequest, ModelRequest
    from rightmodel.wire.response import ChatResponse


class OpenAIChat(Codec):
    """`POST {base_url}/chat/completions`."""

    schema_path = "response_format"
    cap_paths = ("max_completion_tokens", "max_tokens")
    effort_path = "reasoning_effort"
    optional = (
        "max_completion_tokens", "max_tokens", "reasoning_effort", "reasoning", "response_format",
        "stream_options", "usage", "stream",
    )  # fmt: skip
    renamed: ClassVar[Mapping[str, str]] = {
        "max_tokens": "max_completion_tokens",
        "max_completion_tokens": "max_tokens",
    }
    last = "[DONE]"

    def url(self, request: ModelRequest) -> str:
        """Where the request goes."""
        return f"{request.provider.base_url}/chat/completions"

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

    def decoder(self) -> ChatDecoder:
        """A new decoder for one response."""
        return ChatDecoder()

    def encode_response(self, response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
        """The body of a response in one piece."""
        return encode_response(response, envelope)

    def stream_encoder(self, envelope: Envelope) -> ChatStreamEncoder:
        """A new encoder for one streamed response."""
        return ChatStreamEncoder(envelope)
