"""What an error is evidence of: a 403, a 404 and a 413 mean different things by what they say."""

from __future__ import annotations

from typing import Any

import pytest

from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import WireFormat
from rightmodel.upstream.classify import classify
from upstream.upstream import failure, refusal, request_of

NAME = "some-model-8b"
PAGE = "<html><head><title>{0}</title></head><body>{0}</body></html>"


def fault_of(status: int, body: Any, wire_format: WireFormat = WireFormat.OPENAI_CHAT) -> Fault:
    request = request_of("http://127.0.0.1:1", wire_format, name=NAME)
    return classify(request, status, body, {}).fault


def openai(message: str, **fields: Any) -> dict[str, Any]:
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize("wire_format", WireFormat)
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (openai("Your request violates our content policy"), Fault.REFUSED),
        (openai("Blocked by content moderation"), Fault.REFUSED),
        (openai("x", code="content_policy_violation"), Fault.REFUSED),
        (openai(f"Project p does not have access to {NAME}"), Fault.NOT_FOUND),
        (openai("This model is only available on the Pro plan"), Fault.NOT_FOUND),
        (openai("Access to this deployment is restricted"), Fault.NOT_FOUND),
        (openai("The API key was revoked"), Fault.AUTH),
        (openai("x", type="permission_error"), Fault.AUTH),
        (openai("Your account has been suspended"), Fault.AUTH),
        (openai("Not available in your country"), Fault.AUTH),
        (openai("Forbidden"), Fault.FORBIDDEN),
        (openai("Request not allowed", type="forbidden"), Fault.FORBIDDEN),
        (PAGE.format("403 Forbidden"), Fault.FORBIDDEN),
        (PAGE.format("Your API key and your account: access denied by policy"), Fault.FORBIDDEN),
        ("", Fault.FORBIDDEN),
        ({}, Fault.FORBIDDEN),
    ],
)
def test_a_403_is_classified_by_its_message(
    body: Any, fault: Fault, wire_format: WireFormat
) -> None:
    assert fault_of(403, body, wire_format) is fault


@pytest.mark.parametrize(
    ("message", "scope"),
    [
        ("Insufficient Balance", Scope.KEY),
        ("Payment required", Scope.KEY),
        ("This model requires a paid plan", Scope.MODEL),
    ],
)
def test_a_402_is_about_the_account_unless_it_speaks_of_the_model(
    message: str, scope: Scope
) -> None:
    request = request_of("http://127.0.0.1:1", name=NAME)
    error = classify(request, 402, openai(message), {})
    assert (error.fault, error.scope) == (Fault.QUOTA, scope)


def test_what_gives_no_reason_puts_nothing_out_of_order() -> None:
    assert Fault.FORBIDDEN.scope is Scope.REQUEST


@pytest.mark.parametrize("wire_format", WireFormat)
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        ("", Fault.WRONG_URL),
        ({}, Fault.WRONG_URL),
        (PAGE.format("404 Not Found"), Fault.WRONG_URL),
        ("404 page not found", Fault.WRONG_URL),
        ({"detail": "Not Found"}, Fault.WRONG_URL),
        (openai("Resource not found", code="404"), Fault.WRONG_URL),
        (openai(f"The model `{NAME}` does not exist or you do not have access"), Fault.NOT_FOUND),
        (openai(f"{NAME}: nope"), Fault.NOT_FOUND),
        (openai(f"model: {NAME}", type="not_found_error"), Fault.NOT_FOUND),
        (openai("x", code="DeploymentNotFound"), Fault.NOT_FOUND),
        (openai("Conversation roles must alternate user/assistant"), Fault.BAD_REQUEST),
        (openai("this chat template cannot hold an image"), Fault.BAD_REQUEST),
        (openai("[Errno 28] No space left on device"), Fault.SERVER),
    ],
)
def test_a_404_is_a_missing_model_only_where_it_speaks_of_one(
    body: Any, fault: Fault, wire_format: WireFormat
) -> None:
    assert fault_of(404, body, wire_format) is fault


def test_a_wrong_path_names_the_base_url() -> None:
    request = request_of("http://127.0.0.1:1", name=NAME)
    text = str(classify(request, 404, {"detail": "Not Found"}, {}))
    assert request.provider.base_url in text
    assert "model" not in text


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (PAGE.format("413 Request Entity Too Large"), Fault.BAD_REQUEST),
        (openai("Payload Too Large"), Fault.BAD_REQUEST),
        (openai("body exceeds 1048576 bytes"), Fault.BAD_REQUEST),
        (
            openai("Request exceeds the maximum size", type="request_too_large"),
            Fault.CONTEXT_OVERFLOW,
        ),
        (openai("maximum context length is 8192 tokens"), Fault.CONTEXT_OVERFLOW),
        ("", Fault.CONTEXT_OVERFLOW),
        ("[]", Fault.CONTEXT_OVERFLOW),
        ("{}", Fault.CONTEXT_OVERFLOW),
        ("{broken", Fault.CONTEXT_OVERFLOW),
        ("<html><body>no</body></html>", Fault.BAD_REQUEST),
    ],
)
def test_a_413_of_a_proxy_is_about_bytes(body: Any, fault: Fault) -> None:
    assert fault_of(413, body) is fault


def test_where_no_known_field_holds_a_message_the_start_of_the_body_is_shown() -> None:
    request = request_of("http://127.0.0.1:1", name=NAME)
    text = str(classify(request, 400, {"oops": {"why": "the capacitor is empty"}}, {}))
    assert "the capacitor is empty" in text
    long = str(classify(request, 400, {"oops": "x" * 10_000}, {}))
    assert len(long) < 400


@pytest.mark.parametrize("wire_format", WireFormat)
@pytest.mark.parametrize(
    "message",
    [
        "litellm.BadRequestError: OpenAIException - Incorrect API key provided: sk-x",
        '{"error": {"message": "Incorrect API key provided: sk-x", "code": "invalid_api_key"}}',
        'GatewayError: {"error": {"message": "no", "code": "invalid_api_key"}}',
    ],
)
def test_what_a_gateway_wraps_is_unwrapped(message: str, wire_format: WireFormat) -> None:
    assert fault_of(400, {"detail": message}, wire_format) is Fault.AUTH


@pytest.mark.parametrize("head", ["data: ", "event: error\ndata: ", "\n\ndata:"])
def test_an_error_that_is_framed_as_an_event_is_read(head: str) -> None:
    body = f'{head}{{"error": {{"message": "no", "code": "context_length_exceeded"}}}}\n\n'
    error = failure(refusal(400, body))
    assert error.fault is Fault.CONTEXT_OVERFLOW


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, openai("[Errno 28] No space left on device"), "the disk of the server is full"),
        (413, PAGE.format("413 Request Entity Too Large"), "a limit in bytes"),
    ],
)
def test_an_explanation_is_added_to_an_unclear_upstream_message(
    status: int, body: Any, words: str
) -> None:
    request = request_of("http://127.0.0.1:1", name=NAME)
    assert words in str(classify(request, status, body, {}))
