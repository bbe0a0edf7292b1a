"""What is out for long is not forgotten where everything else is down."""

from __future__ import annotations

import asyncio

import pytest

from faults.house import Upstream, attempts, connected, rehearsal, tried
from rightmodel.core.fault import Fault
from rightmodel.core.task import Task
from rightmodel.execution.breaker import FIRST_COOLDOWN_S
from rightmodel.execution.call_state import LOOK_S, MOST_LOOKS
from rightmodel.simulator import SimulatedFault, fault

OPENAI = Upstream()
OUT = [
    pytest.param(fault.insufficient_quota(), Fault.QUOTA, id="key"),
    pytest.param(fault.status(404), Fault.NOT_FOUND, id="model"),
]


@pytest.mark.parametrize(("broke", "reading"), OUT)
@rehearsal
async def test_where_all_else_is_down_what_is_out_is_tried_all_the_same(
    broke: SimulatedFault, reading: Fault
) -> None:
    async with connected(a=OPENAI, b=OPENAI) as house:
        house.script("a/m", broke)
        assert tried(await house.complete()) == [("a/m", reading), ("b/m", None)]
        house.upstreams["b"].fail_all(fault.status(503))
        await asyncio.sleep(FIRST_COOLDOWN_S)
        assert tried(await house.complete()) == [("b/m", Fault.OVERLOADED), ("a/m", None)]
        assert house.cooldown("a/m") == 0


@pytest.mark.parametrize(("broke", "reading"), OUT)
@rehearsal
async def test_one_call_in_five_seconds_tries_it(broke: SimulatedFault, reading: Fault) -> None:
    async with connected(a=OPENAI, b=OPENAI) as house:
        house.upstreams["a"].fail_all(broke)
        assert tried(await house.complete())[0] == ("a/m", reading)
        house.upstreams["b"].fail_all(fault.rate_limit("300"))
        asked = []
        for _ in range(80):
            await asyncio.sleep(1)
            before = len(house.asked("a"))
            await house.fails(deadline_s=1)
            asked.append(len(house.asked("a")) - before)
        assert sum(asked) == pytest.approx(80 / FIRST_COOLDOWN_S, abs=1)


@rehearsal
async def test_it_is_tried_before_a_provider_that_has_failed_in_the_call() -> None:
    async with connected(a=Upstream(models=("m", "n", "o")), b=OPENAI) as house:
        house.script("b/m", fault.insufficient_quota())
        await house.fails(Task("hi", model="b/m"))
        await asyncio.sleep(FIRST_COOLDOWN_S)
        house.upstreams["a"].fail_all(fault.status(503))
        assert tried(await house.complete()) == [("a/m", Fault.OVERLOADED), ("b/m", None)]


@rehearsal
async def test_before_its_last_attempt_a_call_looks_whether_another_provider_is_back() -> None:
    async with connected(a=Upstream(models=("m", "n", "o")), b=OPENAI) as house:
        house.script("b/m", fault.status(503))
        await house.fails(Task("hi", model="b/m"), deadline_s=1)
        house.upstreams["a"].fail_all(fault.status(503))
        answer = await house.complete()
        overloaded = Fault.OVERLOADED
        assert tried(answer) == [("a/m", overloaded), ("a/n", overloaded), ("b/m", None)]
        assert attempts(answer)[-1].start_s == pytest.approx(FIRST_COOLDOWN_S, abs=1.1)


@rehearsal
async def test_it_does_not_look_for_long() -> None:
    async with connected(a=Upstream(models=("m", "n", "o")), b=OPENAI) as house:
        house.script("b/m", fault.rate_limit("300"))
        await house.fails(Task("hi", model="b/m"), deadline_s=1)
        await asyncio.sleep(FIRST_COOLDOWN_S)  # who said when to come back is not tried before
        house.upstreams["a"].fail_all(fault.status(503))
        error = await house.fails()
        assert [model for model, _ in tried(error)] == ["a/m", "a/n", "a/o"]
        assert attempts(error)[-1].start_s == pytest.approx(MOST_LOOKS * LOOK_S, abs=0.5)
