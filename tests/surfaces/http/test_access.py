"""Who may use the HTTP server, and what anybody may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.simulator import Behaviour, SimulatedProvider
from surfaces.http.gateway import KEY, gateway, manifest, run

if TYPE_CHECKING:
    from pathlib import Path

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


def test_health_needs_no_token_and_says_nothing_else(tmp_path: Path) -> None:
    async def work() -> None:
        async with gateway(tmp_path, "version = 1", token=OPERATOR) as gw:
            answer = await gw.http.get("/health")
            assert answer.status_code == 200
            assert set(answer.json()) == {"status", "version"}

    run(work())


def test_a_token_is_a_bearers_or_an_api_key(tmp_path: Path) -> None:
    async def work() -> None:
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

    run(work())


def test_clients_have_tokens_models_and_surfaces_of_their_own(tmp_path: Path) -> None:
    async def work() -> None:
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

    run(work())


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
def test_pages_of_other_sites_cannot_use_a_server_on_loopback(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async def work() -> None:
        async with gateway(tmp_path, "version = 1") as gw:
            for path in ("/health", "/v1/models"):
                answer = await gw.http.get(path, headers=headers)
                assert answer.status_code == status
                assert "access-control-allow-origin" not in answer.headers

    run(work())
