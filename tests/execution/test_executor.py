from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from engines import engine_from
from loopback import failure, loopback, openai_answer
from rightmodel.core.errors import ExhaustedError
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.simulator import Behaviour, SimulatedProvider, answer, fault

if TYPE_CHECKING:
    from pathlib import Path

    from rightmodel.core.call import Answer

MANIFEST = """
version = 1
baseline = "p/dear"
[providers.p]
protocol = "openai-chat"
base_url = "http://127.0.0.1:{port}/v1"
[[models]]
id = "p/cheap"
cost = {{input = 1, output = 2, cache_read = 0.5}}
limits = {{context = 100000, output = 32000}}
skills = {{general = 8}}
[[models]]
id = "p/dear"
cost = {{input = 10, output = 20}}
limits = {{context = 100000, output = 32000}}
skills = {{general = 9}}
"""
DOWN = failure(503, {"error": {"message": "down"}})
Script = dict[str, list[tuple[int, str, bytes]]]


def complete(tmp_path: Path, task: Task, script: Script) -> Answer:
    async def run() -> Answer:
        async with loopback(script) as server:
            engine = engine_from(tmp_path, MANIFEST.format(port=server.port))
            try:
                return await engine.executor.complete(task, deadline_s=3.0)
            finally:
                assert engine.health.in_flight == 0
                await engine.close()

    return asyncio.run(run())


def test_the_receipt_counts_cache_reads_and_the_net_saving(tmp_path: Path) -> None:
    answer = complete(tmp_path, Task("hi"), {"cheap": [openai_answer("yes")]})
    assert answer.text == "yes"
    cost = (60 * Decimal(1) + 40 * Decimal("0.5") + 20 * Decimal(2)) / 1_000_000
    baseline = (100 * Decimal(10) + 20 * Decimal(20)) / 1_000_000
    assert answer.receipt.cost_usd == cost
    assert answer.receipt.saved_usd == baseline - cost


def test_a_fault_fails_over_to_the_next_model(tmp_path: Path) -> None:
    answer = complete(tmp_path, Task("hi"), {"cheap": [DOWN], "dear": [openai_answer("yes")]})
    assert [a.fault for a in answer.receipt.attempts] == [Fault.OVERLOADED, None]


def test_an_answer_that_breaks_the_schema_escalates(tmp_path: Path) -> None:
    task = Task("hi", schema={"type": "object", "required": ["n"]})
    answer = complete(
        tmp_path,
        task,
        {"cheap": [openai_answer("{}")], "dear": [openai_answer('```json\n{"n": 1}\n```')]},
    )
    assert answer.text == '{"n": 1}'
    assert answer.receipt.attempts[0].fault is Fault.SCHEMA
    assert answer.receipt.attempts[0].cost_usd is not None


def test_a_pinned_model_is_not_replaced_and_the_error_names_what_else_there_is(
    tmp_path: Path,
) -> None:
    denied = failure(401, {"error": {"message": "no"}})
    with pytest.raises(ExhaustedError, match="others are connected: p/dear") as caught:
        complete(tmp_path, Task("hi", model="p/cheap"), {"cheap": [denied]})
    assert [a.model for a in caught.value.attempts] == ["p/cheap"]


def test_a_fallback_over_the_ceiling_is_not_tried(tmp_path: Path) -> None:
    task = Task("hi", max_cost_usd=Decimal("0.0003"), max_output_tokens=100)
    with pytest.raises(ExhaustedError) as caught:
        complete(tmp_path, task, {"cheap": [DOWN], "dear": [openai_answer("x")]})
    assert {a.model for a in caught.value.attempts} == {"p/cheap"}


async def test_max_concurrency_lets_so_many_through_and_the_others_wait_in_line(
    tmp_path: Path,
) -> None:
    release = asyncio.Event()

    async def held(_: float) -> None:
        await release.wait()

    slow = Behaviour(first_token_s=1.0, answers="done")
    async with SimulatedProvider("openai-chat", models={"m": slow}, sleep=held) as upstream:
        manifest = (
            'version = 1\n[providers.p]\nprotocol = "openai-chat"\n'
            f'base_url = "{upstream.base_url}"\nmax_concurrency = 2\n'
            '[[models]]\nid = "p/m"\n'
        )
        engine = engine_from(tmp_path, manifest)
        calls = [
            asyncio.create_task(engine.executor.complete(Task(f"task {n}"), deadline_s=20))
            for n in range(5)
        ]
        await upstream.until(lambda: upstream.in_flight == 2)
        release.set()
        texts = [(await call).text for call in calls]
        await engine.close()
    assert upstream.most_in_flight == 2
    assert texts == ["done"] * 5


async def test_a_lone_model_that_cools_down_is_tried_again_rather_than_excluded(
    tmp_path: Path,
) -> None:
    async with SimulatedProvider("openai-chat", models={"m": Behaviour()}) as up:
        manifest = (
            'version = 1\n[providers.p]\nprotocol = "openai-chat"\n'
            f'base_url = "{up.base_url}"\n[[models]]\nid = "p/m"\n'
        )
        engine = engine_from(tmp_path, manifest)
        up.script("m", [fault.find("insufficient_quota"), answer("back")])
        faults = []
        try:
            await engine.executor.complete(Task("one"), deadline_s=3)
        except ExhaustedError as error:
            faults = [a.fault for a in error.attempts if a.fault]
        text = (await engine.executor.complete(Task("two"), deadline_s=3)).text
        await engine.close()
    assert faults == [Fault.QUOTA]
    assert text == "back"


async def test_a_provider_that_is_down_does_not_use_up_every_attempt(tmp_path: Path) -> None:
    many = {f"m{n}": Behaviour() for n in range(4)}
    async with (
        SimulatedProvider("openai-chat", models=many) as down,
        SimulatedProvider("openai-chat", models={"m": Behaviour()}) as up,
    ):
        down.fail_all(fault.status(503))
        models = "".join(
            f'[[models]]\nid = "down/m{n}"\ncost = {{ input = 1, output = 1 }}\n' for n in range(4)
        )
        manifest = (
            "version = 1\n"
            f'[providers.down]\nprotocol = "openai-chat"\nbase_url = "{down.base_url}"\n'
            f'[providers.up]\nprotocol = "openai-chat"\nbase_url = "{up.base_url}"\n'
            f'{models}[[models]]\nid = "up/m"\ncost = {{ input = 9, output = 9 }}\n'
        )
        engine = engine_from(tmp_path, manifest)
        answered = await engine.executor.complete(Task("hi"), deadline_s=5)
        await engine.close()
        assert [a.model for a in answered.receipt.attempts] == ["down/m0", "up/m"]
