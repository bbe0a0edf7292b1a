"""Many at once and many in a row: nothing crossed, nothing lost, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import json
import re
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from rightmodel.execution.call_state import CallState
from rightmodel.simulator import Behaviour, SimulatedProvider
from surfaces.http.gateway import KEY, gateway, manifest, run

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.simulator.received import Received
    from surfaces.http.gateway import Gateway

WORDS = 30
PATHS = {
    "chat": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
}
ENDS = {"chat": "data: [DONE]", "messages": "message_stop", "responses": "response.completed"}
MARK = re.compile(r"mark-(\d+)-")


def echo(request: Received) -> str:
    """The mark in the request, in so many words."""
    found = MARK.search(json.dumps(request.body))
    assert found is not None
    return answer_to(found[1])


def answer_to(mark: str) -> str:
    return " ".join(f"<{mark}:{n}>" for n in range(WORDS))


def body(client: str, mark: int, *, stream: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"Say mark-{mark}- again."}]
    common: dict[str, Any] = {"model": "auto", "stream": stream}
    if client == "responses":
        return {**common, "input": messages, "store": False}
    return {**common, "messages": messages, "max_tokens": 1000}


def text_of(client: str, stream: str) -> str:
    """The text that a stream's events spell."""
    found = ""
    for line in stream.splitlines():
        if line.startswith("data: {"):
            event = json.loads(line.removeprefix("data: "))
            if client == "chat":
                found += "".join(c["delta"].get("content") or "" for c in event["choices"])
            elif client == "messages":
                found += event.get("delta", {}).get("text", "")
            elif event["type"] == "response.output_text.delta":
                found += event["delta"]
    return found


async def streamed(gw: Gateway, http: httpx2.AsyncClient, client: str, mark: int) -> str:
    request = body(client, mark, stream=True)
    response = await http.post(gw.url + PATHS[client], json=request)
    assert response.status_code == 200
    assert ENDS[client] in response.text
    return text_of(client, response.text)


@pytest.mark.parametrize("protocol", ["openai-chat", "anthropic-messages", "openai-responses"])
async def test_streams_at_once_come_whole_and_none_is_crossed(
    tmp_path: Path, protocol: str
) -> None:
    models = {"m": Behaviour(echo, chunk_tokens=2, tokens_per_s=300.0)}
    limits = httpx2.Limits(max_connections=None)
    async with (
        SimulatedProvider(protocol, key=KEY, models=models) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
        httpx2.AsyncClient(timeout=30, limits=limits) as http,
    ):
        clients = [list(PATHS)[mark % len(PATHS)] for mark in range(60)]
        texts = await asyncio.gather(
            *(streamed(gw, http, client, mark) for mark, client in enumerate(clients))
        )
        assert texts == [answer_to(str(mark)) for mark in range(60)]
        engine = await gw.app.engine()
        assert engine.health.in_flight == 0


async def test_turns_leave_nothing_behind(tmp_path: Path) -> None:
    async with (
        SimulatedProvider("openai-chat", key=KEY, models={"m": Behaviour(echo)}) as up,
        gateway(tmp_path, manifest({"p": up})) as gw,
    ):

        async def turns(count: int) -> int:
            for number in range(count):
                request = body("chat", 7, stream=bool(number % 2))
                assert (await gw.post(PATHS["chat"], request)).status_code == 200
            up.requests.clear()
            gc.collect()
            return len(gc.get_objects())

        await turns(60)
        before = await turns(20)
        # A turn is dozens of objects. Up to a hundred cancelled timers, and what they hold,
        # stay in the event loop's heap: over many turns that is little a turn.
        assert await turns(160) - before < 4 * 160


@pytest.mark.parametrize("protocol", ["openai-chat", "anthropic-messages"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_turn_is_freed_when_it_ends_without_the_garbage_collector(
    tmp_path: Path, protocol: str, *, stream: bool
) -> None:
    """A pass over what hundreds of turns left behind stops all that run."""

    async def work() -> None:
        async with (
            SimulatedProvider(protocol, key=KEY, models={"m": Behaviour(echo)}) as up,
            gateway(tmp_path, manifest({"p": up})) as gw,
        ):
            gc.collect()
            others = states()
            before = {id(one) for one in others}
            gc.disable()
            try:
                for mark in range(3):
                    answer = await gw.post(PATHS["chat"], body("chat", mark, stream=stream))
                    assert answer.status_code == 200
                assert [one for one in states() if id(one) not in before] == []
            finally:
                gc.enable()
                del others  # alive until here, so that no id of theirs was given again

    def states() -> list[CallState]:
        return [one for one in gc.get_objects() if isinstance(one, CallState)]

    run(work())
