"""Who may use the HTTP server, and what anybody may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.simulator import Behaviour, SimulatedProvider
from surfaces.http.gateway import KEY, gateway, manifest

if TYPE_CHECKING:
    from pathlib import Path

    from surfaces.http.gateway import Gateway

OPERATOR, ALICE, BOB = "operator-token-0", "alice-token-00000", "bobs-token-000000"
CLIENTS = """
[clients.alice]
token_env = "ALICE"
models = ["p/*"]
tier = "best"
[clients.bob]
token_env = "BOB"
surfaces = ["mcp"]
"""
ENV = {"ALICE": ALICE, "BOB": BOB}
BODY = {"model": "auto", "messages": [{"role": "user", "content": "hi"}]}
CHAT = "/v1/chat/completions"


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_health_needs_no_token_and_says_nothing_else(tmp_path: Path) -> None:
    async with gateway(tmp_path, "version = 1", token=OPERATOR) as gw:
        answer = await gw.http.get("/health")
        assert answer.status_code == 200
        assert set(answer.json()) == {"status", "version"}


async def test_a_token_is_a_bearers_or_an_api_key(tmp_path: Path) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up}), token=OPERATOR) as gw,
    ):
        given: list[dict[str, str]] = [
            {},
            bearer(OPERATOR[:-1]),
            {"authorization": OPERATOR},
            bearer(OPERATOR),
            {"authorization": f"bearer  {OPERATOR}"},
            {"x-api-key": OPERATOR},
            bearer("of another server") | {"x-api-key": OPERATOR},
        ]
        answers = [await gw.http.post(CHAT, json=BODY, headers=h) for h in given]
        assert [a.status_code for a in answers] == [401, 401, 401, 200, 200, 200, 200]
        assert "Authorization: Bearer TOKEN" in answers[0].json()["error"]["message"]
        wrong = await gw.http.post("/v1/messages", json=BODY)
        assert wrong.json()["error"]["type"] == "authentication_error"
        for request in up.requests:
            assert OPERATOR not in str(request.headers)


async def test_clients_have_tokens_models_and_surfaces_of_their_own(tmp_path: Path) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as p,
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as q,
        gateway(tmp_path, manifest({"p": p, "q": q}, models=CLIENTS), env=ENV) as gw,
    ):

        async def status(token: str, **changed: Any) -> int:
            body = BODY | changed
            answer = await gw.http.post(CHAT, json=body, headers=bearer(token))
            return answer.status_code

        assert await status(ALICE) == 200
        assert await status(ALICE, model="p/m") == 200
        assert await status(ALICE, model="q/m") == 403
        assert await status(BOB) == 403
        assert await status("nobodys-token-00") == 401
        assert (await gw.http.post(CHAT, json=BODY)).status_code == 401
        listed = (await gw.http.get("/v1/models", headers=bearer(ALICE))).json()["data"]
        assert [m["id"] for m in listed if "/" in m["id"]] == ["p/m"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:3000"}, 200),
    ],
)
async def test_pages_of_other_sites_cannot_use_a_server_on_loopback(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async with gateway(tmp_path, "version = 1") as gw:
        for path in ("/health", "/v1/models"):
            answer = await gw.http.get(path, headers=headers)
            assert answer.status_code == status
            assert "access-control-allow-origin" not in answer.headers


async def test_no_token_opens_loopback_alone_even_while_the_manifest_is_broken(
    tmp_path: Path,
) -> None:
    for host, status in (("127.0.0.1", 503), ("0.0.0.0", 401)):
        async with gateway(tmp_path, "versoin = 1", host=host) as gw:
            assert (await gw.http.post(CHAT, json=BODY)).status_code == status


def call_tool(number: int, tool: str, **arguments: object) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


async def complete(gw: Gateway, token: str, **arguments: object) -> str:
    headers = bearer(token) | {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "complete",
    }
    message = call_tool(1, "complete", **arguments)
    return (await gw.http.post("/mcp", json=message, headers=headers)).text


async def test_every_client_over_mcp_is_told_once_that_the_manifest_was_changed(
    tmp_path: Path,
) -> None:
    text = CLIENTS.replace('surfaces = ["mcp"]\n', "")
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up}, models=text), env=ENV) as gw,
    ):
        told = [await complete(gw, ALICE, prompt="hi")]
        path = tmp_path / "rightmodel.toml"
        path.write_text(path.read_text() + "\n[budget]\nper_day_usd = 9\n")
        told += [await complete(gw, token, prompt="hi") for token in (ALICE, BOB, ALICE, BOB)]
        assert ["manifest changed" in line for line in told] == [False, True, True, False, False]


async def test_a_client_over_mcp_reads_no_other_clients_answers(tmp_path: Path) -> None:
    clients = CLIENTS.replace('surfaces = ["mcp"]\n', "")

    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up}, models=clients), env=ENV) as gw,
    ):
        first = await complete(gw, ALICE, prompt="a secret")
        ref = first.partition("[ref=")[2].split()[0]
        assert "simulated answer" in await complete(gw, ALICE, ref=ref, prompt="go on")
        refused = await complete(gw, BOB, ref=ref, prompt="go on")
        assert '"isError":true' in refused
        assert "simulated answer" not in refused
        assert [r.text.count("secret") for r in up.requests] == [1, 1]
        metrics = (await gw.http.get("/metrics", headers=bearer(ALICE))).status_code
        assert metrics == 403
        assert (await gw.http.post("/mcp", json={})).status_code == 401
