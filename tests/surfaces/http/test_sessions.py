"""A session over HTTP: where its turns go, and what the headers and the ledger say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.simulator import Behaviour, SimulatedProvider
from surfaces.http.gateway import KEY, gateway

if TYPE_CHECKING:
    from pathlib import Path

    from surfaces.http.gateway import Gateway

PLAIN = """
version = 1
baseline = "p/strong"
[routing]
assess = "rules"
[providers.p]
protocol = "openai-chat"
base_url = "{url}"
key_env = "KEY"
[[models]]
id = "p/strong"
cost = {{input = 5, output = 25, cache_read = 0.5, cache_write = 6.25}}
limits = {{context = 200000, output = 32000}}
features = ["tools"]
skills = {{general = 9}}
[[models]]
id = "p/small"
cost = {{input = 0.5, output = 2.5, cache_read = 0.05, cache_write = 0.6}}
limits = {{context = 200000, output = 32000}}
features = ["tools"]
skills = {{general = 7.5}}
"""
RULES = """
[[rules]]
name = "proofs"
when = {contains = ["prove"]}
difficulty = "expert"
[[rules]]
name = "the rest"
difficulty = "easy"
"""
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
SYSTEM = {"role": "system", "content": "You work in this folder. " * 2_000}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    ],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "three files"}


def body(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"model": "auto", "messages": [SYSTEM, *messages], "tools": TOOLS}


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


async def turn(gw: Gateway, *messages: dict[str, Any]) -> tuple[str, str]:
    """The model that answered and the reason."""
    answer = await gw.post("/v1/chat/completions", body(*messages))
    assert answer.status_code == 200, answer.text
    return answer.headers["x-rightmodel-model"], answer.headers["x-rightmodel-reason"]


async def test_a_session_stays_switches_for_a_harder_ask_and_is_told_apart(tmp_path: Path) -> None:
    models = {name: Behaviour(answers="done") for name in ("strong", "small")}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models) as up,
        gateway(tmp_path, PLAIN.format(url=up.base_url) + RULES) as gw,
    ):
        first = said("list the files")
        model, reason = await turn(gw, first)
        assert (model, reason[:11]) == ("p/small", "begins with")
        model, reason = await turn(gw, first, CALL, RESULT)
        assert (model, reason[:10]) == ("p/small", "stays with")
        assert "for switching to p/strong" in reason
        harder = said("now prove that the algorithm ends")
        model, reason = await turn(gw, first, CALL, RESULT, CALL, RESULT, harder)
        assert (model, reason[:13]) == ("p/strong", "switches from")
        assert reason.endswith("for staying")
        # What returns results of tools goes on with the hard ask.
        model, reason = await turn(gw, first, CALL, RESULT, harder, CALL, RESULT)
        assert (model, reason[:10]) == ("p/strong", "stays with")
        assert (await turn(gw, said("another session")))[1].startswith("begins with")


@pytest.mark.parametrize("model", ["p/strong", "auto:best"])
async def test_the_client_s_word_wins_over_the_session(tmp_path: Path, model: str) -> None:
    models = {name: Behaviour(answers="done") for name in ("strong", "small")}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models) as up,
        gateway(tmp_path, PLAIN.format(url=up.base_url)) as gw,
    ):
        first = said("list the files")
        assert (await turn(gw, first))[0] == "p/small"
        named = {**body(first, CALL, RESULT), "model": model}
        answer = await gw.post("/v1/chat/completions", named)
        assert answer.headers["x-rightmodel-model"] == "p/strong"


async def test_a_stalled_session_is_given_a_better_model_and_the_reason_says_why(
    tmp_path: Path,
) -> None:
    models = {name: Behaviour(answers="done") for name in ("strong", "small")}
    async with (
        SimulatedProvider("openai-chat", key=KEY, models=models) as up,
        gateway(tmp_path, PLAIN.format(url=up.base_url)) as gw,
    ):
        first = said("list the files")
        tries = [part for _ in range(4) for part in (CALL, RESULT)]
        calm = (await turn(gw, first))[0]
        model, reason = await turn(gw, first, *tries)
        assert "; one step harder: " in reason
        assert (calm, model) == ("p/small", "p/strong")
