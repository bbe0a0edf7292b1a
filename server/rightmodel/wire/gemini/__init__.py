"""Google's Gemini API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rightmodel.wire.codec import NO_QUIRKS, Codec, Envelope, Quirks
from rightmodel.wire.gemini.request import decode_request, encode_request, unsupported
from rightmodel.wire.gemini.response import GeminiDecoder, GeminiStreamEncoder, encode_response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rightmodel.wire.request import ChatRequest, ModelRequest
    from rightmodel.wire.response import ChatResponse


class Gemini(Codec):
    """`POST {base_url}/v1beta/models/{name}:streamGenerateContent?alt=sse`.

    The model and whether to stream are in the path: `decode_request` reads them from the fields
    `model` and `stream`, which its caller puts into the body.
    """

    schema_path = "generationConfig.responseJsonSchema"
    cap_paths = ("generationConfig.maxOutputTokens",)
    effort_path = "generationConfig.thinkingConfig"
    optional = (
        "generationConfig.maxOutputTokens",
        "generationConfig.thinkingConfig",
        "generationConfig.responseJsonSchema",
    )

    def url(self, request: ModelRequest) -> str:
        """Where the request goes."""
        base = request.provider.base_url.removesuffix("/v1beta")
        name = request.name.removeprefix("models/")
        return f"{base}/v1beta/models/{name}:streamGenerateContent?alt=sse"

    def headers(self, request: ModelRequest) -> dict[str, str]:
        """The key: in a header, never in the URL."""
        return {"x-goog-api-key": request.key} if request.key else {}

    def encode_request(self, request: ChatRequest, quirks: Quirks = NO_QUIRKS) -> dict[str, Any]:
        """The request's body."""
        return encode_request(request, quirks)

    def decode_request(self, body: Mapping[str, Any]) -> ChatRequest:
        """The neutral form of a body. Raises `RequestError`."""
        return decode_request(body)

    def unsupported(self, request: ChatRequest) -> frozenset[str]:
        """What of the request this wire format cannot carry."""
        return unsupported(request)

    def decoder(self) -> GeminiDecoder:
        """A new decoder for one response."""
        return GeminiDecoder()

    def encode_response(self, response: ChatResponse, envelope: Envelope) -> dict[str, Any]:
        """The body of a response in one piece."""
        return encode_response(response, envelope)

    def stream_encoder(self, envelope: Envelope) -> GeminiStreamEncoder:
        """A new encoder for one streamed response."""
        return GeminiStreamEncoder(envelope)
