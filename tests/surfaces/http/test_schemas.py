"""JSON that a client asked for, from models that are asked for it in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from loopback import failure, loopback, openai_answer
from rightmodel.core.task import WireFormat
from rightmodel.simulator import Behaviour, SimulatedProvider
from surfaces.http.gateway import KEY, gateway, manifest
from surfaces.http.sdks import SDKS

if TYPE_CHECKING:
    from pathlib import Path

CITY: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
}
FENCED = 'Here it is:\n```json\n{"city": "Oslo"}\n```\nAnything else?'


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("client", SDKS)
async def test_fences_and_prose_around_the_json_are_taken_off(
    tmp_path: Path, client: str, *, stream: bool
) -> None:
    async with SimulatedProvider(WireFormat.GEMINI, key=KEY, models={"m": Behaviour()}) as up:
        text = manifest({"p": up}).replace('"tools", "json_schema"', '"tools"')
        async with gateway(tmp_path, text) as gw, SDKS[client](gw.url) as sdk:
            for said in (FENCED, '{"city": "Lima"}', "I cannot say."):
                sdk.user("Where?")
                up.script("m", [said])
                found = await sdk.turn(stream=stream, model="p/m", schema=CITY)
                right = json.dumps({"city": "Oslo"}) if said == FENCED else said
                assert found.text == right


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_refused_schema_goes_in_words_to_the_client_s_own_api_too(
    tmp_path: Path, *, stream: bool
) -> None:
    refused = failure(400, {"error": {"message": "This response_format type is unavailable now"}})
    async with loopback({"m": [refused, openai_answer(FENCED)]}) as up:
        text = (
            'version = 1\n[providers.p]\nprotocol = "openai-chat"\n'
            f'base_url = "http://127.0.0.1:{up.port}/v1"\nkey_env = "KEY"\n'
            '[[models]]\nid = "p/m"\ncost = { input = 1, output = 2 }\n'
            "limits = { context = 200000, output = 32000 }\n"
        )
        async with gateway(tmp_path, text) as gw, SDKS["chat completions"](gw.url) as sdk:
            sdk.user("Where?")
            found = await sdk.turn(stream=stream, model="p/m", schema=CITY)
            assert found.text == json.dumps({"city": "Oslo"})
            sdk.user("Without a schema?")
            found = await sdk.turn(stream=stream, model="p/m", seed=7)
            assert found.text == FENCED
            assert up.bodies[-1]["seed"] == 7  # passed through


@pytest.mark.parametrize("name", ["pattern", "patternProperties"])
async def test_a_pattern_that_python_cannot_read_is_no_fault_of_a_turn(
    tmp_path: Path, name: str
) -> None:
    letters = r"^(?<word>\p{L}+)$"
    city = {"type": "string", "pattern": letters}
    schema = {**CITY, "properties": {"city": city}}
    if name == "patternProperties":
        schema = {**CITY, "patternProperties": {letters: {"type": "string"}}}
    async with (
        SimulatedProvider(key=KEY, models={"m": Behaviour()}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
        SDKS["chat completions"](gw.url) as sdk,
    ):
        sdk.user("Where?")
        up.script("m", ['{"city": "Oslo"}'])
        found = await sdk.turn(model="p/m", schema=schema)
        assert found.text == '{"city": "Oslo"}'
