"""An upstream's refusal names the field as the client's own API calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from loopback import failure, loopback
from surfaces.http.gateway import gateway

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """version = 1
[routing]
max_attempts = 1
[providers.p]
protocol = "{protocol}"
base_url = "http://127.0.0.1:{port}"
[[models]]
id = "p/m"
limits = {{ context = 200000, output = 32000 }}
skills = {{ general = 8 }}
effort = ["low", "high"]
features = ["reasoning"]
cost = {{ input = 1, output = 2 }}
"""
HI = [{"role": "user", "content": "hi"}]
CLIENTS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "openai-chat": (
        "/v1/chat/completions",
        {"messages": HI, "max_completion_tokens": 100, "reasoning_effort": "low"},
        "max_completion_tokens",
        "reasoning_effort",
    ),
    "openai-responses": (
        "/v1/responses",
        {"input": "hi", "max_output_tokens": 100, "reasoning": {"effort": "low"}},
        "max_output_tokens",
        "reasoning",
    ),
    "anthropic-messages": (
        "/v1/messages",
        {"messages": HI, "max_tokens": 100, "output_config": {"effort": "low"}},
        "max_tokens",
        "output_config.effort",
    ),
}
OPENAI = {"type": "invalid_request_error", "code": "integer_below_min_value"}
ANTHROPIC = {"type": "invalid_request_error"}
GOOGLE = {"code": 400, "status": "INVALID_ARGUMENT"}
TOO_FEW: dict[str, dict[str, Any]] = {
    "openai-chat": {
        **OPENAI,
        "param": "max_tokens",
        "message": "Invalid 'max_tokens': expected a value >= 1000, but got 100 instead.",
    },
    "openai-responses": {
        **OPENAI,
        "param": "max_output_tokens",
        "message": "Invalid 'max_output_tokens': expected a value >= 1000, but got 100.",
    },
    "anthropic-messages": {**ANTHROPIC, "message": "max_tokens: at least 1024 is required"},
    "gemini": {**GOOGLE, "message": "maxOutputTokens value of 100 is too small"},
}
TOO_POOR = {"code": 402, "message": "fewer max_tokens: you can only afford 5"}


async def _refused(folder: Path, client: str, upstream: str, status: int, error: Any) -> Any:
    reply = failure(status, {"error": error})
    async with (
        loopback({"m": [reply], "": [reply]}) as up,
        gateway(folder, MANIFEST.format(protocol=upstream, port=up.port)) as gw,
    ):
        path, body, *_ = CLIENTS[client]
        answer = await gw.post(path, {"model": "auto", **body})
    assert answer.status_code == status
    return answer.json()["error"]


@pytest.mark.parametrize("upstream", TOO_FEW)
@pytest.mark.parametrize("client", CLIENTS)
async def test_a_refused_cap_is_the_clients_own_field(
    tmp_path: Path, client: str, upstream: str
) -> None:
    error = await _refused(tmp_path, client, upstream, 400, TOO_FEW[upstream])
    cap = CLIENTS[client][2] if client != upstream else TOO_FEW[upstream].get("param", "max_tokens")
    assert error["message"].startswith(f"{cap}: every attempt failed")
    if client == "anthropic-messages":
        assert error["details"] == {"error_code": "parameter_refused"}
    else:
        assert (error["param"], error["code"]) == (cap, "unsupported_value")


@pytest.mark.parametrize("client", ["openai-responses", "anthropic-messages"])
async def test_a_cap_that_the_account_cannot_pay_is_the_clients_own_field(
    tmp_path: Path, client: str
) -> None:
    error = await _refused(tmp_path, client, "openai-chat", 402, TOO_POOR)
    assert error["message"].startswith(f"{CLIENTS[client][2]}: ")


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_key_that_a_provider_refused_is_not_the_clients(
    tmp_path: Path, client: str
) -> None:
    error = {"message": "Incorrect API key", "code": "invalid_api_key"}
    reply = failure(401, {"error": error})
    async with (
        loopback({"m": [reply]}) as up,
        gateway(tmp_path, MANIFEST.format(protocol="openai-chat", port=up.port)) as gw,
    ):
        path, body, *_ = CLIENTS[client]
        answer = await gw.post(path, {"model": "auto", **body})
    assert answer.status_code == 502
    assert answer.json()["error"].get("code") in {None, "auth_failed"}
