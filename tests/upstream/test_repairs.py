"""A refusal that one changed field cures is repaired once, within the attempt, and remembered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import ChatRequest, Message, Turn, WireFormat
from rightmodel.upstream import exchange
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from upstream.upstream import KEY, Reply, events, refusal, request_of, scripted, upstream

if TYPE_CHECKING:
    from rightmodel.core.call import Completion

OPENAI, RESPONSES, ANTHROPIC, GEMINI = WireFormat
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ANSWERS = {
    OPENAI: events({"choices": [{"delta": {"content": "{}"}, "finish_reason": "stop"}]}),
    RESPONSES: events(
        {"type": "response.output_text.delta", "delta": "{}"},
        {"type": "response.completed", "response": {"status": "completed"}},
    ),
    ANTHROPIC: events(
        {"type": "message_start", "message": {"model": "m"}},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "{}"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
        {"type": "message_stop"},
    ),
    GEMINI: events(
        {"candidates": [{"content": {"parts": [{"text": "{}"}]}, "finishReason": "STOP"}]}
    ),
}


def complaint(message: str, status: int = 400, **fields: Any) -> Reply:
    return refusal(status, {"error": {"message": message, **fields}})


async def exchanged(
    wire_format: WireFormat, *replies: Reply, times: int = 1, **fields: Any
) -> tuple[list[dict[str, Any]], Completion]:
    """The bodies that were sent, and the last completion."""
    client = HttpClient()
    try:
        async with upstream(*replies) as server:
            made = make_upstreams(client)[wire_format]
            request = request_of(server.base, wire_format, **fields)
            for _ in range(times):
                completion = await made.complete(request)
            return [received.body for received in server.requests], completion
    finally:
        await client.close()


def bodies(
    wire_format: WireFormat, *replies: Reply, **fields: Any
) -> tuple[list[dict[str, Any]], Completion]:
    return asyncio.run(exchanged(wire_format, *replies, **fields))


@pytest.mark.parametrize("wire_format", [OPENAI, ANTHROPIC])
@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("Your organization must be verified to stream this model.", 400),
        ("Streaming is not supported for this deployment", 422),
        ("This model does not support streaming", 400),
        ("stream mode is not enabled for your organization", 403),
    ],
)
def test_without_permission_to_stream_the_answer_comes_in_one_piece(
    message: str, status: int, wire_format: WireFormat
) -> None:
    whole: dict[WireFormat, dict[str, Any]] = {
        OPENAI: {"choices": [{"message": {"content": "Rome"}, "finish_reason": "stop"}]},
        ANTHROPIC: {"content": [{"type": "text", "text": "Rome"}], "stop_reason": "end_turn"},
    }
    answer = refusal(200, whole[wire_format])
    sent, completion = bodies(wire_format, complaint(message, status), answer, answer, times=2)
    assert completion.text == "Rome"
    assert [body.get("stream") for body in sent] == [True, None, None]
    assert "stream_options" not in sent[1]


@pytest.mark.parametrize("wire_format", WireFormat)
@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("System role not supported", 400),
        ("System role not supported", 404),
        ("System role not supported", 500),
        ("Developer instruction is not enabled for models/gemma-3-27b-it", 400),
        ("Only user and assistant roles are supported!", 400),
        ("Conversation roles must alternate user/assistant/user/assistant/...", 400),
    ],
)
def test_without_a_system_role_its_text_goes_into_the_first_user_message(
    message: str, status: int, wire_format: WireFormat
) -> None:
    replies = complaint(message, status), ANSWERS[wire_format], ANSWERS[wire_format]
    sent, completion = bodies(wire_format, *replies, times=2, system="Be brief", name="m-1")
    assert completion.text == "{}"
    assert completion.repaired == ("system",)
    assert "Be brief" in str(sent[0])
    for body in sent[1:]:
        assert "system" not in str(body).lower()
        assert "Be brief\\n\\nhi" in str(body)


def test_a_schema_in_words_moves_along_with_the_system_prompt() -> None:
    sent, _ = bodies(
        OPENAI,
        complaint("System role not supported"),
        ANSWERS[OPENAI],
        system="Be brief",
        schema=SCHEMA,
    )
    (message,) = sent[1]["messages"]
    assert message["role"] == "user"
    assert message["content"].startswith("Be brief")
    assert "JSON Schema" in message["content"]


@pytest.mark.parametrize(
    ("wire_format", "message", "status"),
    [
        (GEMINI, "The specified schema produces a constraint that has too many states.", 400),
        (GEMINI, "Request contains an invalid argument.", 400),
        (
            GEMINI,
            "Function calling with a response mime type: 'application/json' is unsupported",
            400,
        ),
        (
            ANTHROPIC,
            "The compiled grammar is too large, which would cause performance issues.",
            400,
        ),
        (ANTHROPIC, "Schemas contains too many parameters with union types", 400),
        (OPENAI, "Failed to convert the grammar from JSON schema: unsupported keyword", 400),
        (OPENAI, "Failed to initialize samplers: failed to parse grammar", 400),
        (OPENAI, "Failed to initialize samplers: failed to parse grammar", 500),
        (
            OPENAI,
            "Invalid schema for response_format 'answer': 'uniqueItems' is not permitted",
            400,
        ),
        (OPENAI, "xgrammar: the regex is too complex", 422),
    ],
)
def test_a_schema_beyond_the_upstreams_grammar_is_put_in_words(
    wire_format: WireFormat, message: str, status: int
) -> None:
    replies = complaint(message, status), ANSWERS[wire_format], ANSWERS[wire_format]
    sent, completion = bodies(
        wire_format, *replies, times=2, schema=SCHEMA, native_schema=True, name="m-1"
    )
    assert completion.text == "{}"
    assert len(sent) == 3
    for body in sent[1:]:
        assert "JSON Schema" in str(body)
        assert not {"response_format", "output_config", "generationConfig"} & set(body)


async def test_a_complaint_about_one_schema_leaves_other_schemas_native() -> None:
    replies = complaint("invalid schema"), ANSWERS[OPENAI], ANSWERS[OPENAI]
    async with scripted(*replies) as (server, client):
        made = make_upstreams(client)[OPENAI]
        for schema in (SCHEMA, {"type": "object"}):
            await made.complete(request_of(server.base, schema=schema, native_schema=True))
    sent = [received.body for received in server.requests]
    assert ["response_format" in body for body in sent] == [True, False, True]


def test_a_schema_complaint_without_a_schema_is_a_fault_of_the_server() -> None:
    with pytest.raises(ProviderError) as caught:
        bodies(OPENAI, complaint("database schema is locked", 500))
    assert caught.value.fault is Fault.SERVER


AFFORD = (
    "This request requires more credits, or fewer max_tokens. "
    "You requested up to 16384 tokens, but can only afford {}."
)


def test_little_credit_gets_a_smaller_answer_and_is_remembered_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replies = complaint(AFFORD.format(1200), 402, code=402), ANSWERS[OPENAI], ANSWERS[OPENAI]
    sent, _ = bodies(OPENAI, *replies, times=2, max_output_tokens=16384)
    assert [body["max_tokens"] for body in sent] == [16384, 1200, 1200]
    monkeypatch.setattr(exchange, "CREDIT_S", 0.0)
    sent, _ = bodies(OPENAI, *replies, times=2, max_output_tokens=16384)
    assert [body["max_tokens"] for body in sent] == [16384, 1200, 16384]


@pytest.mark.parametrize("fields", [{"max_output_tokens": 4096}, {}])
def test_almost_no_credit_is_no_credit(fields: dict[str, int]) -> None:
    with pytest.raises(ProviderError) as caught:
        bodies(OPENAI, complaint(AFFORD.format(12), 402, code=402), **fields)
    assert caught.value.fault is Fault.QUOTA


def test_two_names_of_one_parameter_that_are_both_refused_are_left_out() -> None:
    replies = (
        complaint("Unsupported parameter: 'max_tokens'", param="max_tokens"),
        complaint("Unsupported parameter: 'max_completion_tokens'", param="max_completion_tokens"),
        ANSWERS[OPENAI],
    )
    sent, _ = bodies(OPENAI, *replies, max_output_tokens=100, uncapped=True)
    assert not {"max_tokens", "max_completion_tokens"} & set(sent[2])


@pytest.mark.parametrize("quote", ["`", ""])
def test_of_two_fields_that_exclude_each_other_one_is_left_out(quote: str) -> None:
    names = f"{quote}temperature{quote} and {quote}top_p{quote}"
    words = f"{names} cannot both be specified for this model. Please use only one."
    asked = ChatRequest("m", (), temperature=0.5, top_p=0.9)
    turn = Turn(asked, OPENAI, b"", {})
    sent, _ = bodies(ANTHROPIC, complaint(words), ANSWERS[ANTHROPIC], turn=turn)
    assert [sorted({"temperature", "top_p"} & set(body)) for body in sent] == [
        ["temperature", "top_p"],
        ["temperature"],
    ]


@pytest.mark.parametrize(
    "words", ["`{}` is deprecated for this model.", "{} is deprecated for this model."]
)
def test_sampling_parameters_that_a_model_no_longer_has_are_left_out(words: str) -> None:
    turn = Turn(ChatRequest("m", (), temperature=0.5, top_p=0.9), OPENAI, b"", {})
    refusals = [complaint(words.format(name)) for name in ("temperature", "top_p")]
    sent, _ = bodies(ANTHROPIC, *refusals, ANSWERS[ANTHROPIC], turn=turn)
    assert not {"temperature", "top_p"} & set(sent[-1])


def test_several_fields_that_are_refused_at_once_are_left_out_one_by_one() -> None:
    replies = (
        refusal(422, {"detail": "Unsupported fields in the request: {'stream_options', 'x'}"}),
        refusal(422, {"detail": "Unsupported fields in the request: {'response_format'}"}),
        refusal(422, {"detail": "Unsupported fields in the request: {'reasoning_effort'}"}),
        ANSWERS[OPENAI],
        ANSWERS[OPENAI],
    )
    sent, _ = bodies(
        OPENAI, *replies, times=2, schema=SCHEMA, native_schema=True, effort="low", name="m-1"
    )
    assert [len(body) for body in sent] == [6, 5, 4, 3, 3]
    assert set(sent[-1]) == {"model", "messages", "stream"}
    assert "JSON Schema" in str(sent[-1])


@pytest.mark.parametrize(
    "message",
    ["Streaming is not supported here", "System role not supported", "grammar too large"],
)
def test_an_echo_of_the_prompt_repairs_nothing(message: str) -> None:
    with pytest.raises(ProviderError) as caught:
        bodies(
            OPENAI,
            complaint(f"invalid value: {message!r}"),
            messages=(Message.of("user", f"Explain: {message}"),),
            system="x",
            schema=SCHEMA,
            native_schema=True,
        )
    assert caught.value.fault is Fault.BAD_REQUEST


def test_whatever_goes_wrong_while_an_answer_is_read_is_a_fault_of_the_upstream(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def burst(*_: object) -> None:
        raise ZeroDivisionError(KEY)

    monkeypatch.setattr("rightmodel.wire.openai_chat.ChatDecoder.event", burst)
    with pytest.raises(ProviderError) as caught:
        bodies(OPENAI, ANSWERS[OPENAI])
    assert caught.value.fault is Fault.MALFORMED
    assert "ZeroDivisionError" in str(caught.value)
    assert KEY not in str(caught.value)
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(
    ("reply", "fault"),
    [
        (refusal(200, "abcde", content_encoding="gzip"), Fault.CONNECTION),
        (refusal(200, "abcde", content_encoding="never-heard-of"), Fault.MALFORMED),
        (refusal(200, '{"usage": {"prompt_tokens": ' + "9" * 5000 + "}}"), Fault.MALFORMED),
        (refusal(200, '{"a":' * 20_000 + "1" + "}" * 20_000), Fault.MALFORMED),
        (refusal(400, {"error": [1, [2]]}), Fault.BAD_REQUEST),
        (refusal(400, "\0\0\0"), Fault.BAD_REQUEST),
    ],
    ids=["gzip that is none", "encoding", "huge number", "deep", "odd error", "null bytes"],
)
def test_a_response_that_cannot_be_read_is_a_fault_of_the_upstream(
    reply: Reply, fault: Fault
) -> None:
    with pytest.raises(ProviderError) as caught:
        bodies(OPENAI, reply)
    assert caught.value.fault is fault


@pytest.mark.parametrize("location", ["http://[::1", "", "http://"])
def test_a_redirect_to_nowhere_is_refused_like_any_other(location: str) -> None:
    with pytest.raises(ProviderError) as caught:
        bodies(OPENAI, refusal(307, "", location=location))
    assert caught.value.fault is Fault.CONNECTION


async def test_certificates_that_are_not_there_name_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent/ca.pem")
    client = HttpClient()
    with pytest.raises(ProviderError) as caught:
        await make_upstreams(client)[OPENAI].complete(request_of("https://localhost:9"))
    await client.close()
    assert caught.value.fault is Fault.CONNECTION
    assert "SSL_CERT_FILE is /nonexistent/ca.pem" in str(caught.value)
