from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from loopback import Loopback, failure, loopback, openai_answer, sse
from rightmodel.core.call import Completion, Usage
from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import Message, WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from rightmodel.wire.request import ModelRequest

Response = tuple[int, str, bytes]


def ask(
    protocol: WireFormat, *responses: Response, expect_input_tokens: int = 0
) -> tuple[Completion, Loopback]:
    async def run() -> tuple[Completion, Loopback]:
        model = "" if protocol is WireFormat.GEMINI else "m"
        async with loopback({model: list(responses)}) as server:
            suffix = "/v1" if protocol is WireFormat.OPENAI_CHAT else ""
            provider = Provider("p", protocol, f"http://127.0.0.1:{server.port}{suffix}")
            request = ModelRequest(
                provider,
                "m",
                (Message.of("user", "hi"),),
                key="sk-very-secret-key",
                system="be brief",
                max_output_tokens=99,
                expect_input_tokens=expect_input_tokens,
            )
            client = HttpClient()
            try:
                return await make_upstreams(client)[protocol].complete(request), server
            finally:
                await client.close()

    return asyncio.run(run())


def test_openai_chat_reads_a_stream_with_usage() -> None:
    completion, server = ask(WireFormat.OPENAI_CHAT, openai_answer("hello"))
    assert completion.text == "hello"
    assert completion.finish == "stop"
    assert completion.usage == Usage(input=100, output=20, cache_read=40)
    assert server.paths == ["/v1/chat/completions"]
    assert server.bodies[0]["messages"][0] == {"role": "system", "content": "be brief"}


def test_anthropic_counts_cached_tokens_as_input() -> None:
    usage = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1}
    completion, server = ask(
        WireFormat.ANTHROPIC_MESSAGES,
        sse(
            {"type": "message_start", "message": {"model": "m-1", "usage": usage}},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hello"}},
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 7},
            },
            {"type": "message_stop"},
            done=False,
        ),
    )
    assert completion.text == "hello"
    assert completion.usage == Usage(input=100, output=7, cache_read=90)
    assert server.paths == ["/v1/messages"]


def test_gemini_counts_thoughts_as_output() -> None:
    completion, server = ask(
        WireFormat.GEMINI,
        sse(
            {"candidates": [{"content": {"parts": [{"text": "hel"}]}}], "modelVersion": "m"},
            {
                "candidates": [{"content": {"parts": [{"text": "lo"}]}, "finishReason": "STOP"}],
                "usageMetadata": {
                    "promptTokenCount": 5,
                    "candidatesTokenCount": 2,
                    "thoughtsTokenCount": 30,
                },
            },
            done=False,
        ),
    )
    assert completion.text == "hello"
    assert completion.usage == Usage(input=5, output=32, reasoning=30)
    assert server.paths == ["/v1beta/models/m:streamGenerateContent?alt=sse"]


def test_openrouter_reports_what_it_billed() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "cost": 0.00014}
    choice = {"delta": {"content": "x"}, "finish_reason": "stop"}
    completion, _ = ask(WireFormat.OPENAI_CHAT, sse({"choices": [choice], "usage": usage}))
    assert completion.cost_usd == Decimal("0.00014")


def test_a_refused_parameter_is_repaired_once() -> None:
    refusal = failure(
        400,
        {
            "error": {
                "message": "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead.",
                "type": "invalid_request_error",
                "param": "max_tokens",
                "code": "unsupported_parameter",
            }
        },
    )
    completion, server = ask(WireFormat.OPENAI_CHAT, refusal, openai_answer("ok"))
    assert completion.repaired == ("max_tokens",)
    assert server.bodies[1]["max_completion_tokens"] == 99
    assert "max_tokens" not in server.bodies[1]


@pytest.mark.parametrize(
    ("response", "fault", "scope"),
    [
        (failure(500, {"error": {"message": "oops"}}), Fault.SERVER, Scope.ENDPOINT),
        ((502, "text/html", b"<html>Bad Gateway</html>"), Fault.SERVER, Scope.ENDPOINT),
        (failure(401, {"error": {"message": "bad sk-very-secret-key"}}), Fault.AUTH, Scope.KEY),
        (failure(402, {"error": {"message": "Insufficient Balance"}}), Fault.QUOTA, Scope.KEY),
        (failure(429, {"error": {"code": "insufficient_quota"}}), Fault.QUOTA, Scope.KEY),
        (failure(429, {"error": {"message": "slow"}}), Fault.RATE_LIMITED, Scope.ENDPOINT),
        (failure(404, {"error": {"message": "no such model"}}), Fault.NOT_FOUND, Scope.MODEL),
        (failure(529, {"error": {"type": "overloaded_error"}}), Fault.OVERLOADED, Scope.ENDPOINT),
        (failure(200, {"error": {"code": 502, "message": "x"}}), Fault.SERVER, Scope.ENDPOINT),
        (failure(200, {"choices": []}), Fault.MALFORMED, Scope.ENDPOINT),
        ((200, "text/html", b"<html>login</html>"), Fault.MALFORMED, Scope.ENDPOINT),
        (sse({"choices": [{"delta": {"content": "half"}}]}), Fault.CONNECTION, Scope.ENDPOINT),
        (
            failure(
                400,
                {"error": {"message": "maximum context length is 8192 tokens. However, …"}},
            ),
            Fault.CONTEXT_OVERFLOW,
            Scope.REQUEST,
        ),
        (
            failure(
                400,
                {"error": {"message": "bad"}, "echo": "rate limit 429 maximum context length"},
            ),
            Fault.BAD_REQUEST,
            Scope.REQUEST,
        ),
    ],
)
def test_what_is_not_an_answer_becomes_a_typed_fault(
    response: Response, fault: Fault, scope: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(WireFormat.OPENAI_CHAT, response)
    assert (caught.value.fault, caught.value.scope) == (fault, scope)
    assert "sk-very-secret-key" not in str(caught.value)


def test_an_answer_to_a_silently_cut_prompt_is_rejected() -> None:
    with pytest.raises(ProviderError) as caught:
        ask(WireFormat.OPENAI_CHAT, openai_answer("cut"), expect_input_tokens=9000)
    assert caught.value.fault is Fault.CONTEXT_OVERFLOW
    assert caught.value.window == 100
