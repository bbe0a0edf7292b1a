"""`/v1/messages/count_tokens`: exact where the upstream counts, else estimated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loopback import failure, loopback
from rightmodel.simulator import Behaviour, SimulatedProvider
from surfaces.http.gateway import KEY, gateway, manifest
from surfaces.http.test_turns import ANTHROPIC

if TYPE_CHECKING:
    from pathlib import Path

PATH = "/v1/messages/count_tokens"
BODY = {
    "model": "auto",
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "What is the capital of France? " * 20}],
}


async def test_an_upstream_that_counts_is_asked(tmp_path: Path) -> None:
    reply = 200, "application/json", b'{"input_tokens": 147}'
    async with (
        loopback({"m": [reply]}) as up,
        gateway(tmp_path, ANTHROPIC.format(port=up.port)) as gw,
    ):
        answer = await gw.post(PATH, BODY)
        assert answer.json() == {"input_tokens": 147, "estimated": False}
        assert answer.headers["x-rightmodel-counted-by"] == "p/m"
        assert up.paths == [PATH]
        assert up.bodies == [BODY | {"model": "m"}]


async def test_it_is_estimated_where_the_upstream_fails_or_speaks_another_api(
    tmp_path: Path,
) -> None:
    async with (
        loopback({"m": [failure(500, {})]}) as up,
        gateway(tmp_path, ANTHROPIC.format(port=up.port)) as gw,
    ):
        failed = await gw.post(PATH, BODY)
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour()}) as chat,
        gateway(tmp_path, manifest({"p": chat})) as gw,
    ):
        other = await gw.post(PATH, BODY)
        assert chat.requests == []
    for answer in (failed, other):
        assert answer.headers["x-rightmodel-counted-by"] == "estimate"
        assert answer.json()["estimated"] is True
        assert 120 < answer.json()["input_tokens"] < 180


async def test_a_body_that_is_wrong_gets_the_error_of_messages(tmp_path: Path) -> None:
    async with gateway(tmp_path, "version = 1") as gw:
        answer = await gw.post(PATH, {"model": "auto"})
        assert answer.status_code == 400
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert "messages" in answer.json()["error"]["message"]
