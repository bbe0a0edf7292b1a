"""Every simulated fault is classified as the catalogue declares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rightmodel.core.errors import ProviderError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Message
from rightmodel.manifest.catalog import Provider
from rightmodel.simulator import Behaviour, SimulatedFault, SimulatedProvider, fault
from rightmodel.simulator.dialects import DIALECTS
from rightmodel.upstream.exchange import make_upstreams
from rightmodel.upstream.http import HttpClient
from rightmodel.wire.request import ModelRequest

if TYPE_CHECKING:
    from rightmodel.core.call import Completion

PROMPT = "word " * 20_000
KEY = "sk-simulated-0001"
OF_OTHERS = {"huge_body"}  # has a test of its own; slow here


def readings(completion: Completion) -> set[Fault]:
    """What dispatch makes of an answer that came through."""
    found = {"refused": Fault.REFUSED, "length": Fault.CUT_OFF}.get(completion.finish)
    return {f for f in (found, None if completion.text else Fault.EMPTY) if f is not None}


async def read(provider: SimulatedProvider, name: str, client: HttpClient) -> set[Fault]:
    endpoint = Provider(name, provider.protocol, provider.base_url)
    messages = (Message.of("user", PROMPT),)
    request = ModelRequest(
        endpoint, "m", messages, key=KEY, max_output_tokens=50, expect_input_tokens=20_000
    )
    providers = make_upstreams(client)
    try:
        return readings(await providers[provider.protocol].complete(request))
    except ProviderError as error:
        return {error.fault}


def agrees(one: SimulatedFault, found: set[Fault], *, touched: bool) -> bool:
    return bool(found & one.leads_to) if one.leads_to and touched else not found


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_every_fault_is_read_as_the_catalogue_says(dialect: str) -> None:
    protocol = DIALECTS[dialect].protocol
    wrong = []
    client = HttpClient()
    models = {"m": Behaviour(chunk_tokens=1)}
    async with SimulatedProvider(protocol, dialect=dialect, key=KEY, models=models) as up:
        for one in fault.faults(protocol, dialect):
            if one.name in fault.STALLS | OF_OTHERS:
                continue
            up.fail("m", one)
            found = await read(up, dialect, client)
            if not agrees(one, found, touched=bool(up.requests[-1].fault)):
                wrong.append(f"{one.name}: {sorted(found)}, not {sorted(one.leads_to)}")
        await client.close()
    assert wrong == []
