"""Turns of a session through the engine: where it stays, and what it saves."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rightmodel.core.task import Task, Turn, WireFormat
from rightmodel.execution.engine import Clock, build, make_ledger
from rightmodel.manifest.load import load_catalog
from rightmodel.manifest.settings import Settings
from rightmodel.simulator import Behaviour, SimulatedProvider
from rightmodel.wire.codecs import CODECS

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.core.call import Receipt
    from rightmodel.core.task import TurnKind

MANIFEST = """
version = 1
baseline = "p/strong"
[routing]
assess = "rules"
[providers.p]
protocol = "openai-chat"
base_url = "{url}"
cache = {{life_s = 300, min_tokens = 1024, marked = true}}
[[models]]
id = "p/strong"
cost = {{input = 10, output = 50, cache_read = 1, cache_write = 12}}
limits = {{context = 100000, output = 32000}}
skills = {{general = 9}}
[[models]]
id = "p/small"
cost = {{input = 1, output = 5, cache_read = 0.1, cache_write = 1.2}}
limits = {{context = 100000, output = 32000}}
skills = {{general = 8.5}}
"""


def task_of(words: int, kind: TurnKind = "ask", session: str = "s1") -> Task:
    said = "word " * words
    document = {"model": "auto", "messages": [{"role": "user", "content": said}]}
    request = CODECS[WireFormat.OPENAI_CHAT].decode_request(document)
    body = json.dumps(document).encode()
    turn = Turn(request, WireFormat.OPENAI_CHAT, body, document, kind=kind, session=session)
    return Task("Say hello.", client="alice", turn=turn)


def answered(tmp_path: Path, *tasks: Task, gap_s: float = 5.0) -> list[Receipt]:
    now = [1_000_000.0]

    async def run() -> list[Receipt]:
        models = {name: Behaviour(answers="hello there") for name in ("strong", "small")}
        async with SimulatedProvider("openai-chat", models=models) as provider:
            path = tmp_path / "m.toml"
            path.write_text(MANIFEST.format(url=provider.base_url))
            settings = Settings(path, {"RIGHTMODEL_STATE_DIR": str(tmp_path)})
            catalog = load_catalog(path, has_key=lambda _: True)
            ledger = make_ledger(settings, catalog)
            clock = Clock(asyncio.get_running_loop().time, lambda: now[0])
            engine = build(settings, catalog, ledger=ledger, clock=clock)
            found = []
            for task in tasks:
                found.append((await engine.turns.run(task)).receipt)
                now[0] += gap_s
            await engine.close()
            return found

    return asyncio.run(run())


def baseline_of(receipt: Receipt, read: int) -> float:
    usage = receipt.attempts[-1].usage
    assert usage is not None
    return (read * 1 + (usage.input - read) * 12 + usage.output * 50) / 1e6


def test_savings_are_counted_against_a_baseline_whose_own_cache_is_warm(tmp_path: Path) -> None:
    first, second = answered(tmp_path, task_of(2_000), task_of(2_500))
    assert first.model == second.model == "p/small"
    assert float(first.baseline_usd or 0) == pytest.approx(baseline_of(first, 0))
    before, now = (r.decision.requirements.input_tokens for r in (first, second))
    usage = second.attempts[-1].usage
    assert usage is not None
    read = round(usage.input * before / now)
    assert float(second.baseline_usd or 0) == pytest.approx(baseline_of(second, read))


def test_after_a_pause_the_baseline_s_cache_would_be_cold_as_well(tmp_path: Path) -> None:
    _, late = answered(tmp_path, task_of(2_000), task_of(2_500), gap_s=301.0)
    assert float(late.baseline_usd or 0) == pytest.approx(baseline_of(late, 0))


def test_a_session_is_remembered_from_turn_to_turn_and_reasons_say_so(tmp_path: Path) -> None:
    turns = task_of(2_000), task_of(2_100, "tool_result"), task_of(2_200, session="s2")
    first, second, other = answered(tmp_path, *turns)
    assert first.decision.reason.startswith("begins with p/small")
    assert second.decision.reason.startswith("stays with p/small")
    assert other.decision.reason.startswith("begins with p/small")
    assert second.decision.assessment == first.decision.assessment


def test_another_client_does_not_meet_the_session(tmp_path: Path) -> None:
    mine = task_of(2_000)
    _, theirs = answered(tmp_path, mine, replace(mine, client="bob"))
    assert theirs.decision.reason.startswith("begins with")


def without(receipt: Receipt) -> dict[str, Any]:
    return {"reason": receipt.decision.reason, "model": receipt.model}


def test_a_turn_without_a_session_leaves_nothing_behind(tmp_path: Path) -> None:
    loose = task_of(2_000, session="")
    first, second = answered(tmp_path, loose, loose)
    assert without(first) == without(second)
