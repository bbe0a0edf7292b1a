"""What a request carries and where it is sent: keys, headers, proxies, odd text."""

from __future__ import annotations

import json

import pytest

from rightmodel.core.fault import Fault, Scope
from rightmodel.core.task import WireFormat
from rightmodel.manifest.catalog import Provider
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.wire.codecs import CODECS
from rightmodel.wire.request import ModelRequest
from upstream.upstream import KEY, ask, chat, failure, request_of, scripted

OPENAI = WireFormat.OPENAI_CHAT


def test_the_key_goes_in_its_header_and_nowhere_else() -> None:
    _, server = ask(chat())
    request = server.requests[0]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in request.path
    assert KEY not in json.dumps(request.body)


@pytest.mark.parametrize(
    ("url", "has_token"),
    [
        ("http://gpu.lan:8000/v1", True),
        ("https://gateway.example/anthropic", True),
        ("https://api.anthropic.com/v1", False),
        ("https://name.services.ai.azure.com/anthropic/v1", False),
    ],
)
def test_a_server_with_anthropics_api_gets_the_key_as_a_bearer_token_too(
    url: str, *, has_token: bool
) -> None:
    """vLLM 0.32.0 answers 401 to `x-api-key`."""
    codec = CODECS[WireFormat.ANTHROPIC_MESSAGES]
    provider = Provider("p", WireFormat.ANTHROPIC_MESSAGES, url)
    request = ModelRequest(provider, "m", request_of("").messages, key=KEY)
    token = {"authorization": f"Bearer {KEY}"} if has_token else {}
    sent = {name: v for name, v in codec.headers(request).items() if KEY in v}
    assert sent == {"x-api-key": KEY, **token}


def test_no_key_sends_no_header() -> None:
    _, server = ask(chat(), key="")
    assert "authorization" not in server.requests[0].headers


async def test_headers_of_the_manifest_are_sent_and_do_not_displace_the_key() -> None:
    async with scripted(chat()) as (server, client):
        headers = {"X-Title": "rightmodel", "Authorization": "Bearer other"}
        provider = Provider("p", OPENAI, f"{server.base}/v1", headers=headers)
        request = ModelRequest(provider, "m", request_of("").messages, key=KEY)
        await make_upstreams(client)[OPENAI].complete(request)
        sent = server.requests[0].headers
        assert (sent["x-title"], sent["authorization"]) == ("rightmodel", f"Bearer {KEY}")


@pytest.mark.parametrize("key", ["sk-with\nbreak", "sk-“quoted”", "sk\x00"])
def test_a_key_that_no_header_can_carry_is_reported_without_showing_it(key: str) -> None:
    error = failure(chat(), key=key)
    assert (error.fault, error.scope) == (Fault.AUTH, Scope.KEY)
    assert key not in str(error)
    assert "break" not in str(error).replace("line breaks", "")


def test_a_loopback_provider_is_never_reached_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert ask(chat())[0].text == "ok"


async def test_a_remote_provider_is_reached_through_the_environments_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    async with scripted(chat()) as (server, client):
        monkeypatch.setenv("http_proxy", server.base)
        provider = Provider("p", OPENAI, "http://models.invalid/v1")
        request = ModelRequest(provider, "m", request_of("").messages, key=KEY)
        await make_upstreams(client)[OPENAI].complete(request)
        assert server.requests[0].path == "http://models.invalid/v1/chat/completions"


def test_a_prompt_with_half_a_surrogate_pair_is_sent() -> None:
    message = request_of("").messages[0]
    _, server = ask(chat(), messages=(type(message).of("user", "half \ud83d pair"),))
    assert server.requests[0].body["messages"][0]["content"] == "half ? pair"
