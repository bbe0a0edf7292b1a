"""The first request of a real agent to its model carries the tools, however busy the machine is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.real_agents import AGENTS, MODEL, QUESTION, Agent, busy_machine, offered, scripted, turn
from e2e.setup import two_models

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
async def test_the_first_turn_has_the_tools_on_a_busy_machine(agent: Agent, tmp_path: Path) -> None:
    async with two_models(tmp_path) as setup, scripted(agent) as model, busy_machine():
        finished = await turn(agent, setup, model)
    assert finished.code == 0, str(finished)
    assert "forty-two" in finished.out, str(finished)
    first = next(r for r in model.requests if r.model == MODEL and QUESTION in r.text)
    names = offered(first)
    for tool in ("complete", "choose_model", "report_outcome"):
        assert any(name.endswith(tool) for name in names), names
