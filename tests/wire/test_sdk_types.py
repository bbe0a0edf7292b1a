"""What is encoded is valid by the official SDKs' types: requests, responses and stream events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from anthropic.types import Message as AnthropicMessage
from anthropic.types import RawMessageStreamEvent
from anthropic.types.message_create_params import (
    MessageCreateParamsNonStreaming,
    MessageCreateParamsStreaming,
)
from google.genai import types as genai
from hypothesis import given
from hypothesis import strategies as st
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import TypeAdapter

from rightmodel.core.task import WireFormat
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.response import events_of
from wire.neutral import ENVELOPE, requests, responses, sent_body, stream_of

if TYPE_CHECKING:
    from rightmodel.core.task import ChatRequest

REQUESTS: dict[WireFormat, TypeAdapter[Any]] = {
    WireFormat.OPENAI_CHAT: TypeAdapter(
        CompletionCreateParamsStreaming | CompletionCreateParamsNonStreaming
    ),
    WireFormat.OPENAI_RESPONSES: TypeAdapter(
        ResponseCreateParamsStreaming | ResponseCreateParamsNonStreaming
    ),
    WireFormat.ANTHROPIC_MESSAGES: TypeAdapter(
        MessageCreateParamsStreaming | MessageCreateParamsNonStreaming
    ),
}
WHOLE: dict[WireFormat, TypeAdapter[Any]] = {
    WireFormat.OPENAI_CHAT: TypeAdapter(ChatCompletion),
    WireFormat.OPENAI_RESPONSES: TypeAdapter(Response),
    WireFormat.ANTHROPIC_MESSAGES: TypeAdapter(AnthropicMessage),
    WireFormat.GEMINI: TypeAdapter(genai.GenerateContentResponse),
}
EVENTS: dict[WireFormat, TypeAdapter[Any]] = {
    WireFormat.OPENAI_CHAT: TypeAdapter(ChatCompletionChunk),
    WireFormat.OPENAI_RESPONSES: TypeAdapter(ResponseStreamEvent),
    WireFormat.ANTHROPIC_MESSAGES: TypeAdapter(RawMessageStreamEvent),
    WireFormat.GEMINI: TypeAdapter(genai.GenerateContentResponse),
}


def valid_request(wire_format: WireFormat, body: dict[str, Any]) -> None:
    """Raise where the body is none by the official types."""
    if wire_format is not WireFormat.GEMINI:
        REQUESTS[wire_format].validate_python(body)
        return
    for content in body["contents"]:
        genai.Content.model_validate(content)
    for tool in body.get("tools", ()):
        genai.Tool.model_validate(tool)
    genai.ToolConfig.model_validate(body.get("toolConfig", {}))
    genai.GenerationConfig.model_validate(body.get("generationConfig", {}))


@pytest.mark.parametrize("wire_format", list(WireFormat))
@given(request=requests())
def test_requests(wire_format: WireFormat, request: ChatRequest) -> None:
    valid_request(wire_format, sent_body(wire_format, request))


@pytest.mark.parametrize("wire_format", list(WHOLE))
@given(data=st.data())
def test_whole_responses(wire_format: WireFormat, data: st.DataObject) -> None:
    response = data.draw(responses(wire_format))
    body = json.loads(json.dumps(CODECS[wire_format].encode_response(response, ENVELOPE)))
    WHOLE[wire_format].validate_python(body)


@pytest.mark.parametrize("wire_format", list(EVENTS))
@given(data=st.data())
def test_stream_events(wire_format: WireFormat, data: st.DataObject) -> None:
    response = data.draw(responses(wire_format))
    for event in stream_of(CODECS[wire_format], response, events_of(response, 3), ENVELOPE):
        EVENTS[wire_format].validate_python(json.loads(json.dumps(event)))
