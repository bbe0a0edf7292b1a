"""Every recorded error body, sent over the wire, becomes the fault that faults.md asks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import Message, WireFormat
from rightmodel.upstream.classify import UpstreamError, classify, classify_in_band
from upstream.upstream import KEY, Reply, events, failure, refusal, request_of

BODIES = Path(__file__).parent / "bodies"
PROTOCOLS = {
    "anthropic": WireFormat.ANTHROPIC_MESSAGES,
    "gemini": WireFormat.GEMINI,
    "openai": WireFormat.OPENAI_CHAT,
    "compatible": WireFormat.OPENAI_CHAT,
    "local": WireFormat.OPENAI_CHAT,
    "local-anthropic": WireFormat.ANTHROPIC_MESSAGES,
    "openrouter": WireFormat.OPENAI_CHAT,
}
CASES = [
    pytest.param(PROTOCOLS[name], case, id=f"{name}: {case['name']}")
    for name in PROTOCOLS
    for case in json.loads((BODIES / f"{name}.json").read_text())
]


def recorded(case: dict[str, Any]) -> Reply:
    return refusal(
        case["status"],
        case["body"],
        **{k.replace("-", "_"): v for k, v in case.get("headers", {}).items()},
    )


@pytest.mark.parametrize(("protocol", "case"), CASES)
def test_a_recorded_body_is_classified_as_its_fault(
    protocol: WireFormat, case: dict[str, Any]
) -> None:
    error = failure(recorded(case), protocol=protocol)
    expect = case["expect"]
    assert (error.fault, error.scope) == (Fault(expect["fault"]), expect["scope"])
    assert error.window == expect.get("window")
    assert error.parameter == expect.get("parameter", "")
    assert error.status == expect.get("status_named", error.status)
    if "retry_after_s" in expect:
        assert error.retry_after_s == pytest.approx(expect["retry_after_s"])
    assert isinstance(error, UpstreamError)
    assert error.room == expect.get("room")
    assert error.limit == expect.get("limit")


@pytest.mark.parametrize(("protocol", "case"), CASES)
def test_the_upstreams_message_is_passed_on(protocol: WireFormat, case: dict[str, Any]) -> None:
    body = case["body"]
    error = body if isinstance(body, str) else (body[0] if isinstance(body, list) else body)
    words = error if isinstance(error, str) else error.get("error", error)
    words = words if isinstance(words, str) else words.get("message", words.get("detail", ""))
    if isinstance(words, str):
        said = " ".join(words.split())
        assert said[:300] in str(failure(recorded(case), protocol=protocol))


@pytest.mark.parametrize("protocol", WireFormat)
@pytest.mark.parametrize(
    "echo",
    [
        "rate limit 429 context length",
        "maximum context length is 8192 tokens. However, you requested 9000 tokens",
        "prompt is too long: 3 tokens > 2 maximum",
        "The input token count (12) exceeds the maximum number of tokens allowed (8).",
        "insufficient_quota: your credit balance is too low, insufficient balance",
        "The model `x` does not exist; your input was flagged; api key invalid",
    ],
)
@pytest.mark.parametrize("where", ["message", "beside", "param"])
def test_a_400_that_echoes_the_prompt_is_a_fault_of_the_request(
    protocol: WireFormat, echo: str, where: str
) -> None:
    error = {"message": "messages.0.content: invalid", "type": "invalid_request_error"}
    if where == "message":
        error["message"] = f"messages.0.content: invalid value: {echo!r}"
    body: dict[str, Any] = {"error": error}
    if where == "beside":
        body["request"] = {"messages": [{"role": "user", "content": echo}]}
    if where == "param":
        error["failed_value"] = echo
    prompt = f"Translate this: {echo}"
    found = failure(refusal(400, body), protocol=protocol, messages=(Message.of("user", prompt),))
    assert (found.fault, found.scope) == (Fault.BAD_REQUEST, Scope.REQUEST)


def test_the_key_is_masked_wherever_an_upstream_echoes_it() -> None:
    body = {"error": {"message": f"Authentication Fails, Your api key: {KEY} is invalid"}}
    error = failure(refusal(401, body))
    assert KEY not in str(error)
    assert "[key removed]" in str(error)
    html = failure(refusal(500, f"<html>{KEY}</html>"))
    assert KEY not in str(html)


def test_a_key_at_the_bound_of_a_message_is_masked_before_it_is_cut() -> None:
    words = "x" * 490 + KEY
    error = failure(refusal(400, {"error": {"message": words}}))
    assert "sk-very" not in str(error)
    assert len(str(error)) < 550


@pytest.mark.parametrize(
    ("status", "fault", "scope"),
    [
        (400, Fault.BAD_REQUEST, Scope.REQUEST),
        (401, Fault.AUTH, Scope.KEY),
        (402, Fault.QUOTA, Scope.KEY),
        (403, Fault.FORBIDDEN, Scope.REQUEST),
        (405, Fault.WRONG_URL, Scope.ENDPOINT),
        (408, Fault.SERVER, Scope.ENDPOINT),
        (422, Fault.BAD_REQUEST, Scope.REQUEST),
        (429, Fault.RATE_LIMITED, Scope.ENDPOINT),
        (500, Fault.SERVER, Scope.ENDPOINT),
        (502, Fault.SERVER, Scope.ENDPOINT),
        (503, Fault.OVERLOADED, Scope.ENDPOINT),
        (504, Fault.SERVER, Scope.ENDPOINT),
        (520, Fault.SERVER, Scope.ENDPOINT),
        (529, Fault.OVERLOADED, Scope.ENDPOINT),
    ],
)
@pytest.mark.parametrize("body", ["", "<html><body>no</body></html>", "[]", "{}", "{broken"])
@pytest.mark.parametrize("protocol", WireFormat)
def test_the_status_decides_where_the_body_is_empty_or_invalid(
    protocol: WireFormat, body: str, status: int, fault: Fault, scope: str
) -> None:
    found = classify(request_of("http://127.0.0.1:1", protocol), status, body, {})
    assert (found.fault, found.scope, found.status) == (fault, scope, status)


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, Fault.OVERLOADED),
        ({"type": "rate_limit_error", "message": "slow"}, Fault.RATE_LIMITED),
        ({"type": "api_error", "message": "no"}, Fault.SERVER),
        ({"type": "invalid_request_error", "message": "no"}, Fault.BAD_REQUEST),
        ({"type": "something_new", "message": "no"}, Fault.SERVER),
    ],
)
def test_an_error_event_of_anthropic_is_classified_by_its_type(
    error: dict[str, str], fault: Fault
) -> None:
    stream = events({"type": "message_start", "message": {}}, {"type": "error", "error": error})
    assert failure(stream, protocol=WireFormat.ANTHROPIC_MESSAGES).fault is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({"code": 429, "message": "slow"}, Fault.RATE_LIMITED),
        ({"code": 502, "message": "bad"}, Fault.SERVER),
        ({"code": "server_error", "message": "bad"}, Fault.SERVER),
        ({"code": "rate_limit_exceeded", "message": "slow"}, Fault.RATE_LIMITED),
        ({"code": 402, "message": "pay"}, Fault.QUOTA),
        ("something broke", Fault.SERVER),
        ("Context size has been exceeded.", Fault.CONTEXT_OVERFLOW),  # LM Studio's
    ],
)
def test_an_error_chunk_within_a_stream_is_classified_by_its_code(
    error: object, fault: Fault
) -> None:
    half = {"choices": [{"delta": {"content": "half"}, "finish_reason": None}]}
    assert failure(events(half, {"error": error})).fault is fault
    last = {"choices": [{"delta": {}, "finish_reason": "error"}], "error": error}
    assert failure(events(half, last)).fault is fault


def test_a_shared_window_that_is_full_is_an_overload_in_mid_stream_too() -> None:
    full = {"code": 500, "message": "Context size has been exceeded.", "type": "server_error"}
    half = {"choices": [{"delta": {"content": "half"}, "finish_reason": None}]}
    assert failure(refusal(500, {"error": full})).fault is Fault.OVERLOADED
    assert failure(events(half, {"error": full})).fault is Fault.OVERLOADED


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "error",
                    "errors",
                    "base_resp",
                    "status_code",
                    "message",
                    "code",
                    "type",
                    "status",
                    "param",
                    "detail",
                    "details",
                    "metadata",
                    "raw",
                    "reason",
                    "loc",
                    "msg",
                    "@type",
                    "headers",
                    "violations",
                    "innererror",
                    "error_code",
                    "limit_source",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(body=JSON, status=st.sampled_from([200, 400, 403, 422, 429, 500]))
@pytest.mark.parametrize("protocol", WireFormat)
def test_no_body_however_odd_breaks_the_classification(
    protocol: WireFormat, body: Any, status: int
) -> None:
    request = request_of("http://127.0.0.1:1", protocol)
    assert isinstance(classify(request, status, body, {}), ProviderError)
    if isinstance(body, dict):
        assert isinstance(classify_in_band(request, body), ProviderError)
