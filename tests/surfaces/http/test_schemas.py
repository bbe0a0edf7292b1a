"""JSON that a client asked for, from models that are asked for it in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

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
