"""The official SDKs raise for the errors that are sent to them, and stay alive until they come."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic.types.shared import ErrorResponse
from google.genai import errors as genai
from openai.types.responses import ResponseErrorEvent, ResponseFailedEvent

from rightmodel.core.task import WireFormat
from rightmodel.wire.codec import Envelope
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.response import ChatResponse, events_of
from wire.neutral import stream_of

CHAT, RESPONSES, MESSAGES, GEMINI = (
    WireFormat.OPENAI_CHAT,
    WireFormat.OPENAI_RESPONSES,
    WireFormat.ANTHROPIC_MESSAGES,
    WireFormat.GEMINI,
)
HI: Any = [{"role": "user", "content": "hi"}]


def ask(wire_format: WireFormat, status: int, body: bytes, *, stream: bool = False) -> list[Any]:
    """What the format's SDK yields for a response with this body."""
    kind = "text/event-stream" if stream else "application/json"

    def respond(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers={"content-type": kind})

    client = httpx2.Client(transport=httpx2.MockTransport(respond))
    common: dict[str, Any] = {"api_key": "k", "http_client": client, "max_retries": 0}
    found: Any
    if wire_format is MESSAGES:
        messages = anthropic.Anthropic(**common).messages
        found = messages.create(model="m", messages=HI, max_tokens=9, stream=stream)
    elif wire_format is CHAT:
        found = openai.OpenAI(**common).chat.completions.create(
            model="m", messages=HI, stream=stream
        )
    else:
        found = openai.OpenAI(**common).responses.create(model="m", input=HI, stream=stream)
    return [*found] if stream else [found]


STATUSES: list[tuple[int, type[Exception], type[Exception]]] = [
    (400, openai.BadRequestError, anthropic.BadRequestError),
    (401, openai.AuthenticationError, anthropic.AuthenticationError),
    (402, openai.APIStatusError, anthropic.APIStatusError),
    (403, openai.PermissionDeniedError, anthropic.PermissionDeniedError),
    (404, openai.NotFoundError, anthropic.NotFoundError),
    (413, openai.APIStatusError, anthropic.APIStatusError),
    (429, openai.RateLimitError, anthropic.RateLimitError),
    (500, openai.InternalServerError, anthropic.InternalServerError),
    (503, openai.InternalServerError, anthropic.APIStatusError),
]


@pytest.mark.parametrize("wire_format", [CHAT, RESPONSES, MESSAGES])
@pytest.mark.parametrize(("status", "of_openai", "of_anthropic"), STATUSES)
def test_a_status_raises_the_sdk_s_own_error_with_the_message(
    wire_format: WireFormat, status: int, of_openai: type[Exception], of_anthropic: type[Exception]
) -> None:
    body = CODECS[wire_format].encode_error(status, "some_code", "do this instead", "tools[0]")
    with pytest.raises(of_anthropic if wire_format is MESSAGES else of_openai) as caught:
        ask(wire_format, status, json.dumps(body).encode())
    assert "do this instead" in str(caught.value)
    assert "tools[0]" in str(caught.value)
    if wire_format is not MESSAGES:
        assert isinstance(caught.value, openai.APIError)
        assert (caught.value.code, caught.value.param) == ("some_code", "tools[0]")
    else:
        assert isinstance(caught.value, anthropic.APIStatusError)
        assert caught.value.error_code == "some_code"
        if status != 413:
            ErrorResponse.model_validate(body)


def test_an_error_of_gemini_is_read_by_its_sdk() -> None:
    body = CODECS[GEMINI].encode_error(404, "unknown_name", "unknown model", "model")
    error = genai.ClientError(404, body)
    assert (error.code, error.status) == (404, "NOT_FOUND")
    assert error.message == "model: unknown model"


def test_a_context_overflow_is_one_that_clients_recognise() -> None:
    for wire_format, mark in (
        (CHAT, "context_length_exceeded"),
        (RESPONSES, "context_length_exceeded"),
        (MESSAGES, "prompt is too long"),
    ):
        body = CODECS[wire_format].encode_error(400, "context_overflow", "9 tokens > 8", "")
        assert mark in json.dumps(body)


@pytest.mark.parametrize("wire_format", [CHAT, RESPONSES, MESSAGES])
def test_an_error_in_mid_stream_raises_and_keep_alives_are_skipped(wire_format: WireFormat) -> None:
    codec = CODECS[wire_format]
    envelope = Envelope("r1", "m")
    encoder = codec.stream_encoder(envelope)
    sent = [codec.keep_alive, *map(codec.frame, encoder.start()), codec.keep_alive]
    sent += map(codec.frame, encoder.event("half"))
    sent.append(codec.error_event(503, "overloaded", "cut off", envelope))
    error = anthropic.APIStatusError if wire_format is MESSAGES else openai.APIError
    with pytest.raises(error, match="cut off"):
        ask(wire_format, 200, b"".join(sent), stream=True)


def test_the_events_that_fail_a_response_are_typed() -> None:
    framed = CODECS[RESPONSES].error_event(429, "rate_limited", "later", Envelope("r1", "m"))
    first, second = (json.loads(e.partition(b"data: ")[2]) for e in framed.strip().split(b"\n\n"))
    assert ResponseErrorEvent.model_validate(first).code == "rate_limit_exceeded"
    error = ResponseFailedEvent.model_validate(second).response.error
    assert error is not None
    assert (error.code, error.message) == ("rate_limit_exceeded", "later")


def test_a_failed_response_has_a_code_of_the_api() -> None:
    for code, shown in (("timeout", "server_error"), ("refused", "invalid_prompt")):
        framed = CODECS[RESPONSES].error_event(502, code, "why", Envelope("r1", "m"))
        last = json.loads(framed.strip().rpartition(b"data: ")[2])
        error = ResponseFailedEvent.model_validate(last).response.error
        assert error is not None
        assert (error.code, error.message) == (shown, "why")


@pytest.mark.parametrize("wire_format", [CHAT, RESPONSES, MESSAGES])
def test_a_framed_stream_is_read_whole(wire_format: WireFormat) -> None:
    codec = CODECS[wire_format]
    response = stream_of(codec, ChatResponse(()), events_of(ChatResponse(())), Envelope("r", "m"))
    framed = b"".join(map(codec.frame, response)) + codec.last
    assert len(ask(wire_format, 200, framed, stream=True)) == len(response)
